"""Where things are: the place of a team, a project or whatever id it is, which decides who may do what with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tollkeeper.domain.tenancy import Place
from tollkeeper.store.schema_tenancy import project, team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection


async def place_of_team(
    connection: AsyncConnection, organization_id: str, team_id: str, *, is_in_use: bool = False
) -> Place | None:
    """Return the place of a team; None when the organization has none of this id. `is_in_use`: archived ones are none."""
    query = select(team.c.id).where(team.c.organization_id == organization_id, team.c.id == team_id)
    if is_in_use:
        query = query.where(team.c.archived_at_us.is_(None))
    found = await connection.scalar(query)
    return Place(organization_id, team_id) if found is not None else None


async def place_of_project(
    connection: AsyncConnection, organization_id: str, project_id: str, *, is_in_use: bool = False
) -> Place | None:
    """Return the place of a project; None when the organization has none of this id. See `place_of_team`."""
    query = select(project.c.team_id).where(project.c.organization_id == organization_id, project.c.id == project_id)
    if is_in_use:
        query = query.where(project.c.archived_at_us.is_(None))
    row = (await connection.execute(query)).one_or_none()
    return Place(organization_id, row.team_id or "", project_id) if row else None


async def place_of_scope(
    connection: AsyncConnection, organization_id: str, scope_id: str, *, is_in_use: bool = False
) -> Place | None:
    """Return the place of whatever id it is: the organization's own, a team's or a project's. See `place_of_team`."""
    if scope_id == organization_id:
        return Place(organization_id)
    if scope_id.startswith("team_"):
        return await place_of_team(connection, organization_id, scope_id, is_in_use=is_in_use)
    return await place_of_project(connection, organization_id, scope_id, is_in_use=is_in_use)


async def places_of_projects(
    connection: AsyncConnection, organization_id: str, project_ids: Sequence[str]
) -> dict[str, Place]:
    """Return the places of projects by their ids, archived ones included."""
    query = select(project.c.id, project.c.team_id).where(
        project.c.organization_id == organization_id, project.c.id.in_(project_ids)
    )
    return {row.id: Place(organization_id, row.team_id or "", row.id) for row in await connection.execute(query)}
