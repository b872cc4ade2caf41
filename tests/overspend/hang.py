"""A replica that hangs (SIGSTOP) for longer than its leases may be left alone, and then goes on as if nothing had happened."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.overspend.books import Books, check_books
from tests.overspend.calls import mean_cost_nanos
from tests.overspend.fleet import Fleet, fleet
from tests.overspend.load import Load, Tally
from tests.overspend.places import Places, found_places
from tests.overspend.tables import LeaseRow, read_leases
from tests.overspend.watch import Watch, Watched, watching

from tollkeeper.kit.clock import monotonic_s

SHORT_CALLS = "total_s = 5.0\ndrain_s = 5.0\n"
"""What the reaper waits for besides the time to live of 30 s: the longest call, with its end, and 10 s."""
SUSPENDED_S_MAX = 90.0
_TOKENS_PER_SECOND = 400
_BEFORE_S = 5.0
_AFTER_S = 8.0
_CALLS_PER_SECOND = 20


@dataclass(slots=True)
class HangReport:
    """What a hanging replica came to; `problems` is empty when all is well, `missed` when it is fast enough too."""

    suspended_s: float = 0.0
    held: int = 0  # nano-USD of the project's budget that its leases held
    is_reopened: bool = False
    others_let_in: int = 0  # while it hung
    own_let_in_again: int = 0
    tally: Tally = field(default_factory=Tally)
    own: Tally = field(default_factory=Tally)
    watched: Watched = field(default_factory=Watched)
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        verdict = self.books.verdict
        return [
            ("in suspense after", f"{self.suspended_s:.0f} s"),
            ("held by it of the project, nano-USD", f"{self.held:,}"),
            ("let in by the others meanwhile", f"{self.others_let_in:,}"),
            ("let in by itself afterwards", f"{self.own_let_in_again:,}"),
            *self.tally.rows(),
            ("overspend at any moment, nano-USD", f"{self.watched.overspend:,}"),
            ("records exact to the nano", f"{verdict.exact:,} of {verdict.records:,}"),
            ("estimated / crashed", f"{len(verdict.estimated)} / {len(verdict.crashed)}"),
            ("lost / doubled", f"{len(verdict.lost)} / {len(verdict.doubled)}"),
            ("escrow left after all stopped", f"{self.books.escrow_left:,}"),
        ]


def hang_a_replica(
    folder: Path, database_url: str, *, seed: int, replicas: int = 3, progress: Callable[[str], None] = lambda _: None
) -> HangReport:
    """Freeze one replica until its leases are in suspense, and let it go on, on an empty database."""
    report = HangReport()
    with fleet(
        folder, database_url, count=replicas, tokens_per_second=_TOKENS_PER_SECOND, extra=SHORT_CALLS
    ) as running:
        mean = mean_cost_nanos(running.simulator, seed)
        places = asyncio.run(found_places(running, 200 * _CALLS_PER_SECOND * mean))
        running.start()
        asyncio.run(_hang(running, places, report, seed=seed, progress=progress))
        report.problems += running.stop()
        report.books = check_books(running, places, is_exact=False)
    report.problems += [*report.tally.wrong, *report.watched.problems, *report.books.problems]
    if not report.is_reopened:
        report.problems.append("its leases did not come back out of suspense")
    if not report.others_let_in or not report.own_let_in_again:
        report.problems.append("calls should go on at the others meanwhile, and at itself afterwards")
    if report.books.verdict.crashed:
        report.problems.append(f"calls in flight did not settle: {report.books.verdict.crashed}")
    return report


async def _hang(
    running: Fleet, places: Places, report: HangReport, *, seed: int, progress: Callable[[str], None]
) -> None:
    victim, *others = running.replicas
    load = Load(
        places, [each.port for each in others], clients=8, seed=seed, attempts=10**9, think_s=0.5, is_endless=True
    )
    own = Load(places, [victim.port], clients=8, seed=seed + 7, attempts=10**9, think_s=0.3, is_endless=True)
    async with watching(Watch(running, places)) as watch:
        loading, own_loading = asyncio.ensure_future(load.run()), asyncio.ensure_future(own.run())
        await asyncio.sleep(_BEFORE_S)
        victim.signal(signal.SIGSTOP)
        hung_s, before = monotonic_s(), load.tally.admitted
        progress("frozen")
        held = await _wait_for_suspense(running, victim.holder)
        report.suspended_s = monotonic_s() - hung_s
        report.held = sum(each.amount - each.consumed for each in held if each.budget_id == places.project.budget_id)
        report.others_let_in = load.tally.admitted - before
        own_before = own.tally.admitted
        victim.signal(signal.SIGCONT)
        progress("goes on")
        await asyncio.sleep(_AFTER_S)
        states = {each.id: each.state for each in await read_leases(running.database_url)}
        report.is_reopened = all(states[each.id] in {"open", "closed"} for each in held)
        report.own_let_in_again = own.tally.admitted - own_before
        load.stop()
        own.stop()
        report.tally, report.own = await loading, await own_loading
    report.watched = watch.seen


async def _wait_for_suspense(running: Fleet, holder: str) -> list[LeaseRow]:
    began_s = monotonic_s()
    while True:
        held = [each for each in await read_leases(running.database_url) if each.holder == holder]
        living = [each for each in held if each.state != "closed"]
        if living and all(each.state == "suspense" for each in living):
            return living
        assert monotonic_s() - began_s < SUSPENDED_S_MAX, f"not suspended: {living}"
        await asyncio.sleep(0.5)
