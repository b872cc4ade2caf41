"""Whose budget an alert is about: the scope's name and place; and how an organization is addressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tollkeeper.domain.tenancy import Language, Place
from tollkeeper.store.places import place_of_project
from tollkeeper.store.schema_tenancy import api_key, organization
from tollkeeper.store.usage_names import read_names

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.limit import LimitScope

_COLUMNS: dict[str, str] = {
    "team": "team_id",
    "project": "project_id",
    "api_key": "api_key_id",
    "member": "member_id",
}


class Addressee(msgspec.Struct, frozen=True):
    """An organization as messages to it need it."""

    name: str
    language: Language
    timezone: str


class AlertScope(msgspec.Struct, frozen=True):
    """A scope and where it is: a key's is its project, a member's and the credit's the organization."""

    name: str
    place: Place


async def read_organization(connection: AsyncConnection, organization_id: str) -> Addressee:
    """Return how an organization is addressed."""
    query = select(organization.c.name, organization.c.language, organization.c.timezone)
    row = (await connection.execute(query.where(organization.c.id == organization_id))).one()
    return Addressee(row.name, row.language, row.timezone)


async def read_scope(
    connection: AsyncConnection, organization_id: str, scope_kind: LimitScope, scope_id: str
) -> AlertScope:
    """Return a scope's name and place; what is gone has no name and is the organization's."""
    whole = Place(organization_id)
    if scope_kind in {"organization", "credit"}:
        return AlertScope((await read_organization(connection, organization_id)).name, whole)
    names = await read_names(connection, organization_id, _COLUMNS[scope_kind], [scope_id])
    name = names.get(scope_id, "")
    if scope_kind == "team":
        return AlertScope(name, Place(organization_id, scope_id))
    project_id: str | None = scope_id if scope_kind == "project" else None
    if scope_kind == "api_key":
        query = select(api_key.c.project_id)
        project_id = await connection.scalar(
            query.where(api_key.c.organization_id == organization_id, api_key.c.id == scope_id)
        )
    place = await place_of_project(connection, organization_id, project_id) if project_id else None
    return AlertScope(name, place or whole)
