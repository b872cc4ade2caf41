"""Projects of an organization: create, get, find by name, list, change, archive. Every change is numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, insert, or_, select, tuple_, update

from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import OrganizationId, Project, ProjectId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_tenancy import project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    project.c.organization_id,
    project.c.id,
    project.c.name,
    project.c.created_at_us,
    project.c.team_id,
    project.c.archived_at_us,
)


class Reach(msgspec.Struct, frozen=True):
    """Which projects a caller may know of: those of these teams, and these."""

    team_ids: tuple[str, ...]
    project_ids: tuple[str, ...]


async def create_project(
    connection: AsyncConnection, organization_id: str, *, name: str, team_id: str | None = None
) -> Project:
    """Create a project.

    Raises:
        Conflict: the organization has a project of this name.
    """
    made = Project(OrganizationId(organization_id), ProjectId(new_id("proj")), name, now_us(), team_id or "")  # type: ignore[arg-type]
    row = {"organization_id": organization_id, "id": made.id, "name": name, "created_at_us": made.created_at_us}
    await execute_unique(connection, insert(project).values(**row, team_id=team_id), message=_taken(name))
    return made


async def get_project(connection: AsyncConnection, organization_id: str, project_id: str) -> Project | None:
    """Return a project of the organization, archived ones included; None when it has none of this id."""
    return await _one(connection, organization_id, project.c.id == project_id)


async def find_project(connection: AsyncConnection, organization_id: str, *, name: str) -> Project | None:
    """Return a project by its name; None when the organization has none of this name."""
    return await _one(connection, organization_id, project.c.name == name)


async def find_projects(connection: AsyncConnection, organization_id: str, named: Sequence[str]) -> list[Project]:
    """Return the projects in use that have one of these ids or names."""
    query = select(*_COLUMNS).where(
        project.c.organization_id == organization_id,
        project.c.archived_at_us.is_(None),
        or_(project.c.id.in_(named), project.c.name.in_(named)),
    )
    return [_to_project(row) for row in await connection.execute(query)]


async def list_projects(
    connection: AsyncConnection,
    organization_id: str,
    *,
    team_id: str | None = None,
    reach: Reach | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Project]:
    """Return at most `limit` projects that are not archived, oldest first, those behind the id `after`."""
    query = select(*_COLUMNS).where(project.c.organization_id == organization_id, project.c.archived_at_us.is_(None))
    if team_id is not None:
        query = query.where(project.c.team_id == team_id)
    if reach is not None:
        query = query.where(or_(project.c.team_id.in_(reach.team_ids), project.c.id.in_(reach.project_ids)))
    if after is not None:
        position = select(project.c.created_at_us, project.c.id).where(
            project.c.organization_id == organization_id, project.c.id == after
        )
        query = query.where(tuple_(project.c.created_at_us, project.c.id) > position.scalar_subquery())
    query = query.order_by(project.c.created_at_us, project.c.id).limit(limit)
    return [_to_project(row) for row in await connection.execute(query)]


async def read_names(connection: AsyncConnection, organization_id: str) -> dict[str, str]:
    """Return the names of all projects of an organization by their ids, archived ones included."""
    query = select(project.c.id, project.c.name).where(project.c.organization_id == organization_id)
    return {row.id: row.name for row in await connection.execute(query)}


async def change_project(
    connection: AsyncConnection, organization_id: str, project_id: str, values: Mapping[str, Any]
) -> Project:
    """Change columns of a project that is not archived: name, team_id, archived_at_us.

    Raises:
        NotFound: the organization has no such project.
        Conflict: it has another project of this name.
    """
    mine = and_(
        project.c.organization_id == organization_id, project.c.id == project_id, project.c.archived_at_us.is_(None)
    )
    changed = update(project).where(mine).values(**values).returning(*_COLUMNS)
    row = (await execute_unique(connection, changed, message=_taken(str(values.get("name", ""))))).one_or_none()
    if row is None:
        message = f"There is no project '{project_id}'."
        raise NotFound(message)
    await record_change(connection, "project", organization_id=organization_id, entity_id=project_id)
    return _to_project(row)


async def _one(connection: AsyncConnection, organization_id: str, condition: Any) -> Project | None:
    query = select(*_COLUMNS).where(project.c.organization_id == organization_id, condition)
    row = (await connection.execute(query)).one_or_none()
    return _to_project(row) if row else None


def _to_project(row: Row[Any, *tuple[Any, ...]]) -> Project:
    return Project(row.organization_id, row.id, row.name, row.created_at_us, row.team_id or "", row.archived_at_us)


def _taken(name: str) -> str:
    return f"A project named '{name}' exists already."
