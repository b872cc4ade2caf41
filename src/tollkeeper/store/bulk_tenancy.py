"""Many teams, projects or budgets written by one statement, for what comes in large numbers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from tollkeeper.domain.errors import Conflict
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.project_limits import alerts_text, model_budgets
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import project, team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.budget import Budget
    from tollkeeper.domain.tenancy import Project, Team
    from tollkeeper.store.project_limits import ProjectLimits


async def create_teams(connection: AsyncConnection, made: Sequence[Team]) -> None:
    """Create teams; after a refusal the transaction is over.

    Raises:
        Conflict: the organization has a team of one of these names.
    """
    rows = [
        {"organization_id": each.organization_id, "id": each.id, "name": each.name, "created_at_us": each.created_at_us}
        for each in made
    ]
    await _insert(connection, team, rows, what="team")


async def create_projects(connection: AsyncConnection, made: Sequence[tuple[Project, ProjectLimits]]) -> None:
    """Create projects with their limits; after a refusal the transaction is over.

    Raises:
        Conflict: the organization has a project of one of these names.
    """
    rows = [
        {
            "organization_id": each.organization_id,
            "id": each.id,
            "name": each.name,
            "created_at_us": each.created_at_us,
            "team_id": each.team_id or None,
            "quota_alerts": alerts_text(limits.quota_alerts),
        }
        for each, limits in made
    ]
    await _insert(connection, project, rows, what="project")
    limited = [model_budgets(each.organization_id, each.id, limits.model_limits) for each, limits in made]
    await create_budgets(connection, [budget for of_project in limited for budget in of_project])


async def create_budgets(connection: AsyncConnection, wanted: Sequence[Budget]) -> list[Budget]:
    """Create budgets that are not there yet, all of one organization, and return them with their ids.

    Whoever asks holds the organization's lock.

    Raises:
        Conflict: one of them is there; after a refusal the transaction is over.
    """
    if not wanted:
        return []
    at_us = now_us()
    made = [
        msgspec.structs.replace(each, id=new_id("bud"), created_at_us=at_us, updated_at_us=at_us) for each in wanted
    ]
    rows = [
        {
            "organization_id": each.organization_id,
            "id": each.id,
            "scope_kind": each.scope_kind,
            "scope_id": each.scope_id,
            "model": each.model,
            "unit": each.unit,
            "period": each.period,
            "amount": each.amount,
            "is_carried_over": int(each.is_carried_over),
            "is_hard": int(each.enforcement.hard_limit),
            "is_exceeding_notified": int(each.enforcement.notify_on_exceed),
            "is_exceeding_disabling": int(each.enforcement.auto_disable_on_exceed),
            "created_at_us": at_us,
            "updated_at_us": at_us,
            "is_from_tier": int(each.is_from_tier),
        }
        for each in made
    ]
    await _insert(connection, budget, rows, what="budget")
    organization_id = made[0].organization_id
    await record_change(connection, "limit", organization_id=organization_id, entity_id=organization_id)
    return made


async def _insert(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]], *, what: str) -> None:
    try:
        await connection.execute(insert(table), rows)
    except IntegrityError as error:
        raise Conflict(f"Somebody else made a {what} of the same name a moment ago; look at the new plan.") from error
