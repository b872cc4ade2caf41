"""Makes the partitions of usage records on PostgreSQL, a day each, without anybody who reads or writes having to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_IS_ATTACHED = "SELECT true FROM pg_inherits WHERE inhparent = 'usage_record'::regclass AND inhrelid = to_regclass($1)"


class UsagePartitions:
    """Which days have theirs, as far as one process knows."""

    def __init__(self) -> None:
        self._ready: set[int] = set()

    async def make(self, connection: asyncpg.Connection, days: AbstractSet[int]) -> None:
        """Make those of these days, and ahead of time the one of the day after the last.

        Raises:
            asyncpg.LockNotAvailableError: one of `days` has none, and somebody else keeps it from being made.
        """
        for day in sorted((days | {max(days) + 1}) - self._ready):
            try:
                await _make(connection, day)
            except asyncpg.LockNotAvailableError:
                if day in days:
                    raise
                continue  # a day ahead there is time to try again
            self._ready.add(day)


async def _make(connection: asyncpg.Connection, day: int) -> None:
    """Make one, unless it is there.

    `CREATE TABLE … PARTITION OF` would lock the whole table against everybody: it would wait for the longest reader, and
    all others for it. Attaching a table that was made by itself lets reads and writes go on
    (https://www.postgresql.org/docs/18/ddl-partitioning.html, 2026-11-23).
    """
    assert 0 <= day < 2**31  # becomes part of the SQL text below
    name = f"usage_record_d{day:d}"
    if await connection.fetchval(_IS_ATTACHED, name):
        return
    try:
        async with connection.transaction():
            await connection.execute(
                f"CREATE TABLE {name} (LIKE usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            )
            await connection.execute(
                f"ALTER TABLE usage_record ATTACH PARTITION {name} FOR VALUES FROM ({day:d}) TO ({day + 1:d})"
            )
    except (asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
        if not await connection.fetchval(_IS_ATTACHED, name):  # else another replica made it at the same moment
            raise
