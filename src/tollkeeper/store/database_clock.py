"""The database's clock, which all replicas agree on: who is alive and which window it is are decided by it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import literal_column, select

from tollkeeper.kit.clock import now_us
from tollkeeper.store.columns import Int

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

POSTGRES_NOW_US = literal_column("CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)", Int)
"""PostgreSQL's own time within a statement, as `database_now_us` gives it."""
_QUERY = select(POSTGRES_NOW_US)


async def database_now_us(connection: AsyncConnection) -> int:
    """Return the time, in microseconds since 1970 UTC. SQLite's is that of this machine: all its users are on it."""
    if connection.dialect.name == "sqlite":
        return now_us()
    return int((await connection.execute(_QUERY)).scalar_one())
