"""`python -m tests.everycall`: 20,000 calls of every dialect at every provider; the bill equals the ledger to the nano-dollar.

Whole and streamed, with tools, pictures, thinking and caching, with every fault of the simulator's list, second deployments,
clients that leave after each event of a stream, and slow ones. Exit code 1 when a call is lost, doubled, wrong, or unpriced
without a cause.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from tests.everycall.run import Report, run_every_call
from tests.live.databases import fresh_database

CALLS = 20_000
SHOWN_MAX = 40
DATABASES = ("sqlite", "postgres")


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.everycall", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"on each database (default {CALLS})")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="sqlite")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same gives the same calls")
    parser.add_argument("--json", action="store_true", help="print the figures and the calls without a usage as JSON")
    given = parser.parse_args()
    say(f"seed {given.seed}")
    reports = {}
    for database in DATABASES if given.database == "both" else (given.database,):
        started = time.monotonic()
        with fresh_database(database) as (folder, url):
            reports[database] = run_every_call(
                folder, url, calls=given.calls, seed=given.seed, progress=lambda text: say(f"  {text}")
            )
        say(f"{database}: {given.calls:,} calls, {time.monotonic() - started:.0f} s")
        if not given.json:
            show(reports[database])
    if given.json:
        print(json.dumps({database: report.as_json() for database, report in reports.items()}, indent=1))
    return 1 if any(report.problems for report in reports.values()) else 0


def show(report: Report) -> None:
    """Print a report, the estimated calls one by one."""
    print(f"{report.table()}\nwithout a usage, one by one:")
    print("\n".join(each.as_text() for each in (*report.books.untold, *report.books.estimated)))
    for problem in report.problems[:SHOWN_MAX]:
        print(f"  PROBLEM: {problem}")
    print(
        f"{len(report.problems)} PROBLEMS"
        if report.problems
        else "No call lost, doubled, wrong, or unpriced without a cause.",
        flush=True,
    )


def say(text: str) -> None:
    """Tell progress on stderr: stdout holds only the figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
