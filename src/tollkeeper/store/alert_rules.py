"""Rules for alerts as they are stored: made, listed, changed, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete, func, insert, or_, select, update

from tollkeeper.domain.alert import KeptRule
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.schema_alerts import alert_rule
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import api_key, project

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.projects import Reach

_RULE = tuple(alert_rule.c[name] for name in KeptRule.__struct_fields__)


async def create_rule(connection: AsyncConnection, made: KeptRule) -> None:
    """Insert a rule.

    Raises:
        Conflict: the budget has the same already.
    """
    message = "The budget has a rule of this threshold and action already."
    await execute_unique(connection, insert(alert_rule).values(**msgspec.structs.asdict(made)), message=message)


async def get_rule(connection: AsyncConnection, organization_id: str, rule_id: str) -> KeptRule | None:
    """Return a rule; None when the organization has none of this id."""
    mine = (alert_rule.c.organization_id == organization_id, alert_rule.c.id == rule_id)
    row = (await connection.execute(select(*_RULE).where(*mine))).one_or_none()
    return KeptRule(*row) if row else None


async def list_rules(
    connection: AsyncConnection,
    organization_id: str,
    *,
    budget_id: str | None = None,
    reach: Reach | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[KeptRule]:
    """Return rules in the order of their ids, those behind `after`; of budgets of what `reach` has."""
    query = select(*_RULE).where(alert_rule.c.organization_id == organization_id)
    if budget_id is not None:
        query = query.where(alert_rule.c.budget_id == budget_id)
    if after is not None:
        query = query.where(alert_rule.c.id > after)
    if reach is not None:
        below = select(project.c.id).where(
            project.c.organization_id == organization_id, project.c.team_id.in_(reach.team_ids)
        )
        is_known = or_(project.c.id.in_(reach.project_ids), project.c.id.in_(below))
        projects = select(project.c.id).where(project.c.organization_id == organization_id, is_known)
        keys = select(api_key.c.id).where(
            api_key.c.organization_id == organization_id, api_key.c.project_id.in_(projects)
        )
        is_in_reach = or_(
            budget.c.scope_id.in_(reach.team_ids), budget.c.scope_id.in_(projects), budget.c.scope_id.in_(keys)
        )
        budgets = select(budget.c.id).where(budget.c.organization_id == organization_id, is_in_reach)
        query = query.where(alert_rule.c.budget_id.in_(budgets))
    return [KeptRule(*row) for row in await connection.execute(query.order_by(alert_rule.c.id).limit(limit))]


async def count_rules(connection: AsyncConnection, organization_id: str, budget_id: str) -> int:
    """Return how many rules a budget has."""
    mine = (alert_rule.c.organization_id == organization_id, alert_rule.c.budget_id == budget_id)
    return int((await connection.execute(select(func.count()).select_from(alert_rule).where(*mine))).scalar_one())


async def change_rule(connection: AsyncConnection, changed: KeptRule) -> None:
    """Write a rule's threshold and action.

    Raises:
        Conflict: the budget has the same already.
    """
    values = {"threshold_permille": changed.threshold_permille, "action": changed.action}
    mine = (alert_rule.c.organization_id == changed.organization_id, alert_rule.c.id == changed.id)
    message = "The budget has a rule of this threshold and action already."
    await execute_unique(connection, update(alert_rule).where(*mine).values(**values), message=message)


async def delete_rule(connection: AsyncConnection, organization_id: str, rule_id: str) -> None:
    """Delete a rule."""
    mine = (alert_rule.c.organization_id == organization_id, alert_rule.c.id == rule_id)
    await connection.execute(delete(alert_rule).where(*mine))


async def is_credit(connection: AsyncConnection, organization_id: str, budget_id: str) -> bool:
    """Tell whether a budget is the organization's credit."""
    mine = (budget.c.organization_id == organization_id, budget.c.id == budget_id, budget.c.scope_kind == "credit")
    return await connection.scalar(select(budget.c.id).where(*mine)) is not None


async def find_credit(connection: AsyncConnection, organization_id: str) -> str | None:
    """Return the budget that the organization's credit is; None while it has none."""
    mine = (
        budget.c.organization_id == organization_id,
        budget.c.scope_kind == "credit",
        budget.c.scope_id == organization_id,
    )
    found: str | None = await connection.scalar(select(budget.c.id).where(*mine))
    return found


async def unit_of(connection: AsyncConnection, organization_id: str, budget_id: str) -> str | None:
    """Return what a budget counts; None when the organization has none of this id."""
    mine = (budget.c.organization_id == organization_id, budget.c.id == budget_id)
    found: str | None = await connection.scalar(select(budget.c.unit).where(*mine))
    return found
