"""Which replicas are alive, by the database's clock, and the lock by which the end of one waits for what it still does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, literal_column, select, update

from tollkeeper.store.columns import Int
from tollkeeper.store.ledger import insert_missing
from tollkeeper.store.schema_limits import replica

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

TTL_US = 30_000_000
"""A replica that was not heard of for so long is not counted any more. It stops to draw on its leases 5 s earlier."""


async def beat(connection: AsyncConnection, holder: str, *, now_us: int) -> None:
    """Note that a replica is alive."""
    heard = update(replica).where(replica.c.holder == holder).values(heard_at_us=now_us)
    if not (await connection.execute(heard)).rowcount:
        await _add(connection, holder, now_us=now_us)


def counting_alive(now_us: ColumnElement[int]) -> Select[int]:
    """Return the query that counts the replicas that are alive at a time."""
    return select(func.count()).select_from(replica).where(replica.c.heard_at_us > now_us - literal_column(str(TTL_US)))


_COUNT_ALIVE = counting_alive(bindparam("now_us", type_=Int))


async def count_alive(connection: AsyncConnection, *, now_us: int) -> int:
    """Return how many replicas are alive."""
    found: int = (await connection.execute(_COUNT_ALIVE, {"now_us": now_us})).scalar_one()
    return found


async def share_lock(connection: AsyncConnection, holder: str, *, now_us: int) -> None:
    """Let `lock` wait for the end of this transaction; a replica never heard of is noted."""
    query = select(replica.c.holder).where(replica.c.holder == holder).with_for_update(read=True, key_share=True)
    if (await connection.execute(query)).scalar_one_or_none() is None:
        await _add(connection, holder, now_us=now_us)


async def lock(connection: AsyncConnection, holder: str) -> None:
    """Wait for every transaction of a replica that is under way, and keep others from beginning.

    What a process that has just died had sent to be committed is committed when this returns.
    """
    query = select(replica.c.holder).where(replica.c.holder == holder).with_for_update()
    if (await connection.execute(query)).scalar_one_or_none() is None:
        await _add(connection, holder, now_us=0)  # waits for a first transaction that adds it too


async def _add(connection: AsyncConnection, holder: str, *, now_us: int) -> None:
    row = {"holder": holder, "started_at_us": now_us, "heard_at_us": now_us}
    await connection.execute(insert_missing(connection, replica).values(row))
