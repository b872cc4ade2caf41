"""What timing the steps adds to the path of a call, in microseconds of CPU: `python -m bench.step_times`.

Added are four looks at the clock (and one is saved that was made twice), the times put into the record, and their bytes in the
journal.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec

from bench.counting import make_record
from tollkeeper.domain.deployment import Deployment, Provider
from tollkeeper.gateway.holding import Admitted
from tollkeeper.gateway.outgoing import Outgoing
from tollkeeper.gateway.passage import Passage
from tollkeeper.journal.format import encode_payload
from tollkeeper.kit import clock
from tollkeeper.ports.limiter import AdmitAll

CALLS = 20_000
ROUNDS = 100
STEPS_US = (15, 45, 5, 95, 30, 40)
"""Of a usual call."""


def make_passage() -> Passage:
    """Return the passage of a call that was answered now, with what times need of it."""
    unasked: Any = SimpleNamespace(service_tier=None)
    now_ns = clock.monotonic_ns()
    marks = (now_ns - 200_000, now_ns - 185_000, now_ns - 140_000, now_ns - 135_000)
    deployment = Deployment(Provider("openai", "openai", "https://api.openai.com/v1"), "gpt-4o-mini")
    passage = Passage(
        unasked,
        unasked,
        deployment,
        unasked,
        admitted=Admitted(AdmitAll(), None),
        outgoing=Outgoing(b"", None),
        marks=marks,
    )
    passage.sending()
    passage.ended(passage.outcome)
    return passage


def look() -> None:
    """Look at the clock as the path does between its steps; the fourth look made up for the saved one."""
    authenticated_ns = clock.monotonic_ns()
    authorised_ns = clock.monotonic_ns()
    _marks = (authenticated_ns, authenticated_ns, authorised_ns, clock.monotonic_ns())


def nothing() -> None:
    """Do nothing, as fast as anything can."""


def main() -> None:
    """Measure each part, and print the best rounds."""
    passage, ended_ns, record = make_passage(), clock.monotonic_ns() + 40_000, make_record()
    timed = msgspec.structs.replace(record, steps_us=STEPS_US)
    looks = _us(look, nothing)
    times = _us(lambda: passage._steps_us(ended_ns), lambda: None)
    written = _us(lambda: encode_payload(timed), lambda: encode_payload(record))
    print(f"looking at the clock {looks:.2f}, the times {times:.2f}, their bytes {written:.2f}:", end=" ")
    print(f"{looks + times + written:.2f} µs of CPU per call at best of {ROUNDS} rounds of {CALLS:,} calls")
    print(f"bytes in the journal: {len(encode_payload(timed)) - len(encode_payload(record))}")


def _us(do: Callable[[], object], instead: Callable[[], object]) -> float:
    """Return how much longer it takes than something else, both measured in turns."""
    timers = [timeit.Timer(each, timer=time.process_time) for each in (do, instead)]
    rounds = [[timer.timeit(CALLS) for timer in timers] for _ in range(ROUNDS)]
    best, best_instead = (min(column) for column in zip(*rounds, strict=True))
    return (best - best_instead) / CALLS * 1e6


if __name__ == "__main__":
    main()
