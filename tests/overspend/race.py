"""Many clients race for the last of a budget, at several replicas; nobody dies. The provider's bill is the judge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.overspend.books import Books, check_books
from tests.overspend.calls import mean_cost_nanos
from tests.overspend.fleet import Fleet, fleet
from tests.overspend.load import Load, Tally
from tests.overspend.places import Places, found_places
from tests.overspend.watch import Watch, Watched, watching

from tollkeeper.kit.clock import monotonic_s

CALLS = 1_000
USED_PART_MIN = 0.99
TOKENS_PER_SECOND = 2_000


@dataclass(slots=True)
class RaceReport:
    """What a race came to; `problems` is empty when all is well, `missed` when it is fast enough too."""

    limit_nanos: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)
    watched: Watched = field(default_factory=Watched)
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        books = self.books
        fullest = sorted(self.watched.highest.items(), key=lambda each: -each[1])[:4]
        return [
            ("limit of the project, nano-USD", f"{self.limit_nanos:,}"),
            *self.tally.rows(),
            ("attempts per second", f"{self.tally.attempts / max(self.seconds, 0.1):,.0f}"),
            ("looks at the running bill", f"{self.watched.looks:,}"),
            ("overspend at any moment, nano-USD", f"{self.watched.overspend:,}"),
            ("bill under the project / limit", f"{books.used_part:.3%}"),
            ("  fullest at any moment", ", ".join(f"{name} {part:.1%}" for name, part in fullest)),
            ("records exact to the nano", f"{books.verdict.exact:,} of {books.verdict.records:,}"),
            ("estimated / crashed", f"{len(books.verdict.estimated)} / {len(books.verdict.crashed)}"),
            ("lost / doubled", f"{len(books.verdict.lost)} / {len(books.verdict.doubled)}"),
            ("escrow left after all stopped", f"{books.escrow_left:,}"),
        ]


def race(
    folder: Path,
    database_url: str,
    *,
    replicas: int,
    clients: int,
    attempts: int,
    seed: int,
    calls: int = CALLS,
    ends_when_idle: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> RaceReport:
    """Run a race for the cost of `calls` calls on an empty database: all attempts, or until nobody is let in any more."""
    report = RaceReport()
    with fleet(folder, database_url, count=replicas, tokens_per_second=TOKENS_PER_SECOND) as running:
        report.limit_nanos = calls * mean_cost_nanos(running.simulator, seed)
        places = asyncio.run(found_places(running, report.limit_nanos))
        running.start()
        started_s = monotonic_s()
        report.tally, report.watched = asyncio.run(
            _load(
                running,
                places,
                Load(
                    places,
                    [each.port for each in running.replicas],
                    clients=clients,
                    seed=seed,
                    attempts=attempts,
                    is_endless=not ends_when_idle,
                ),
                progress,
            )
        )
        report.seconds = monotonic_s() - started_s
        report.problems += running.stop()
        report.books = check_books(running, places, is_exact=True)
    report.problems += [*report.tally.wrong, *report.watched.problems, *report.books.problems]
    if report.books.used_part < USED_PART_MIN:
        report.missed.append(f"only {report.books.used_part:.3%} of the limit could be used")
    return report


async def _load(running: Fleet, places: Places, load: Load, progress: Callable[[str], None]) -> tuple[Tally, Watched]:
    async with watching(Watch(running, places)) as watch:
        telling = asyncio.ensure_future(_tell(load, watch, progress))
        try:
            tally = await load.run()
        finally:
            telling.cancel()
    return tally, watch.seen


async def _tell(load: Load, watch: Watch, progress: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(5)
        part = watch.seen.highest.get("project", 0.0)
        progress(f"{load.tally.attempts:,} attempts, {load.tally.admitted:,} let in, {part:.1%} of the limit")
