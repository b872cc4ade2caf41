"""Many teams, projects or budgets written by one statement, for what comes in large numbers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from tollkeeper.domain.errors import Conflict
from tollkeeper.kit.ids import new_id
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import project, team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.budget import Budget
    from tollkeeper.domain.tenancy import Project, Team
    from tollkeeper.store.projects import ProjectLimits


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
            "quota_alerts": msgspec.json.encode(limits.quota_alerts).decode(),
            "model_limits": msgspec.json.encode(limits.model_limits, order="sorted").decode(),
        }
        for each, limits in made
    ]
    await _insert(connection, project, rows, what="project")


async def create_budgets(connection: AsyncConnection, made: Sequence[Budget]) -> None:
    """Create budgets of places that have none for their periods; whoever asks holds the organization's lock.

    Raises:
        Conflict: one of the places has a budget for the period; after a refusal the transaction is over.
    """
    rows = [
        {
            "organization_id": each.organization_id,
            "id": new_id("bud"),
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
            "created_at_us": each.updated_at_us,
            "updated_at_us": each.updated_at_us,
        }
        for each in made
    ]
    await _insert(connection, budget, rows, what="budget")


async def _insert(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]], *, what: str) -> None:
    try:
        await connection.execute(insert(table), rows)
    except IntegrityError as error:
        raise Conflict(f"Somebody else made a {what} of the same name a moment ago; look at the new plan.") from error
