"""kill -9 of one replica after the other while clients race for a budget: nothing overspent, little stranded, all of it back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.overspend.books import Books, check_books
from tests.overspend.calls import mean_cost_nanos
from tests.overspend.fleet import Fleet, Replica, fleet
from tests.overspend.load import Load, Tally
from tests.overspend.places import Places, found_places
from tests.overspend.tables import LeaseRow, read_leases
from tests.overspend.watch import Watch, Watched, watching

from tollkeeper.kit.clock import monotonic_s

STRANDED_PART_MAX = 0.02
RECOVERED_S_MAX = 5.0
_TOKENS_PER_SECOND = 400
_COMMITTED_S = 0.3
"""What a killed process had sent to be committed is committed in this time."""


@dataclass(slots=True)
class Killed:
    """One kill. `leases` are what the dead replica had of the project's budget; amounts are nano-USD."""

    leases: list[LeaseRow]
    stranded: int = 0
    ready_s: float = 0.0  # from the kill until it answered again
    recovered_s: float = 0.0  # from then until nothing was held by what died


@dataclass(slots=True)
class KillReport:
    """What so many kills came to; `problems` is empty when all is well, `missed` when it is fast enough too."""

    limit_nanos: int = 0
    kills: list[Killed] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    watched: Watched = field(default_factory=Watched)
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def stranded_part(self) -> float:
        return max((each.stranded for each in self.kills), default=0) / max(self.limit_nanos, 1)

    def rows(self) -> list[tuple[str, str]]:
        verdict = self.books.verdict
        crashed = sum(record.amount_nanos or 0 for record in verdict.crashed)
        billed_unknown = sum(line["amount_nano"] for line in verdict.unmatched_lines)
        ready = sorted(each.ready_s for each in self.kills) or [0.0]
        return [
            ("limit of the project, nano-USD", f"{self.limit_nanos:,}"),
            ("kill -9", f"{len(self.kills)}"),
            *self.tally.rows(),
            ("overspend at any moment, nano-USD", f"{self.watched.overspend:,}"),
            ("bill under the project / limit", f"{self.books.used_part:.3%}"),
            ("stranded by a kill, most / limit", f"{self.stranded_part:.3%}"),
            ("up again after, median / longest", f"{ready[len(ready) // 2]:.1f} s / {ready[-1]:.1f} s"),
            ("recovered after ready, longest", f"{max((each.recovered_s for each in self.kills), default=0):.1f} s"),
            ("records exact to the nano", f"{verdict.exact:,} of {verdict.records:,}"),
            ("estimated by count", f"{len(verdict.estimated)}"),
            ("crashed, booked as reserved", f"{len(verdict.crashed)}: {crashed:,} nano-USD, billed {billed_unknown:,}"),
            ("lost / doubled", f"{len(verdict.lost)} / {len(verdict.doubled)}"),
            ("escrow left after all stopped", f"{self.books.escrow_left:,}"),
        ]


def kill_under_race(
    folder: Path,
    database_url: str,
    *,
    replicas: int,
    clients: int,
    kills: int,
    seed: int,
    every_s: float = 2.0,
    calls: int = 1_000,
    progress: Callable[[str], None] = lambda _: None,
) -> KillReport:
    """Kill a replica every `every_s` seconds and start it again, on an empty database."""
    report = KillReport()
    with fleet(folder, database_url, count=replicas, tokens_per_second=_TOKENS_PER_SECOND) as running:
        report.limit_nanos = calls * mean_cost_nanos(running.simulator, seed)
        places = asyncio.run(found_places(running, report.limit_nanos))
        running.start()
        think_s = clients * replicas * kills * every_s / calls  # so that the budget lasts about as long as the kills
        asyncio.run(_kill_all(running, places, report, (clients, kills, seed, every_s, think_s), progress))
        report.problems += running.stop()
        report.books = check_books(running, places, is_exact=False)
    report.problems += [*report.tally.wrong, *report.watched.problems, *report.books.problems]
    if report.stranded_part > STRANDED_PART_MAX:
        report.missed.append(f"a kill stranded {report.stranded_part:.3%} of the limit")
    if late := [each.recovered_s for each in report.kills if each.recovered_s > RECOVERED_S_MAX]:
        report.missed.append(f"leases of the dead came back late: {late}")
    return report


async def _kill_all(
    running: Fleet,
    places: Places,
    report: KillReport,
    plan: tuple[int, int, int, float, float],
    progress: Callable[[str], None],
) -> None:
    clients, kills, seed, every_s, think_s = plan
    ports = [each.port for each in running.replicas]
    load = Load(places, ports, clients=clients, seed=seed, attempts=10**9, think_s=think_s, is_endless=True)
    rng = random.Random(seed)
    restarts: dict[Replica, asyncio.Future[None]] = {}
    async with watching(Watch(running, places)) as watch:
        loading = asyncio.ensure_future(load.run())
        for number in range(kills):
            await asyncio.sleep(every_s)
            up = [each for each in running.replicas if each not in restarts or restarts[each].done()]
            if not up:  # a machine too slow to start as fast as we kill
                await asyncio.wait(restarts.values(), return_when=asyncio.FIRST_COMPLETED)
                up = [each for each in running.replicas if restarts[each].done()]
            victim = rng.choice(up)
            restarts[victim] = asyncio.ensure_future(_kill(running, places, victim, report))
            part = watch.seen.highest.get("project", 0.0)
            progress(f"kill {number + 1}/{kills}, {load.tally.admitted:,} calls let in, {part:.1%} of the limit")
        await asyncio.gather(*restarts.values())
        await asyncio.sleep(every_s)
        load.stop()
        report.tally = await loading
    report.watched = watch.seen


async def _kill(running: Fleet, places: Places, victim: Replica, report: KillReport) -> None:
    holder = victim.holder
    await asyncio.to_thread(victim.kill)
    killed_s = monotonic_s()
    await asyncio.sleep(_COMMITTED_S)
    held = [
        each for each in await read_leases(running.database_url) if each.holder == holder and each.state != "closed"
    ]
    killed = Killed([each for each in held if each.budget_id == places.project.budget_id])
    victim.launch()
    await asyncio.to_thread(victim.wait)
    ready_s = monotonic_s()
    killed.ready_s = ready_s - killed_s
    ids = {each.id for each in held}
    while True:
        now = {each.id: each for each in await read_leases(running.database_url) if each.id in ids}
        if all(each.state == "closed" for each in now.values()):
            break
        assert monotonic_s() - ready_s < 60, f"still held a minute after the start: {list(now.values())}"
        await asyncio.sleep(0.1)
    killed.recovered_s = monotonic_s() - ready_s
    # What the journal says that was used of the lease was not stranded: the rest of it was.
    killed.stranded = sum(each.amount - now[each.id].consumed for each in killed.leases)
    report.kills.append(killed)
