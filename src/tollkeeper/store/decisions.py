"""What a call was held to, by what its usage record names: the budgets of its leases, and the scopes of its rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, select

from tollkeeper.store.schema_limits import budget, budget_node, lease, rate_limit
from tollkeeper.store.schema_tenancy import api_key

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection


class DrawnOn(msgspec.Struct, frozen=True):
    """The budget that a lease is on; of one that was deleted meanwhile only the id and the window are known."""

    budget_id: str
    window_end_us: int | None
    scope_kind: str
    scope_id: str
    model: str
    unit: str
    period: str


class RatedScope(msgspec.Struct, frozen=True):
    """Whose rule of rate it is, for which model."""

    scope_kind: str
    scope_id: str
    model: str = ""


async def scopes_of_rates(
    connection: AsyncConnection, organization_id: str, rule_ids: Collection[str]
) -> dict[str, RatedScope]:
    """Return whose rules these are, by their ids; a key's id is the rule of its own terms. Those that are gone are missing."""
    of = rate_limit.c
    rules = select(of.id, of.scope_kind, of.scope_id, of.model).where(
        of.organization_id == organization_id, of.id.in_(rule_ids)
    )
    keys = select(api_key.c.id).where(api_key.c.organization_id == organization_id, api_key.c.id.in_(rule_ids))
    found = {row.id: RatedScope("api_key", row.id) for row in await connection.execute(keys)}
    for row in await connection.execute(rules):
        found[row.id] = RatedScope(row.scope_kind, row.scope_id, row.model)
    return found


async def budgets_of_leases(
    connection: AsyncConnection, organization_id: str, lease_ids: Sequence[bytes]
) -> dict[bytes, DrawnOn]:
    """Return what these leases of an organization are on, by lease; those that are forgotten are missing."""
    query = (
        select(
            lease.c.id,
            lease.c.budget_id,
            budget_node.c.window_end_us,
            budget.c.scope_kind,
            budget.c.scope_id,
            budget.c.model,
            budget.c.unit,
            budget.c.period,
        )
        .select_from(lease)
        .outerjoin(
            budget_node,
            and_(
                budget_node.c.organization_id == lease.c.organization_id,
                budget_node.c.budget_id == lease.c.budget_id,
                budget_node.c.window_start_us == lease.c.window_start_us,
            ),
        )
        .outerjoin(budget, and_(budget.c.organization_id == lease.c.organization_id, budget.c.id == lease.c.budget_id))
        .where(lease.c.organization_id == organization_id, lease.c.id.in_(lease_ids))
    )
    return {
        bytes(row.id): DrawnOn(
            row.budget_id,
            row.window_end_us,
            row.scope_kind or "",
            row.scope_id or "",
            row.model or "",
            row.unit or "",
            row.period or "",
        )
        for row in await connection.execute(query)
    }
