"""Filling an empty database with an organization's people, keys and history, by either engine's own fastest way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from tests.calls.many_calls import Many, write_crowd
from tests.dashboard.history import History, Table, tables_of, writers_of

_BATCH = 20_000
_SQLITE = "sqlite:///"


def fill(url: str, organization_id: str, *, records: int, days: int, keys: int) -> None:
    """Write `records` calls of `keys` keys into a database that has the organization and nothing else."""
    many = Many(organization_id=organization_id, keys=keys, projects=40)
    owned = [(many.key_id(number), many.project_id(number)) for number in range(keys)]
    history = History(organization_id, records, days, writers_of(owned))
    if url.startswith(_SQLITE):
        _fill_sqlite(url.removeprefix(_SQLITE), _tables(many, history))
    else:
        asyncio.run(_fill_postgres(url, history, _tables(many, history)))


def _tables(many: Many, history: History) -> Iterator[Table]:
    for name, columns, rows in write_crowd(many):
        if name != "organization":  # `tollkeeper init` has made it
            yield Table(name, columns, rows)
    yield from tables_of(history)


def _fill_sqlite(path: str, tables: Iterator[Table]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        for table in tables:
            marks = ", ".join("?" * len(table.columns))
            connection.execute("BEGIN")
            connection.executemany(
                f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})", table.rows
            )
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _fill_postgres(url: str, history: History, tables: Iterator[Table]) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        for day in range(history.today - history.days + 1, history.today + 1):
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS usage_record_d{day}"
                f" PARTITION OF usage_record FOR VALUES FROM ({day}) TO ({day + 1})"
            )
        for table in tables:
            while batch := list(islice(table.rows, _BATCH)):
                await connection.copy_records_to_table(table.name, records=batch, columns=table.columns)
        await connection.execute("VACUUM ANALYZE")  # as autovacuum would in its time
    finally:
        await connection.close()
