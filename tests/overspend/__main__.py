"""`python -m tests.overspend`: races, kills, outages and full disks under budgets; prints its figures.

`--only NAME` runs one scenario (again and again for several), `--attempts N` and `--quick` make it shorter. Exit code 1 when a nano-dollar was overspent,
a record lost or doubled, or a figure missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tests.live.databases import new_postgres_database, postgres_server
from tests.overspend.disk import break_disk
from tests.overspend.grants import measure_grants
from tests.overspend.hang import hang_a_replica
from tests.overspend.kill import kill_under_race
from tests.overspend.postgres import postgres
from tests.overspend.race import race
from tests.overspend.store_away import lose_store

ATTEMPTS, ATTEMPTS_QUICK = 50_000, 5_000
PREFIX = "tollkeeper-overspend-"


class Report(Protocol):
    """What every scenario comes to."""

    problems: list[str]
    missed: list[str]

    def rows(self) -> list[tuple[str, str]]: ...


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.overspend", description=__doc__)
    parser.add_argument("--only", choices=list(SCENARIOS), action="append")
    parser.add_argument("--attempts", type=int, help=f"how many calls are tried in a race (default {ATTEMPTS:,})")
    parser.add_argument("--seconds", type=float, help="how long the store is away (default 60)")
    parser.add_argument("--quick", action="store_true", help="shorter forms")
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 1_000_000, help="printed; the same gives the same calls"
    )
    given = parser.parse_args()
    given.attempts = given.attempts or (ATTEMPTS_QUICK if given.quick else ATTEMPTS)
    print(f"seed {given.seed}", flush=True)
    problems = 0
    for name in given.only or SCENARIOS:
        for title, run in SCENARIOS[name](given):
            problems += _run(title, run)
    print("Nothing overspent, lost or doubled." if not problems else f"{problems} PROBLEMS")
    return 1 if problems else 0


Progress = Callable[[str], None]
Run = Callable[[Progress], Report]


def _run(title: str, run: Run) -> int:
    started = time.monotonic()
    print(f"\n{title}", flush=True)
    report = run(lambda text: print(f"  … {text}", flush=True))
    for what, figure in report.rows():
        print(f"  {what:<38} {figure}")
    print(f"  {'seconds (load of the machine)':<38} {time.monotonic() - started:.0f} ({os.getloadavg()[0]:.1f})")
    for problem in report.problems:
        print(f"  PROBLEM: {problem}")
    for figure in report.missed:
        print(f"  MISSED: {figure}")
    wrong = len(report.problems) + len(report.missed)
    print("  FAIL" if wrong else "  pass", flush=True)
    return wrong


def _race(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    for database in _databases(given):
        replicas = 8 if database == "postgres" else 4
        options: dict[str, Any] = {"replicas": replicas, "clients": 64, "attempts": given.attempts, "seed": given.seed}
        title = f"race, {database}: {replicas} replicas x 64 clients, {given.attempts:,} attempts"
        yield title, partial(_on_fresh, database, race, options)


def _kill(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    for database in _databases(given):
        replicas, kills = (8 if database == "postgres" else 4), 8 if given.quick else 30
        options: dict[str, Any] = {"replicas": replicas, "clients": 16, "kills": kills, "seed": given.seed}
        title = f"kill, {database}: {replicas} replicas x 16 clients, one killed every 2 s, {kills} kills"
        yield title, partial(_on_fresh, database, kill_under_race, options)


def _store_away(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    seconds = given.seconds or (15.0 if given.quick else 60.0)
    for is_frozen in (True, False):

        def run(progress: Progress, is_frozen: bool = is_frozen) -> Report:
            with tempfile.TemporaryDirectory(prefix=PREFIX) as name, postgres() as server:
                options: dict[str, Any] = {"is_frozen": is_frozen, "seconds": seconds, "seed": given.seed}
                return lose_store(Path(name), server, **options, progress=progress)

        yield f"store-away: PostgreSQL {'frozen' if is_frozen else 'shut down'} for {seconds:.0f} s", run


def _hang(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    yield (
        "hang, postgres: a replica stopped by SIGSTOP",
        partial(_on_fresh, "postgres", hang_a_replica, {"seed": given.seed}),
    )


def _disk(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    for database in _databases(given):
        for fault, title in (("full", "no byte fits any more"), ("sync", "a sync fails (safe mode)")):
            options: dict[str, Any] = {"fault": fault, "seed": given.seed}
            yield f"disk, {database}: {title}", partial(_on_fresh, database, break_disk, options)


def _grants(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    options: dict[str, Any] = {"seconds": 10.0 if given.quick else 30.0}
    yield "grants, postgres: 100 replicas on one budget", partial(_on_fresh, "postgres", measure_grants, options)


SCENARIOS: dict[str, Callable[[argparse.Namespace], Iterator[tuple[str, Run]]]] = {
    "race": _race,
    "kill": _kill,
    "store-away": _store_away,
    "hang": _hang,
    "disk": _disk,
    "grants": _grants,
}


def _databases(given: argparse.Namespace) -> tuple[str, ...]:
    return ("postgres", "sqlite") if given.database == "both" else (given.database,)


def _on_fresh(database: str, scenario: Callable[..., Report], options: dict[str, Any], progress: Progress) -> Report:
    with fresh(database) as (folder, url):
        return scenario(folder, url, **options, progress=progress)


@contextmanager
def fresh(database: str) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the URL of an empty database, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        if database == "sqlite":
            yield folder, f"sqlite:///{folder / 'tollkeeper.db'}"
            return
        with postgres_server() as server:
            yield folder, new_postgres_database(server)


if __name__ == "__main__":
    sys.exit(main())
