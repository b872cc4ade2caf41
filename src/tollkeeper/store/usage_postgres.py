"""Inserts usage on PostgreSQL: one connection of its own, one transaction per batch."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import BigInteger

from tollkeeper.kit.clock import now_us
from tollkeeper.store import closed_spans, overruns, rollups, usage_rows
from tollkeeper.store.last_uses import LastUses
from tollkeeper.store.lease_draws import MissingLeases, drawn_of
from tollkeeper.store.usage_partitions import UsagePartitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table

    from tollkeeper.domain.usage import UsageRecord
    from tollkeeper.store.lease_draws import Drawn

_CONNECT_TIMEOUT_S = 5
_COMMAND_TIMEOUT_S = 30
# COPY takes a third of the time that arrays as parameters take; the staging table is what COPY can write to.
_CREATE_STAGING = "CREATE TEMPORARY TABLE usage_staging (LIKE usage_record) ON COMMIT DELETE ROWS"
_INSERT_STAGED = """
INSERT INTO usage_record SELECT * FROM usage_staging ORDER BY organization_id, day, call_id
ON CONFLICT DO NOTHING RETURNING organization_id, call_id
"""
# Leases are locked in the order of their keys, as by everybody else who needs several.
_ADD_TO = """
WITH {upserts}, drawn AS MATERIALIZED (
    SELECT lease.organization_id, lease.id, given.amount
    FROM unnest({drawn}) AS given (organization_id, id, amount)
    JOIN lease ON lease.organization_id = given.organization_id AND lease.id = given.id
    ORDER BY lease.organization_id, lease.id
    FOR UPDATE OF lease
), consumed AS (
    UPDATE lease SET consumed = lease.consumed + drawn.amount FROM drawn
    WHERE lease.organization_id = drawn.organization_id AND lease.id = drawn.id
)
SELECT count(*) FROM drawn
"""
_DRAWN_COLUMNS = 3
_UPDATE_LAST_USES = """
WITH used AS (
    SELECT api_key.organization_id, api_key.id, given.at_us
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS given (organization_id, id, at_us)
    JOIN api_key ON api_key.organization_id = given.organization_id AND api_key.id = given.id
    WHERE api_key.last_used_at_us IS NULL OR api_key.last_used_at_us < given.at_us
    ORDER BY api_key.organization_id, api_key.id
    FOR NO KEY UPDATE OF api_key
)
UPDATE api_key SET last_used_at_us = used.at_us FROM used
WHERE api_key.organization_id = used.organization_id AND api_key.id = used.id
"""


class PostgresUsageWriter:
    """Satisfies the store's need for usage inserts; safe to call from several tasks, which then take turns."""

    def __init__(self, dsn: str, settings: dict[str, str]) -> None:
        self._dsn = dsn
        self._settings = settings
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._last_uses = LastUses()
        self._missing_leases = MissingLeases()
        self._partitions = UsagePartitions()

    async def insert(self, records: list[UsageRecord], slot: str) -> int:
        """Insert records and rollups in one transaction; returns how many records were new.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: nothing was changed, or, when the
                connection broke during the commit, all of it.
        """
        async with self._turn:
            connection = await self._connect()
            try:
                return await self._insert_distinct(connection, usage_rows.distinct(records), slot)
            except BaseException:
                self._drop_connection()  # its state is not known; the next insert makes a new one
                raise

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=_CONNECT_TIMEOUT_S)
            self._connection = None

    async def _insert_distinct(self, connection: asyncpg.Connection, records: list[UsageRecord], slot: str) -> int:
        rows = [usage_rows.to_row(record) for record in records]
        await self._partitions.make(connection, {row[1] for row in rows})
        async with connection.transaction():
            await connection.copy_records_to_table("usage_staging", records=rows)
            inserted = await connection.fetch(_INSERT_STAGED)
            if len(inserted) != len(records):
                new = {(row[0], row[1]) for row in inserted}
                records = [record for record in records if (record.organization_id, record.call_id) in new]
            sums, drawn = rollups.summarise(records), drawn_of(records)
            self._missing_leases.note(len(drawn), await connection.fetchval(_ADD, *_added(sums, slot, drawn)))
            if late := closed_spans.late_hours(sums.usage):
                await connection.executemany(closed_spans.REOPEN_POSTGRES, late)
            if beyond := overruns.rows_of(records, now_us=now_us()):
                await connection.executemany(overruns.UPSERT_POSTGRES, beyond)
            uses = self._last_uses.due(records)
            if uses:
                await connection.execute(_UPDATE_LAST_USES, *map(list, zip(*uses, strict=True)))
        self._last_uses.written(uses)
        return len(records)

    async def _connect(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(
                self._dsn,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=_COMMAND_TIMEOUT_S,
                server_settings=self._settings,
            )
            try:
                await connection.execute(_CREATE_STAGING)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _added(sums: rollups.Rollups, slot: str, drawn: list[Drawn]) -> list[list[Any]]:
    """Return what `_ADD` adds: the columns of each rollup's rows, and those of the draws."""
    tables = zip(rollups.ROLLUP_TABLES, sums, strict=True)
    columns = [each for table, added in tables for each in _columns(rollups.rows(added, slot), len(table.columns))]
    return [*columns, *_columns(drawn, _DRAWN_COLUMNS)]


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in range(width)]


def _make_add() -> str:
    """Return the one statement that adds to rollups and leases, one array for each column: names are the schema's own."""
    numbers = count(1)
    upserts = ", ".join(f"{table.name}_added AS ({_upsert(table, numbers)})" for table in rollups.ROLLUP_TABLES)
    drawn = ", ".join(f"${next(numbers)}::{kind}[]" for kind in ("text", "bytea", "bigint"))
    return _ADD_TO.format(upserts=upserts, drawn=drawn)


def _upsert(table: Table, numbers: Iterator[int]) -> str:
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    kinds = ("bigint" if isinstance(column.type, BigInteger) else "text" for column in table.columns)
    values = ", ".join(f"${next(numbers)}::{kind}[]" for kind in kinds)
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in names if name not in keys)
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({values}) "  # noqa: S608
    return insert + f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


_ADD = _make_add()
