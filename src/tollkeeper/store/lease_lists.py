"""The leases that have not ended, as people look at them: whose they are, on which budget, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from tollkeeper.domain.held_lease import HeldLease
from tollkeeper.domain.lease import LeaseState
from tollkeeper.store.schema_limits import budget, lease, replica

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection


async def list_leases(
    connection: AsyncConnection,
    organization_id: str,
    states: Collection[LeaseState],
    *,
    after: bytes = b"",
    limit: int = 100,
) -> list[HeldLease]:
    """Return at most `limit` leases in these states, oldest first, those behind one; none that has ended."""
    assert LeaseState.CLOSED not in states
    chosen = and_(
        lease.c.state != LeaseState.CLOSED.value,  # what the index says
        lease.c.state.in_([state.value for state in states]),
        lease.c.id > after,
    )
    return await _read(connection, organization_id, chosen, limit=limit)


async def get_lease(connection: AsyncConnection, organization_id: str, lease_id: bytes) -> HeldLease | None:
    """Return a lease, also one that has ended; None when the organization has none of this id."""
    found = await _read(connection, organization_id, lease.c.id == lease_id, limit=1)
    return found[0] if found else None


async def _read(
    connection: AsyncConnection, organization_id: str, condition: ColumnElement[bool], *, limit: int
) -> list[HeldLease]:
    of_budget = and_(budget.c.organization_id == lease.c.organization_id, budget.c.id == lease.c.budget_id)
    query = (
        select(
            lease.c.id,
            lease.c.budget_id,
            lease.c.window_start_us,
            lease.c.holder,
            lease.c.state,
            lease.c.amount,
            lease.c.consumed,
            lease.c.booked,
            lease.c.created_at_us,
            lease.c.updated_at_us,
            budget.c.scope_kind,
            budget.c.scope_id,
            budget.c.unit,
            budget.c.period,
            budget.c.model,
            replica.c.heard_at_us,
        )
        .select_from(lease.outerjoin(budget, of_budget).outerjoin(replica, replica.c.holder == lease.c.holder))
        .where(lease.c.organization_id == organization_id, condition)
        .order_by(lease.c.id)
        .limit(limit)
    )
    return [_to_held(row) for row in await connection.execute(query)]


def _to_held(row: Any) -> HeldLease:  # a row of the query above
    values: list[Any] = list(row)
    values[0], values[4] = bytes(row.id), LeaseState(row.state)
    values[10:15] = [text or "" for text in values[10:15]]
    return HeldLease(*values)
