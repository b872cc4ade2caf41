"""`python -m tests.chaos`: kill -9 two hundred times on each database, and ten thousand mixed calls; prints its figures.

`--kills N` or `--calls N` alone runs only that. Exit code 1 when a single record is lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tests.live.databases import fresh_database
from tests.live.kills import kill_again_and_again
from tests.live.mixed_run import run_mixed_calls

KILLS, CALLS = 200, 10_000
DATABASES = ("sqlite", "postgres")


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, help=f"how often to kill on each database (default {KILLS})")
    parser.add_argument("--calls", type=int, help=f"how many mixed calls on each database (default {CALLS})")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 1_000_000, help="printed; the same gives the same calls"
    )
    given = parser.parse_args()
    kills, calls = given.kills, given.calls
    if kills is None and calls is None:
        kills, calls = KILLS, CALLS
    print(f"seed {given.seed}", flush=True)
    problems = 0
    for database in DATABASES if given.database == "both" else (given.database,):
        if kills:
            problems += _kill(database, kills, given.seed)
        if calls:
            problems += _call(database, calls, given.seed)
    print("No record lost, doubled or wrong." if not problems else f"{problems} PROBLEMS")
    return 1 if problems else 0


def _kill(database: str, kills: int, seed: int) -> int:
    started = time.monotonic()
    with fresh_database(database) as (folder, url):
        report = kill_again_and_again(folder, url, kills=kills, seed=seed, progress=_progress(database))
    print(
        f"\n{database}: {kills} times kill -9 under streaming load, {time.monotonic() - started:.0f} s\n{report.table()}"
    )
    return _complain(report.problems)


def _call(database: str, calls: int, seed: int) -> int:
    started = time.monotonic()
    with fresh_database(database) as (folder, url):
        report = run_mixed_calls(folder, url, calls=calls, seed=seed, progress=_progress(database))
    print(f"\n{database}: {calls:,} mixed calls, {time.monotonic() - started:.0f} s\n{report.table()}")
    print(f"estimated, one by one:\n{report.verdict.estimated_list()}")
    return _complain(report.problems)


def _complain(problems: list[str]) -> int:
    for problem in problems:
        print(f"  PROBLEM: {problem}")
    return len(problems)


def _progress(database: str) -> Callable[[str], None]:
    def show(text: str) -> None:
        end = "" if sys.stdout.isatty() else "\n"
        print(f"\r{database}: {text}   " if not end else f"{database}: {text}", end=end, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
