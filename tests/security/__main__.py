"""`python -m tests.security --schemathesis`: every route, every check, every phase, as a key and as a person; prints its figures.

Exit code 1 when schemathesis finds anything.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.security.schema_run import run_schemathesis

from tollkeeper.store import migrations
from tollkeeper.store.engine import Store

RUN_S = 3600.0


def main() -> int:
    """Run what the command line asks for; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.security", description=__doc__)
    parser.add_argument("--schemathesis", action="store_true", required=True)
    parser.add_argument("--database", help="a URL of an empty database; without it, a new SQLite file")
    parser.add_argument("--max-examples", type=int, default=40)
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--who", choices=("admin", "org_admin"))
    given = parser.parse_args()
    options = ("--phases", given.phases, "--max-examples", str(given.max_examples))
    return max(
        asyncio.run(_run(who, given.database, options)) for who in ("admin", "org_admin") if given.who in {None, who}
    )


async def _run(who: str, database: str | None, options: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory(prefix="tollkeeper-schemathesis-") as name:
        store = Store.open(database or f"sqlite:///{Path(name) / 'tollkeeper.db'}")
        try:
            await migrations.upgrade(store)
            report = await run_schemathesis(store, who=who, options=options, folder=Path(name), requests_max_s=RUN_S)
        finally:
            await store.aclose()
    print(report.text)
    print(f"as {who}: {report.cases:,} cases, {len(report.problems)} runs with failures", flush=True)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
