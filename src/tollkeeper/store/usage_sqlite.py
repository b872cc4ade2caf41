"""Inserts usage on SQLite: a dedicated thread with its own connection, one transaction per batch.

Rows go in by statements of many rows. A statement per row would hand the interpreter's lock over for each, and a
busy event loop gives it back only every few milliseconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from tollkeeper.kit.clock import now_us
from tollkeeper.store import closed_spans, overruns, rollups, usage_rows
from tollkeeper.store.last_uses import LastUses
from tollkeeper.store.lease_draws import MissingLeases, drawn_of
from tollkeeper.store.schema import usage_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from tollkeeper.domain.usage import UsageRecord
    from tollkeeper.store.database_file import DatabaseFile
    from tollkeeper.store.lease_draws import Drawn
    from tollkeeper.store.write_turns import WriteTurns

# Sizes that repeat are prepared once. 512 rows of 20 columns stay far below SQLite's 32,766 variables (3.32 and later).
_CHUNK_ROWS = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
_UPDATE_LAST_USE = """
UPDATE api_key SET last_used_at_us = :at_us
WHERE organization_id = :organization_id AND id = :id AND (last_used_at_us IS NULL OR last_used_at_us < :at_us)
"""


class Batch:
    """Distinct records, made into rows before anybody waits for our turn to end."""

    def __init__(self, records: list[UsageRecord]) -> None:
        self.records = records = usage_rows.distinct(records)
        self.rows = [usage_rows.to_row(record) for record in records]
        self.sums = rollups.summarise(records)


class SqliteUsageWriter:
    """Satisfies the store's need for usage inserts; safe to call from several tasks, which then take turns."""

    def __init__(self, file: DatabaseFile, turns: WriteTurns, *, busy_timeout_ms: int) -> None:
        self._file, self._turns = file, turns
        self._busy_timeout_ms = busy_timeout_ms
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="usage-writer")
        self._connection: sqlite3.Connection | None = None
        self._last_uses = LastUses()
        self._missing_leases = MissingLeases()

    async def insert(self, records: list[UsageRecord], slot: str) -> int:
        """Insert records and rollups in one transaction; returns how many records were new.

        Raises:
            sqlite3.Error: nothing was changed.
            StoreUnavailable: others write all the time, or the database's file was deleted or replaced, and the
                records may be lost with it.
        """
        loop = asyncio.get_running_loop()
        batch = await loop.run_in_executor(self._thread, Batch, records)
        async with self._turns.take():
            return await loop.run_in_executor(self._thread, self._insert, batch, slot)

    async def aclose(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop_connection)
        self._thread.shutdown(wait=False)

    def _insert(self, batch: Batch, slot: str) -> int:
        connection = self._connect()
        try:
            inserted = self._insert_distinct(connection, batch, slot)
        except BaseException:
            self._drop_connection()  # ends the transaction too
            raise
        # Before anybody forgets the records: they may have gone into a file that no longer has a name. The connection
        # stays, so that the lost file's inode is not given to another one.
        self._file.check()
        return inserted

    def _insert_distinct(self, connection: sqlite3.Connection, batch: Batch, slot: str) -> int:
        records, rows, sums = batch.records, batch.rows, batch.sums
        connection.execute("BEGIN IMMEDIATE")
        changes_before = connection.total_changes
        _insert_rows(connection, usage_record, rows)
        if connection.total_changes - changes_before != len(rows):
            # Some were there already, which a restart or a lost reply explains: find out which, and start again.
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            there = _existing(connection, rows)
            records = [record for record, row in zip(records, rows, strict=True) if row[:3] not in there]
            sums = rollups.summarise(records)
            _insert_rows(connection, usage_record, [row for row in rows if row[:3] not in there])
        for table, added in zip(rollups.ROLLUP_TABLES, sums, strict=True):
            _insert_rows(connection, table, rollups.rows(added, slot))
        connection.executemany(closed_spans.REOPEN_SQLITE, closed_spans.late_hours(sums.usage))
        drawn = drawn_of(records)
        found = _draw(connection, drawn)
        connection.executemany(overruns.UPSERT_SQLITE, overruns.rows_of(records, now_us=now_us()))
        uses = self._last_uses.due(records)
        for organization_id, key_id, at_us in uses:
            connection.execute(_UPDATE_LAST_USE, {"organization_id": organization_id, "id": key_id, "at_us": at_us})
        connection.execute("COMMIT")
        self._last_uses.written(uses)
        self._missing_leases.note(len(drawn), found)
        return len(records)

    def _connect(self) -> sqlite3.Connection:
        self._file.check()  # connecting would make a new, empty file in the place of a lost one
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._file.path, timeout=self._busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
            )
            # WAL is a property of the file, and the store's connections have set it by the time that there are tables.
            for pragma in ("synchronous = FULL", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _insert_rows(connection: sqlite3.Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    at = 0
    for size in _CHUNK_ROWS:
        while len(rows) - at >= size:
            connection.execute(_insert_of(table, size), tuple(chain.from_iterable(rows[at : at + size])))
            at += size


def _draw(connection: sqlite3.Connection, drawn: Sequence[Drawn]) -> int:
    """Add to what leases have consumed; returns how many of them were there."""
    changes_before = connection.total_changes
    at = 0
    for size in _CHUNK_ROWS:
        while len(drawn) - at >= size:
            connection.execute(_update_of(size), tuple(chain.from_iterable(drawn[at : at + size])))
            at += size
    return connection.total_changes - changes_before


def _existing(connection: sqlite3.Connection, rows: Sequence[usage_rows.Row]) -> set[tuple[object, ...]]:
    select = (
        "SELECT organization_id, day, call_id FROM usage_record WHERE organization_id = ? AND day = ? AND call_id = ?"
    )
    return {found for row in rows for found in connection.execute(select, row[:3])}


@cache
def _insert_of(table: Table, size: int) -> str:
    """Return the insert of `size` rows: names from the schema, never from outside."""
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    row = f"({', '.join('?' * len(names))})"
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * size)} "  # noqa: S608
    if table is usage_record:
        return insert + "ON CONFLICT DO NOTHING"
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in names if name not in keys)
    return insert + f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


@cache
def _update_of(size: int) -> str:
    """Return the update that counts `size` draws with their leases: nothing but question marks is put in."""
    rows = ", ".join(["(?, ?, ?)"] * size)
    return f"""
WITH drawn (organization_id, id, amount) AS (VALUES {rows})
UPDATE lease SET consumed = consumed + drawn.amount FROM drawn
WHERE lease.organization_id = drawn.organization_id AND lease.id = drawn.id
"""  # noqa: S608
