"""Projects of an organization: create, get, find by name, list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, tuple_

from tollkeeper.domain.errors import Conflict
from tollkeeper.domain.tenancy import OrganizationId, Project, ProjectId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.schema import project

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (project.c.organization_id, project.c.id, project.c.name, project.c.created_at_us)


async def create_project(connection: AsyncConnection, organization_id: str, *, name: str) -> Project:
    """Create a project.

    Raises:
        Conflict: the organization has a project of this name.
    """
    if await find_project(connection, organization_id, name=name) is not None:
        message = f"A project named '{name}' exists already."
        raise Conflict(message)
    made = Project(OrganizationId(organization_id), ProjectId(new_id("proj")), name, now_us())
    await connection.execute(
        insert(project).values(
            organization_id=made.organization_id, id=made.id, name=made.name, created_at_us=made.created_at_us
        )
    )
    return made


async def get_project(connection: AsyncConnection, organization_id: str, project_id: str) -> Project | None:
    """Return a project of the organization; None when it has none of this id."""
    query = select(*_COLUMNS).where(project.c.organization_id == organization_id, project.c.id == project_id)
    row = (await connection.execute(query)).one_or_none()
    return Project(*row) if row else None


async def find_project(connection: AsyncConnection, organization_id: str, *, name: str) -> Project | None:
    """Return a project by its name; None when the organization has none of this name."""
    query = select(*_COLUMNS).where(project.c.organization_id == organization_id, project.c.name == name)
    row = (await connection.execute(query)).one_or_none()
    return Project(*row) if row else None


async def list_projects(
    connection: AsyncConnection, organization_id: str, *, after: str | None = None, limit: int = 100
) -> list[Project]:
    """Return at most `limit` projects, oldest first, those behind the id `after`."""
    query = select(*_COLUMNS).where(project.c.organization_id == organization_id)
    if after is not None:
        position = select(project.c.created_at_us, project.c.id).where(
            project.c.organization_id == organization_id, project.c.id == after
        )
        query = query.where(tuple_(project.c.created_at_us, project.c.id) > position.scalar_subquery())
    query = query.order_by(project.c.created_at_us, project.c.id).limit(limit)
    return [Project(*row) for row in await connection.execute(query)]
