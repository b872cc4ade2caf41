"""How many requests a day an api key may make: a term of the key that is kept as a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from tollkeeper.domain.budget import Budget, BudgetKey
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.store.budgets import delete_budget, get_budget, set_budget
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import api_key

if TYPE_CHECKING:
    from sqlalchemy import ScalarSelect
    from sqlalchemy.ext.asyncio import AsyncConnection


def requests_per_day() -> ScalarSelect[Any]:
    """Return the amount as a column of a query for keys; NULL for a key without."""
    return (
        select(budget.c.amount)
        .where(
            budget.c.organization_id == api_key.c.organization_id,
            budget.c.scope_id == api_key.c.id,
            budget.c.scope_kind == "api_key",
            budget.c.model == "",
            budget.c.unit == "requests",
            budget.c.period == "daily",
        )
        .correlate(api_key)
        .scalar_subquery()
    )


async def write_requests_per_day(
    connection: AsyncConnection, organization_id: str, key_id: str, amount: int | None
) -> None:
    """Set how many requests a day a key may make; None is no limit. On what terms the budget is given stays as it is."""
    key = BudgetKey(key_id, "daily", "requests")
    before = await get_budget(connection, organization_id, key)
    if amount is None:
        if before is not None:
            await delete_budget(connection, organization_id, before)
    elif before is None:
        made = Budget(OrganizationId(organization_id), "api_key", key_id, "daily", amount, unit="requests")
        await set_budget(connection, organization_id, made)
    elif before.amount != amount:
        await set_budget(connection, organization_id, msgspec.structs.replace(before, amount=amount))
