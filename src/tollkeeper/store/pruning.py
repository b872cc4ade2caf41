"""What the store forgets by itself: changes that every running server has long seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from tollkeeper.kit.clock import now_us
from tollkeeper.store.revision import last_number
from tollkeeper.store.schema import change

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

CHANGES_KEPT = 10_000
CHANGE_KEPT_US = 86_400_000_000
CHANGES_AT_ONCE = 10_000


async def prune_changes(connection: AsyncConnection) -> int:
    """Remove changes that are older than a day and not among the last 10,000, at most 10,000 at once; return how many.

    The oldest go first and none is left out in between, so the numbers that stay are consecutive: a reader that has seen
    number N and finds a later one than N + 1 next has missed changes, and must forget everything it remembers.
    """
    oldest = await connection.scalar(select(func.min(change.c.number)))
    if oldest is None:
        return 0
    is_young = change.c.changed_at_us >= now_us() - CHANGE_KEPT_US
    young = await connection.scalar(select(change.c.number).where(is_young).order_by(change.c.number).limit(1))
    kept_from = min(await last_number(connection) - CHANGES_KEPT + 1, oldest + CHANGES_AT_ONCE)
    if young is not None:
        kept_from = min(kept_from, young)
    removed = await connection.execute(delete(change).where(change.c.number < kept_from))
    return int(removed.rowcount)
