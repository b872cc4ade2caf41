"""What a project asks of its budget beside the amount: alerts, and limits for single models, which are budgets per day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select, update

from tollkeeper.domain.budget import Budget, ModelLimit, QuotaAlert
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.store.budgets import delete_budget, read_budgets_of, set_budget
from tollkeeper.store.schema_tenancy import project

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.limit import Unit


class ProjectLimits(msgspec.Struct, frozen=True):
    """A model without any limit is not in `model_limits`."""

    quota_alerts: tuple[QuotaAlert, ...] = ()
    model_limits: dict[str, ModelLimit] = {}


async def read_limits(
    connection: AsyncConnection, organization_id: str, project_ids: Collection[str]
) -> dict[str, ProjectLimits]:
    """Return the limits of projects by their ids."""
    limits: dict[str, dict[str, ModelLimit]] = {}
    for each in await read_budgets_of(connection, organization_id, project_ids):
        if is_model_limit(each):
            of_project = limits.setdefault(each.scope_id, {})
            of_project[each.model] = _with(of_project.get(each.model, ModelLimit()), each)
    query = select(project.c.id, project.c.quota_alerts).where(
        project.c.organization_id == organization_id, project.c.id.in_(project_ids)
    )
    return {
        row.id: ProjectLimits(
            msgspec.json.decode(row.quota_alerts, type=tuple[QuotaAlert, ...]), limits.get(row.id, {})
        )
        for row in await connection.execute(query)
    }


async def write_limits(
    connection: AsyncConnection, organization_id: str, project_id: str, limits: ProjectLimits
) -> None:
    """Replace the limits of a project; on what terms a model's budget is given stays as it is."""
    await connection.execute(
        update(project)
        .where(project.c.organization_id == organization_id, project.c.id == project_id)
        .values(quota_alerts=alerts_text(limits.quota_alerts))
    )
    found = await read_budgets_of(connection, organization_id, [project_id])
    known = {(each.model, each.unit): each for each in found if is_model_limit(each)}
    wanted = {(each.model, each.unit): each for each in model_budgets(organization_id, project_id, limits.model_limits)}
    for at, before in known.items():
        if at not in wanted:
            await delete_budget(connection, organization_id, before)
    for at, after in wanted.items():
        if at not in known:
            await set_budget(connection, organization_id, after)
        elif known[at].amount != after.amount:
            changed = msgspec.structs.replace(known[at], amount=after.amount)
            await set_budget(connection, organization_id, changed)


def is_model_limit(budget: Budget) -> bool:
    """Tell whether a budget is what a project's `model_limits` say."""
    return budget.scope_kind == "project" and budget.key.is_model_limit


def model_budgets(organization_id: str, project_id: str, limits: Mapping[str, ModelLimit]) -> list[Budget]:
    """Return the budgets that a project's limits for single models are."""
    found: list[Budget] = []
    for model, limit in limits.items():
        amounts: dict[Unit, int | None] = {"requests": limit.daily_requests, "usd": limit.daily_budget_nanos}
        found += [
            Budget(OrganizationId(organization_id), "project", project_id, "daily", amount, model=model, unit=unit)
            for unit, amount in amounts.items()
            if amount is not None
        ]
    return found


def alerts_text(alerts: tuple[QuotaAlert, ...]) -> str:
    """Return alerts as their column holds them."""
    return msgspec.json.encode(alerts).decode()


def _with(limit: ModelLimit, budget: Budget) -> ModelLimit:
    if budget.unit == "requests":
        return msgspec.structs.replace(limit, daily_requests=budget.amount)
    return msgspec.structs.replace(limit, daily_budget_nanos=budget.amount)
