"""`python -m tests.overspend`: races, kills, outages and full disks under budgets; prints its figures.

`--only NAME` runs one scenario, `--attempts N` and `--quick` make it shorter. Exit code 1 when a nano-dollar was overspent,
a record lost or doubled, or a figure missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.live.databases import new_postgres_database, postgres_server
from tests.overspend.race import race

ATTEMPTS, ATTEMPTS_QUICK = 50_000, 4_000


class Report(Protocol):
    """What every scenario comes to."""

    problems: list[str]

    def rows(self) -> list[tuple[str, str]]: ...


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.overspend", description=__doc__)
    parser.add_argument("--only", choices=list(SCENARIOS), action="append")
    parser.add_argument("--attempts", type=int, help=f"how many calls are tried in a race (default {ATTEMPTS:,})")
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


Run = Callable[[Callable[[str], None]], Report]


def _run(title: str, run: Run) -> int:
    started = time.monotonic()
    print(f"\n{title}", flush=True)
    report = run(lambda text: print(f"  … {text}", flush=True))
    for what, figure in report.rows():
        print(f"  {what:<38} {figure}")
    print(f"  {'seconds':<38} {time.monotonic() - started:.0f}")
    for problem in report.problems:
        print(f"  PROBLEM: {problem}")
    print("  pass" if not report.problems else "  FAIL", flush=True)
    return len(report.problems)


def _races(given: argparse.Namespace) -> Iterator[tuple[str, Run]]:
    for database, replicas in (("postgres", 8), ("sqlite", 4)):
        if given.database in {database, "both"}:

            def run(progress: Callable[[str], None], database: str = database, replicas: int = replicas) -> Report:
                with fresh(database) as (folder, url):
                    return race(
                        folder,
                        url,
                        replicas=replicas,
                        clients=64,
                        attempts=given.attempts,
                        seed=given.seed,
                        progress=progress,
                    )

            yield f"race, {database}: {replicas} replicas x 64 clients, {given.attempts:,} attempts", run


SCENARIOS: dict[str, Callable[[argparse.Namespace], Iterator[tuple[str, Run]]]] = {"race": _races}


@contextmanager
def fresh(database: str) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the URL of an empty database, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-overspend-") as name:
        folder = Path(name)
        if database == "sqlite":
            yield folder, f"sqlite:///{folder / 'tollkeeper.db'}"
            return
        with postgres_server() as server:
            yield folder, new_postgres_database(server)


if __name__ == "__main__":
    sys.exit(main())
