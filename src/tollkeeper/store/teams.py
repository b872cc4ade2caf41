"""Teams of an organization: create, get, find by name, list, rename, archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, tuple_, update

from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import OrganizationId, Team, TeamId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.schema_tenancy import team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (team.c.organization_id, team.c.id, team.c.name, team.c.created_at_us, team.c.archived_at_us)


async def create_team(connection: AsyncConnection, organization_id: str, *, name: str) -> Team:
    """Create a team.

    Raises:
        Conflict: the organization has a team of this name.
    """
    made = Team(OrganizationId(organization_id), TeamId(new_id("team")), name, now_us())
    row = {"organization_id": organization_id, "id": made.id, "name": name, "created_at_us": made.created_at_us}
    await execute_unique(connection, insert(team).values(**row), message=_taken(name))
    return made


async def get_team(connection: AsyncConnection, organization_id: str, team_id: str) -> Team | None:
    """Return a team of the organization, archived ones included; None when it has none of this id."""
    query = select(*_COLUMNS).where(team.c.organization_id == organization_id, team.c.id == team_id)
    row = (await connection.execute(query)).one_or_none()
    return _to_team(row) if row else None


async def find_team(connection: AsyncConnection, organization_id: str, *, name: str) -> Team | None:
    """Return a team by its name; None when the organization has none of this name."""
    query = select(*_COLUMNS).where(team.c.organization_id == organization_id, team.c.name == name)
    row = (await connection.execute(query)).one_or_none()
    return _to_team(row) if row else None


async def find_teams(connection: AsyncConnection, organization_id: str, named: Sequence[str]) -> list[Team]:
    """Return the teams in use that have one of these ids or names."""
    query = select(*_COLUMNS).where(
        team.c.organization_id == organization_id,
        team.c.archived_at_us.is_(None),
        or_(team.c.id.in_(named), team.c.name.in_(named)),
    )
    return [_to_team(row) for row in await connection.execute(query)]


async def list_teams(
    connection: AsyncConnection,
    organization_id: str,
    *,
    ids: Sequence[str] | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Team]:
    """Return at most `limit` teams that are not archived, oldest first, those behind the id `after`; of `ids` only."""
    query = select(*_COLUMNS).where(team.c.organization_id == organization_id, team.c.archived_at_us.is_(None))
    if ids is not None:
        query = query.where(team.c.id.in_(ids))
    if after is not None:
        position = select(team.c.created_at_us, team.c.id).where(
            team.c.organization_id == organization_id, team.c.id == after
        )
        query = query.where(tuple_(team.c.created_at_us, team.c.id) > position.scalar_subquery())
    query = query.order_by(team.c.created_at_us, team.c.id).limit(limit)
    return [_to_team(row) for row in await connection.execute(query)]


async def rename_team(connection: AsyncConnection, organization_id: str, team_id: str, *, name: str) -> Team:
    """Give a team another name.

    Raises:
        NotFound: the organization has no such team.
        Conflict: it has another team of this name.
    """
    return await _change(connection, organization_id, team_id, {"name": name})


async def archive_team(connection: AsyncConnection, organization_id: str, team_id: str, *, name: str) -> Team:
    """Take a team out of every list for good; its new `name` leaves the old one free.

    Raises:
        NotFound: the organization has no such team.
    """
    return await _change(connection, organization_id, team_id, {"name": name, "archived_at_us": now_us()})


async def _change(connection: AsyncConnection, organization_id: str, team_id: str, values: dict[str, Any]) -> Team:
    mine = (team.c.organization_id == organization_id, team.c.id == team_id, team.c.archived_at_us.is_(None))
    changed = update(team).where(*mine).values(**values).returning(*_COLUMNS)
    row: Row[Any, *tuple[Any, ...]] | None = (
        await execute_unique(connection, changed, message=_taken(values["name"]))
    ).one_or_none()
    if row is None:
        message = f"There is no team '{team_id}'."
        raise NotFound(message)
    return _to_team(row)


def _to_team(row: Row[Any, *tuple[Any, ...]]) -> Team:
    return Team(row.organization_id, row.id, row.name, row.created_at_us, row.archived_at_us)


def _taken(name: str) -> str:
    return f"A team named '{name}' exists already."
