"""The look-up of an api key by its digest: the key as it holds at this moment, with its member, project and organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, select

from tollkeeper.domain.api_key import ApiKey, KeyKind, KeyStatus
from tollkeeper.domain.key_terms import FurtherProject
from tollkeeper.domain.tenancy import Place
from tollkeeper.store.key_limits import with_limits
from tollkeeper.store.key_rates import with_rates
from tollkeeper.store.key_rows import select_keys, to_api_key
from tollkeeper.store.key_succession import with_heirs
from tollkeeper.store.members import read_grants
from tollkeeper.store.schema_tenancy import api_key, project

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.access import Grant

# Built once: building statements takes longer than running them.
_BY_DIGEST = select_keys().where(api_key.c.digest == bindparam("of_digest"))
_BY_ID = select_keys().where(
    api_key.c.organization_id == bindparam("of_organization"), api_key.c.id == bindparam("of_id")
)


async def find_by_digest(connection: AsyncConnection, digest: bytes) -> ApiKey | None:
    """Return the key with this digest as it holds now, whatever its status; None when there is none.

    The only query that learns the organization by a digest. More follow: for a member's key what the member may do now, and
    for each what its calls are held to.
    """
    return await _find(connection, _BY_DIGEST, {"of_digest": digest})


async def find_by_id(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey | None:
    """Return a key of the organization as it holds now, whatever its status; None when it has none of this id."""
    return await _find(connection, _BY_ID, {"of_organization": organization_id, "of_id": key_id})


async def _find(connection: AsyncConnection, query: Select[Any], values: dict[str, Any]) -> ApiKey | None:
    row = (await connection.execute(query, values)).one_or_none()
    if row is None:
        return None
    (key,) = await with_heirs(connection, row.organization_id, [to_api_key(row)])
    if row.project_archived_at_us is not None and key.status is KeyStatus.ACTIVE:
        key = msgspec.structs.replace(key, status=KeyStatus.DISABLED)
    if key.kind is KeyKind.MEMBER:
        key = await _as_of_member(connection, key)
    return await with_rates(connection, await with_limits(connection, key))


async def _as_of_member(connection: AsyncConnection, key: ApiKey) -> ApiKey:
    """Take away what the member may not do now; of a removed member nothing is left."""
    grants = await read_grants(connection, key.organization_id, key.member_id)
    own = Place(key.organization_id, key.team_id, key.project_id)
    terms = key.terms
    if terms is not None and terms.further_projects:
        terms = msgspec.structs.replace(terms, further_projects=await _further(connection, key, grants))
    return msgspec.structs.replace(key, permissions=key.permissions & _held(grants, own), terms=terms)


async def _further(connection: AsyncConnection, key: ApiKey, grants: tuple[Grant, ...]) -> tuple[FurtherProject, ...]:
    assert key.terms is not None
    query = select(project.c.id, project.c.team_id).where(
        project.c.organization_id == key.organization_id,
        project.c.id.in_([each.id for each in key.terms.further_projects]),
        project.c.archived_at_us.is_(None),
    )
    teams = {row.id: row.team_id or "" for row in await connection.execute(query)}
    return tuple(
        FurtherProject(
            each.id,
            teams[each.id],
            key.permissions & _held(grants, Place(key.organization_id, teams[each.id], each.id)),
        )
        for each in key.terms.further_projects
        if each.id in teams
    )


def _held(grants: tuple[Grant, ...], place: Place) -> frozenset[str]:
    return frozenset().union(*(grant.permissions for grant in grants if grant.covers(place)))
