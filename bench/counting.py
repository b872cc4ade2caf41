"""What counting adds to the path of a call, in microseconds of CPU: `python -m bench.counting`."""

from __future__ import annotations

import time
import timeit

from tollkeeper.domain.deployment import Deployment, Provider
from tollkeeper.domain.usage import CostState, Outcome, UsageRecord
from tollkeeper.observability.call_counts import CountedCalls
from tollkeeper.observability.label_names import LabelNames

CALLS = 20_000
ROUNDS = 100


def make_record() -> UsageRecord:
    """Return the record of a usual call: two classes of tokens, a cost, no lost tries."""
    return UsageRecord(
        call_id=b"c" * 16,
        organization_id="org_a",
        project_id="proj_a",
        api_key_id="key_a",
        operation="chat.completions",
        model_asked="gpt-4o-mini",
        model_served="gpt-4o-mini-2024-07-18",
        provider="openai",
        status=200,
        outcome=Outcome.COMPLETE,
        is_stream=False,
        started_at_us=1_795_000_000_000_000,
        latency_us=812_345,
        first_byte_us=790_112,
        overhead_us=214,
        service_tier="standard",
        quantities={"input": 512, "output": 128},
        reasoning_tokens=0,
        is_estimated=False,
        lines=(),
        amount_nanos=153_600,
        cost_state=CostState.COMPUTED,
    )


def main() -> None:
    """Measure, and print the best round."""
    deployment = Deployment(Provider("openai", "openai", "https://api.openai.com/v1"), "gpt-4o-mini")
    counted, record = CountedCalls(LabelNames(["openai"])), make_record()
    counted.settled(record, deployment, "openai")
    names = {"count": counted.settled, "record": record, "deployment": deployment}
    statement, timer = 'count(record, deployment, "openai")', time.process_time
    rounds = sorted(timeit.repeat(statement, timer=timer, globals=names, number=CALLS, repeat=ROUNDS))
    best, middle = (each / CALLS * 1e6 for each in (rounds[0], rounds[ROUNDS // 2]))
    print(f"{best:.2f} µs of CPU per call at best, {middle:.2f} µs in the middle of {ROUNDS} rounds of {CALLS:,} calls")


if __name__ == "__main__":
    main()
