"""PostgreSQL frozen, or shut down, under load: calls go on within the leases that are held, then 503; afterwards all is made up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from tests.overspend.books import Books, check_books
from tests.overspend.calls import mean_cost_nanos
from tests.overspend.fleet import Fleet, fleet
from tests.overspend.load import Load, Tally
from tests.overspend.places import Places, found_places
from tests.overspend.postgres import Postgres
from tests.overspend.tables import NodeRow, fetch
from tests.overspend.watch import Watch, Watched, billed_under, watching

from tollkeeper.kit.clock import monotonic_s

DRAINED_S_MAX = 60.0
ANSWERED_S_MAX = 15.0
"""A call must be answered in this time whatever the database does: the patience of a call and of a look-up."""
_TOKENS_PER_SECOND = 2_000
_BEFORE_S = 6.0
_CALLS_PER_SECOND = 60


@dataclass(slots=True)
class AwayReport:
    """What an outage came to; amounts are nano-USD, under the project. `problems` and `missed` are empty when all is well."""

    seconds: float = 0.0
    held: int = 0  # what leases held that was not billed yet when the database went away
    billed: int = 0  # what was billed from then until it came back
    told: Counter[str] = field(default_factory=Counter)  # answers within the outage
    last_admitted_s: float = 0.0  # after it began
    admitted_again_s: float = 0.0  # after it ended
    drained_s: float = 0.0
    tally: Tally = field(default_factory=Tally)
    watched: Watched = field(default_factory=Watched)
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        verdict = self.books.verdict
        return [
            ("away for", f"{self.seconds:.0f} s"),
            ("held by leases when it went", f"{self.held:,}"),
            ("billed while it was away", f"{self.billed:,}"),
            ("answers meanwhile", ", ".join(f"{name} {count:,}" for name, count in sorted(self.told.items()))),
            ("  last call let in after", f"{self.last_admitted_s:.1f} s"),
            ("let in again after its return", f"{self.admitted_again_s:.1f} s"),
            ("backlog drained after", f"{self.drained_s:.1f} s"),
            *self.tally.rows(),
            ("overspend at any moment, nano-USD", f"{self.watched.overspend:,}"),
            ("records exact to the nano", f"{verdict.exact:,} of {verdict.records:,}"),
            ("estimated / crashed", f"{len(verdict.estimated)} / {len(verdict.crashed)}"),
            ("lost / doubled", f"{len(verdict.lost)} / {len(verdict.doubled)}"),
            ("escrow left after all stopped", f"{self.books.escrow_left:,}"),
        ]


def lose_store(
    folder: Path,
    server: Postgres,
    *,
    is_frozen: bool,
    seconds: float,
    seed: int,
    replicas: int = 4,
    clients: int = 16,
    progress: Callable[[str], None] = lambda _: None,
) -> AwayReport:
    """Take the database away for so long while the budget is far from used up; frozen, else shut down."""
    report = AwayReport(seconds)
    with fleet(folder, server.url, count=replicas, tokens_per_second=_TOKENS_PER_SECOND) as running:
        mean = mean_cost_nanos(running.simulator, seed)
        calls = int((2 * _BEFORE_S + seconds) * _CALLS_PER_SECOND * 4)
        places = asyncio.run(found_places(running, calls * mean))
        running.start()
        asyncio.run(
            _lose(running, places, server, report, is_frozen=is_frozen, seed=seed, clients=clients, progress=progress)
        )
        report.problems += running.stop()
        report.books = check_books(running, places, is_exact=True)
    report.problems += [*report.tally.wrong, *report.watched.problems, *report.books.problems]
    _judge(report)
    return report


def _judge(report: AwayReport) -> None:
    problems = report.problems
    if report.billed > report.held:
        problems.append(f"{report.billed - report.held} beyond what leases held was let in while the store was away")
    if wrong := [name for name in report.told if name not in {"200", "503 limits_unavailable"}]:
        problems.append(f"while the store was away calls were answered {wrong}")
    if not report.told["503 limits_unavailable"]:
        problems.append("no call was refused while the store was away: was it?")
    if (longest := max(report.tally.longest_s.values())) > ANSWERED_S_MAX:
        report.missed.append(f"a call waited {longest:.1f} s")
    if report.drained_s > DRAINED_S_MAX:
        report.missed.append(f"the backlog was drained after {report.drained_s:.0f} s")


async def _lose(
    running: Fleet,
    places: Places,
    server: Postgres,
    report: AwayReport,
    *,
    is_frozen: bool,
    seed: int,
    clients: int,
    progress: Callable[[str], None],
) -> None:
    ports = [each.port for each in running.replicas]
    think_s = clients * len(ports) / _CALLS_PER_SECOND
    load = Load(places, ports, clients=clients, seed=seed, attempts=10**9, think_s=think_s, is_endless=True)
    async with watching(Watch(running, places)) as watch:
        loading = asyncio.ensure_future(load.run())
        await asyncio.sleep(_BEFORE_S)
        project = await _take_away(running, places, server, is_frozen=is_frozen)
        away_s = monotonic_s()
        before = Counter(load.tally.told)
        before_bill = billed_under(places.project, await watch.bill())
        report.held = project.used + project.escrow - before_bill
        progress(f"the store is away; {load.tally.admitted:,} calls let in so far")
        await asyncio.sleep(report.seconds)
        report.told = load.tally.told - before
        report.billed = billed_under(places.project, await watch.bill()) - before_bill
        report.last_admitted_s = max(load.admitted_at_s - away_s, 0.0)
        await asyncio.to_thread(server.thaw if is_frozen else server.start)
        back_s = monotonic_s()
        progress("the store is back")
        await _until(lambda: load.admitted_at_s > back_s, "a call is let in again")
        report.admitted_again_s = load.admitted_at_s - back_s
        await _wait_for_records(running, back_s)
        report.drained_s = monotonic_s() - back_s
        await asyncio.sleep(_BEFORE_S)
        load.stop()
        report.tally = await loading
    report.watched = watch.seen


async def _take_away(running: Fleet, places: Places, server: Postgres, *, is_frozen: bool) -> NodeRow:
    """Take the database away and return the project's node as it was in that moment: nobody could change it any more."""
    connection = await asyncpg.connect(running.database_url)
    try:
        await connection.execute("BEGIN; SET LOCAL lock_timeout = 0; LOCK TABLE budget_node IN EXCLUSIVE MODE")
        query = "SELECT budget_id, limit_amount, used, escrow, recalled_at_us FROM budget_node WHERE budget_id = $1"
        row: Any = await connection.fetchrow(query, places.project.budget_id)
        await asyncio.to_thread(server.freeze if is_frozen else server.stop)
    finally:
        connection.terminate()
    return NodeRow(row[0], row[1], row[2], row[3], row[4] > 0)


async def _wait_for_records(running: Fleet, since_s: float) -> None:
    """Return when every call that had ended when the store came back has its usage record."""
    bill = await asyncio.to_thread(running.simulator.bill)
    wanted = {line["request_id"] for line in bill}
    query = "SELECT detail FROM usage_record"
    while True:
        have = {json.loads(row[0]).get("provider_request_id") for row in await fetch(running.database_url, query)}
        if wanted <= have:
            return
        assert monotonic_s() - since_s < 120, f"{len(wanted - have)} records are not there after two minutes"
        await asyncio.sleep(0.5)


async def _until(is_true: Callable[[], bool], what: str) -> None:
    deadline_s = monotonic_s() + 60
    while not is_true():
        assert monotonic_s() < deadline_s, f"not within a minute: {what}"
        await asyncio.sleep(0.05)
