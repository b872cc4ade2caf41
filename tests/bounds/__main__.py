"""`python -m tests.bounds`: whether requests ever cost more than was reserved for them; prints its figures.

Exit code 1 when one did.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.bounds.bound_run import HEADING, OPERATIONS, compare

REQUESTS = 10_000
SHOWN_MAX = 10


def main() -> int:
    """Compare as many requests of each operation as the command line asks for; 0 when none was reserved too little."""
    parser = argparse.ArgumentParser(prog="python -m tests.bounds", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the same gives the same requests")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    rows, violations = [HEADING], []
    for operation in OPERATIONS:
        found = compare(operation, given.requests, given.seed, progress=lambda text: print(f"  {text}", flush=True))
        rows += [figures.row(f"{operation} {kind}".strip()) for kind, figures in sorted(found.items())]
        violations += found[""].violations
    print("\n".join(rows))
    for violation in violations[:SHOWN_MAX]:
        print(f"  VIOLATION: {violation}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
