"""`python -m tests.keys`: rotation, deletion, stopping and use of the same keys for a minute on two servers; prints its figures.

Exit code 1 when a single answer contradicted, for more than a second, what held.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.keys.interleavings import interleave, table_of
from tests.keys.replicas import two_replicas
from tests.live.databases import new_postgres_database, postgres_server


def main() -> int:
    """Run for as long as the command line says; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.keys", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.seconds:.0f} s", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="tollkeeper-keys-") as folder,
        postgres_server() as server,
        two_replicas(Path(folder), new_postgres_database(server)) as replicas,
    ):
        report = asyncio.run(interleave(replicas, seconds=given.seconds, seed=given.seed))
    print(table_of(report))
    for problem in report.problems:
        print(f"  PROBLEM: {problem}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
