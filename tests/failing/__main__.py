"""`python -m tests.failing`: 10,000 calls to models with two deployments, of which one fails in every way there is.

Exit code 1 when a client saw an error that the healthy deployment could have kept from it before the first byte, when a
call is charged twice or wrong, or when a failed try is not in its record. What may not be sent again is counted by its kind.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from tests.failing.run import Report, run_failing
from tests.live.databases import fresh_database

CALLS = 10_000
SHOWN_MAX = 40
DATABASES = ("sqlite", "postgres")


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.failing", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"on each database (default {CALLS})")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="sqlite")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same gives the same calls")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    say(f"seed {given.seed}")
    reports = {}
    for database in DATABASES if given.database == "both" else (given.database,):
        started = time.monotonic()
        with fresh_database(database) as (folder, url):
            reports[database] = run_failing(
                folder, url, calls=given.calls, seed=given.seed, progress=lambda text: say(f"  {text}")
            )
        say(f"{database}: {given.calls:,} calls, {time.monotonic() - started:.0f} s")
        if not given.json:
            show(reports[database])
    if given.json:
        print(json.dumps({database: report.as_json() for database, report in reports.items()}, indent=1))
    return 1 if any(report.problems for report in reports.values()) else 0


def show(report: Report) -> None:
    """Print a report, way by way."""
    print(report.table())
    for problem in report.problems[:SHOWN_MAX]:
        print(f"  PROBLEM: {problem}")
    done = "No error that a healthy deployment could have kept from a client, no call charged twice."
    print(f"{len(report.problems)} PROBLEMS" if report.problems else done, flush=True)


def say(text: str) -> None:
    """Tell progress on stderr: stdout holds only the figures."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
