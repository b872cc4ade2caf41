"""The database's clock, which all replicas agree on: who is alive and which window it is are decided by it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from tollkeeper.kit.clock import now_us

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_QUERY = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")


async def database_now_us(connection: AsyncConnection) -> int:
    """Return the time, in microseconds since 1970 UTC. SQLite's is that of this machine: all its users are on it."""
    if connection.dialect.name == "sqlite":
        return now_us()
    return int((await connection.execute(_QUERY)).scalar_one())
