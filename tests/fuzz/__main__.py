"""`python -m tests.fuzz`: a hundred thousand hostile requests at a real gateway; prints its figures and its seed.

Exit code 1 when the gateway dies, errs with its own fault, leaks a trace or memory, or records a call that was not made.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.run import run_fuzz

REQUESTS = 100_000
SHOWN_MAX = 40


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same gives the same requests")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tollkeeper-fuzz-") as name:
        folder = Path(name)
        report = run_fuzz(
            folder,
            f"sqlite:///{folder / 'tollkeeper.db'}",
            requests=given.requests,
            seed=given.seed,
            progress=lambda text: print(f"  {text}", flush=True),
        )
    print(report.table())
    for problem in report.problems[:SHOWN_MAX]:
        print(f"  PROBLEM: {problem}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
