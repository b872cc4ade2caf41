"""Makes the partitions of usage records on PostgreSQL, a day each, without anybody who reads or writes having to wait."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

import asyncpg

from tollkeeper.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_log = logging.getLogger(__name__)

_WAIT_MS, _WAIT_AHEAD_MS = 5_000, 100
_IS_ATTACHED = "SELECT true FROM pg_inherits WHERE inhparent = 'usage_record'::regclass AND inhrelid = to_regclass($1)"


class UsagePartitions:
    """Which days have theirs, as far as one process knows."""

    def __init__(self, *, again_after_s: float = 30) -> None:
        self._again_after_s = again_after_s
        self._ready: set[int] = set()
        self._ahead_at = 0.0  # by the process' clock: when the day ahead is tried, at the earliest

    async def make(self, connection: asyncpg.Connection, days: AbstractSet[int]) -> None:
        """Make those of these days, and ahead of time the one of the day after the last.

        Raises:
            StoreUnavailable: one of `days` has none, and it cannot be made now; that is never a record's fault.
            OSError, TimeoutError, asyncpg.InterfaceError: the connection broke.
        """
        for day in sorted(days - self._ready):
            try:
                await _make(connection, day, wait_ms=_WAIT_MS)
            except asyncpg.PostgresError as error:
                message = f"The partition of usage records for day {day} cannot be made: {error}"
                raise StoreUnavailable(message) from error
            self._ready.add(day)
        ahead = max(days) + 1
        if ahead not in self._ready and monotonic() >= self._ahead_at:
            await self._make_ahead(connection, ahead)

    async def _make_ahead(self, connection: asyncpg.Connection, day: int) -> None:
        """Make one that nobody needs yet: what is in its way is not waited for, and tried again later."""
        try:
            await _make(connection, day, wait_ms=_WAIT_AHEAD_MS)
        except asyncpg.PostgresError as error:
            self._ahead_at = monotonic() + self._again_after_s
            _log.info("the partition of usage records for day %d is made later: %s", day, error)
        else:
            self._ready.add(day)


async def _make(connection: asyncpg.Connection, day: int, *, wait_ms: int) -> None:
    """Make one, unless it is there; whoever has the table locked is waited for so long.

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
            await connection.execute(f"SET LOCAL lock_timeout = {wait_ms:d}")
            await connection.execute(
                f"CREATE TABLE {name} (LIKE usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            )
            await connection.execute(
                f"ALTER TABLE usage_record ATTACH PARTITION {name} FOR VALUES FROM ({day:d}) TO ({day + 1:d})"
            )
    except (asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        if not await connection.fetchval(_IS_ATTACHED, name):  # else another replica made it at the same moment
            raise
