"""A large organization written straight into a database: 100,000 keys, 10,000 projects and a month of hourly rollups."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

from tollkeeper.kit.clock import now_us
from tollkeeper.store.schema import charge_rollup, label_rollup, usage_rollup
from tollkeeper.store.schema_tenancy import account, api_key, member, organization, project, team

ORGANIZATION_ID = "org_" + "0" * 20
HOURS = 30 * 24
MODELS = tuple(f"model-{number}" for number in range(20))


@dataclass(frozen=True)
class Crowd:
    """How many of each; `rows` are those of the usage rollup, each of another key, hour and model."""

    teams: int = 200
    projects: int = 10_000
    keys: int = 100_000
    members: int = 2_000
    rows: int = 200_000

    def team_id(self, number: int) -> str:
        return _id("team", number % self.teams, 20)

    def project_id(self, number: int) -> str:
        return _id("proj", number % self.projects, 20)

    def key_id(self, number: int) -> str:
        return _id("key", number % self.keys, 12)

    def member_id(self, number: int) -> str:
        return _id("mem", number % self.members, 20)


def fill(url: str, crowd: Crowd) -> None:
    """Write the crowd into a migrated, empty database."""
    tables = [(table.name, [*columns], rows) for table, columns, rows in _tables(crowd)]
    if url.startswith("sqlite:///"):
        _fill_sqlite(url.removeprefix("sqlite:///"), tables)
    else:
        asyncio.run(_fill_postgres(url, tables))


def _fill_sqlite(path: str, tables: list[tuple[str, list[str], list[tuple[Any, ...]]]]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for name, columns, rows in tables:
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows)
        connection.commit()


async def _fill_postgres(url: str, tables: list[tuple[str, list[str], list[tuple[Any, ...]]]]) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        for name, columns, rows in tables:
            await connection.copy_records_to_table(name, records=rows, columns=columns)
        await connection.execute("VACUUM ANALYZE")  # as autovacuum would in its time
    finally:
        await connection.close()


def _tables(crowd: Crowd) -> Iterator[tuple[Any, tuple[str, ...], list[tuple[Any, ...]]]]:
    org, start_hour = ORGANIZATION_ID, now_us() // 3_600_000_000 - HOURS + 1
    yield organization, ("id", "name", "timezone", "created_at_us"), [(org, "Crowd", "Asia/Seoul", 1)]
    ids = ("organization_id", "id", "name", "created_at_us")
    yield team, ids, [(org, crowd.team_id(n), f"team {n}", n) for n in range(crowd.teams)]
    yield (
        project,
        (*ids, "team_id"),
        [(org, crowd.project_id(n), f"project {n}", n, crowd.team_id(n)) for n in range(crowd.projects)],
    )
    yield (
        account,
        ("id", "email", "name", "language", "status", "created_at_us"),
        [(f"acc_{n:020}", f"person{n}@example.com", f"Person {n}", "en", "active", n) for n in range(crowd.members)],
    )
    yield (
        member,
        ("organization_id", "id", "account_id", "status", "created_at_us"),
        [(org, crowd.member_id(n), f"acc_{n:020}", "active", n) for n in range(crowd.members)],
    )
    yield api_key, _KEY_COLUMNS, [_key(crowd, n) for n in range(crowd.keys)]
    groups = [(start_hour + hour, n, model) for hour, n, model in _groups(crowd)]
    calls = [
        (org, hour, crowd.project_id(n), crowd.key_id(n), "openai", model, "chat.completions", "standard")
        for hour, n, model in groups
    ]
    sums = (3, 1, 3000, 600, 123_456_789, 0, 4_000_000, 1_000_000, 300)
    yield usage_rollup, _names(usage_rollup), [(*call, "computed", "slot", *sums) for call in calls]
    yield (
        charge_rollup,
        _names(charge_rollup),
        [
            (*call, dimension, "slot", quantity, 0, amount)
            for call in calls
            for dimension, quantity, amount in (("input", 3000, 100_000_000), ("output", 600, 23_456_789))
        ],
    )
    labelled = sorted({(hour, n % crowd.projects, model) for hour, n, model in groups[::2]})
    yield (
        label_rollup,
        _names(label_rollup),
        [
            (org, hour, crowd.project_id(n), model, "feature", f"feature {n % 10}", "slot", 1, 0, 40_000_000, 1000, 200)
            for hour, n, model in labelled
        ],
    )


_KEY_COLUMNS = (
    "organization_id",
    "id",
    "project_id",
    "name",
    "kind",
    "digest",
    "pepper_version",
    "status",
    "permissions",
    "created_at_us",
    "member_id",
)


def _key(crowd: Crowd, number: int) -> tuple[Any, ...]:
    kind, owner = ("member", crowd.member_id(number)) if number % 3 else ("service", None)
    digest = hashlib.sha256(b"%d" % number).digest()
    place = (ORGANIZATION_ID, crowd.key_id(number), crowd.project_id(number))
    return *place, f"key {number}", kind, digest, 1, "active", '["chat:create"]', number, owner


def _groups(crowd: Crowd) -> list[tuple[int, int, str]]:
    """Return (hour, key, model): a few keys are used much, each one at least once."""
    dice = random.Random(1)
    found = {(dice.randrange(HOURS), number, dice.choice(MODELS)) for number in range(min(crowd.keys, crowd.rows))}
    while len(found) < crowd.rows:
        found.add((dice.randrange(HOURS), int(crowd.keys * dice.random() ** 3), dice.choice(MODELS)))
    return sorted(found)


@cache
def _id(prefix: str, number: int, length: int) -> str:
    """Return an id that looks like a random one: how they sort and compare is a part of what is measured."""
    return f"{prefix}_{hashlib.sha256(f'{prefix}{number}'.encode()).hexdigest()[:length]}"


def _names(table: Any) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)
