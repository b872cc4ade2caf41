"""Forgetting leases that ended long ago: what they used becomes part of what their node began with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, select, update

from tollkeeper.domain.lease import LeaseState
from tollkeeper.store.budget_nodes import is_node
from tollkeeper.store.lease_rows import LEASE_COLUMNS, to_lease
from tollkeeper.store.schema_limits import budget_node, lease

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.budget_nodes import NodeKey

KEPT_US = 35 * 86_400_000_000
"""Longer than any journal that could still be replayed lies around."""
AT_ONCE = 500


async def prune_leases(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most 500 leases that ended before a time; returns how many. Their nodes' sums stay what they are."""
    query = (
        select(*LEASE_COLUMNS)
        .where(lease.c.state == LeaseState.CLOSED.value, lease.c.updated_at_us < before_us)
        .where(lease.c.consumed == lease.c.converted)
        .order_by(lease.c.updated_at_us)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = [to_lease(row) for row in await connection.execute(query)]
    if not rows:
        return 0
    used: dict[NodeKey, int] = {}
    for row in rows:
        used[row.node] = used.get(row.node, 0) + row.converted + row.booked
    is_one = and_(lease.c.organization_id == bindparam("of_organization"), lease.c.id == bindparam("of_lease"))
    keys = [{"of_organization": row.organization_id, "of_lease": row.id} for row in rows]
    await connection.execute(delete(lease).where(is_one), keys)
    for key, amount in sorted(used.items()):
        opened = budget_node.c.opened_used + amount
        await connection.execute(update(budget_node).where(is_node(key)).values(opened_used=opened))
    return len(rows)
