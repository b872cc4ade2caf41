"""`python -m tests.analytics`: how long reports and lists of a large organization take, on each database.

`--rows N` sets how many hourly rollup rows the month has. Exit code 1 when a report takes longer than 300 ms or a page
of a list longer than 50 ms, the best of five. Beside it stands this process's CPU time: SQLite's work is in it,
PostgreSQL's is not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.analytics.crowd import ORGANIZATION_ID, Crowd, fill
from tests.live.databases import new_postgres_database, postgres_server

from tollkeeper.control import api_keys, members, projects, teams
from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.control.analytics import analyze
from tollkeeper.control.usage import Report, read_bill, read_usage
from tollkeeper.control.usage_lines import Question, list_lines, parse_grouping
from tollkeeper.kit.clock import now_us
from tollkeeper.store import migrations
from tollkeeper.store.engine import Store

REPORT_MS_MAX, PAGE_MS_MAX = 300, 50
_DAY_US = 86_400_000_000
Step = tuple[str, int, Callable[..., Awaitable[Any]], tuple[Any, ...], dict[str, Any]]


def main() -> int:
    """Measure what the command line asks for; 0 when everything was fast enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.analytics", description=__doc__)
    parser.add_argument("--rows", type=int, default=Crowd().rows)
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    given = parser.parse_args()
    crowd, slow = Crowd(rows=given.rows), 0
    if given.database != "postgres":
        with tempfile.TemporaryDirectory(prefix="tollkeeper-analytics-") as folder:
            slow += measure("sqlite", f"sqlite:///{Path(folder) / 'tollkeeper.db'}", crowd)
    if given.database != "sqlite":
        with postgres_server() as server:
            slow += measure("postgres", new_postgres_database(server), crowd)
    print(f"{slow} slower than they may be" if slow else "All fast enough.")
    return 1 if slow else 0


def measure(name: str, url: str, crowd: Crowd) -> int:
    """Fill a database and print a table; returns how many lines of it are too slow."""
    asyncio.run(_migrate(url))
    started = time.monotonic()
    fill(url, crowd)
    print(
        f"\n{name}: {crowd.keys:,} keys, {crowd.projects:,} projects, {crowd.rows:,} rows of usage in 30 days "
        f"(written in {time.monotonic() - started:.0f} s)"
    )
    return asyncio.run(_measure(url, crowd))


async def _measure(url: str, crowd: Crowd) -> int:
    store, slow = Store.open(url), 0
    administration = Administration(store, Secrets.of(bytes(32)))
    caller = operator(ORGANIZATION_ID, name="measurement")
    try:
        for title, limit_ms, step, arguments, more in _steps(crowd):
            best, best_cpu = 10**9.0, 10**9.0
            for _ in range(5):
                started, started_cpu = time.perf_counter(), time.process_time()
                await administration.look(caller, step, *arguments, **more)
                best = min(best, (time.perf_counter() - started) * 1000)
                best_cpu = min(best_cpu, (time.process_time() - started_cpu) * 1000)
            slow += best > limit_ms
            verdict = "" if best <= limit_ms else f"> {limit_ms} ms"
            print(f"  {title:48} {best:8.1f} ms  (own CPU {best_cpu:7.1f} ms)  {verdict}", flush=True)
    finally:
        await store.aclose()
    return slow


def _steps(crowd: Crowd) -> list[Step]:
    to_us = now_us()
    span = (to_us - 29 * _DAY_US, to_us)
    team_id, project_id = crowd.team_id(7), crowd.project_id(7)
    found: list[Step] = [
        (f"analytics of a {kind}", REPORT_MS_MAX, analyze, (kind, place_id), {"period": "30d"})
        for kind, place_id in (("project", project_id), ("team", team_id), ("organization", ORGANIZATION_ID))
    ]
    for words, filters in (
        ([], {}),
        (["day"], {}),
        (["hour"], {}),
        (["model"], {}),
        (["team"], {}),
        (["project"], {}),
        (["key"], {}),
        (["member"], {}),
        (["day", "model"], {}),
        (["day", "key"], {"team_id": (team_id,)}),
        (["day"], {"api_key_id": (crowd.key_id(7),)}),
        (["label:feature"], {}),
    ):
        question = Question(parse_grouping(words), *span, filters=filters)
        title = f"usage by {', '.join(words) or 'nothing'}{' of one ' + next(iter(filters)) if filters else ''}"
        found.append((title, REPORT_MS_MAX, list_lines, (question,), {}))
    by_day = Report(*span, bucket="day", timezone="Asia/Seoul")
    found += [
        ("OpenAI's usage by day", REPORT_MS_MAX, read_usage, (by_day,), {"permission": "analytics:full"}),
        ("OpenAI's costs by day and line item", REPORT_MS_MAX, read_bill, (by_day,), {"permission": "billing:read"}),
    ]
    for title, step, after in (
        ("projects", projects.list_projects, crowd.project_id(5000)),
        ("keys", api_keys.list_keys, crowd.key_id(50_000)),
        ("members", members.list_members, crowd.member_id(1000)),
        ("teams", teams.list_teams, crowd.team_id(50)),
    ):
        found += [
            (f"list of {title}, first page", PAGE_MS_MAX, step, (), {"limit": 100}),
            (f"list of {title}, a page in the middle", PAGE_MS_MAX, step, (), {"after": after, "limit": 100}),
        ]
    return found


async def _migrate(url: str) -> None:
    store = Store.open(url)
    await migrations.upgrade(store)
    await store.aclose()


if __name__ == "__main__":
    sys.exit(main())
