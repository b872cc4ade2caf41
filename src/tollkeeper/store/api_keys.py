"""Api keys as they are stored: create, get, list, change, replace, and the keys of a member. Every change is numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, and_, insert, or_, select, tuple_, update

from tollkeeper.domain.api_key import ApiKey, KeyKind, KeyStatus
from tollkeeper.domain.errors import Conflict, NotFound
from tollkeeper.kit.clock import now_us
from tollkeeper.store.daily_requests import write_requests_per_day
from tollkeeper.store.key_rows import columns_of_terms, select_keys, text_of_permissions, to_api_key
from tollkeeper.store.key_succession import heirs_of, with_heirs
from tollkeeper.store.projects import get_project
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_tenancy import api_key, project

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.key_terms import KeyTerms
    from tollkeeper.store.projects import Reach


_FEW_PROJECTS = 200
"""Up to so many, the keys of each are looked up and sorted; of more, the keys are read in order until a page is full."""


class KeyFilter(msgspec.Struct, frozen=True):
    """Which keys are listed; None lets all in. `reach` is what the caller may know of: None is the organization.

    A `project_id` stands instead of the reach: whoever names one has checked that the caller may read keys there.
    """

    project_id: str | None = None
    member_id: str | None = None
    kind: KeyKind | None = None
    reach: Reach | None = None


class KeyChanges(msgspec.Struct, frozen=True):
    """What changes of a key; UNSET stays. `terms` are replaced as a whole."""

    name: str | UnsetType = UNSET
    status: KeyStatus | UnsetType = UNSET
    permissions: frozenset[str] | UnsetType = UNSET
    expires_at_us: int | UnsetType | None = UNSET
    terms: KeyTerms | UnsetType | None = UNSET


async def create_api_key(
    connection: AsyncConnection, organization_id: str, *, key: ApiKey, digest: bytes, pepper_version: int = 1
) -> None:
    """Store a new key's record. `digest` is of the whole key; the key itself never comes here.

    Raises:
        NotFound: the organization has no such project, or it is archived.
    """
    assert key.organization_id == organization_id
    assert (key.kind is KeyKind.ADMIN) == (key.project_id == "")
    assert (key.kind is KeyKind.MEMBER) == (key.member_id != "")
    if key.project_id:
        found = await get_project(connection, organization_id, key.project_id)
        if found is None or found.archived_at_us is not None:
            message = f"There is no project '{key.project_id}'."
            raise NotFound(message)
    await connection.execute(
        insert(api_key).values(
            organization_id=organization_id,
            id=key.id,
            project_id=key.project_id or None,
            name=key.name,
            kind=key.kind.value,
            digest=digest,
            pepper_version=pepper_version,
            status=key.status.value,
            permissions=text_of_permissions(key.permissions),
            created_at_us=key.created_at_us,
            expires_at_us=key.expires_at_us,
            member_id=key.member_id or None,
            **columns_of_terms(key.terms),
        )
    )
    if key.terms is not None and key.terms.rate_limit.requests_per_day is not None:
        await write_requests_per_day(connection, organization_id, key.id, key.terms.rate_limit.requests_per_day)
    await record_change(connection, "api_key", organization_id=organization_id, entity_id=key.id)


async def get_api_key(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey | None:
    """Return a key of the organization, deleted ones included; None when it has none of this id."""
    return await _one(connection, select_keys().where(*_is(organization_id, key_id)))


async def lock_api_key(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey | None:
    """Return a key as `get_api_key` does; until the commit nobody else changes it."""
    locked = select_keys().where(*_is(organization_id, key_id)).with_for_update(of=api_key)
    return await _one(connection, locked)


async def list_api_keys(
    connection: AsyncConnection,
    organization_id: str,
    wanted: KeyFilter | None = None,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[ApiKey]:
    """Return at most `limit` keys that are not deleted, oldest first, those behind the id `after`."""
    wanted = wanted or KeyFilter()
    conditions, is_narrow = await _conditions(connection, organization_id, wanted)
    order: tuple[Any, Any] = (api_key.c.created_at_us, api_key.c.id)
    if is_narrow:
        # Few keys match: the index by time would be read from end to end for them, so keep it out of the choice.
        order = (api_key.c.created_at_us + 0, api_key.c.id)
    query = select_keys().where(
        api_key.c.organization_id == organization_id, api_key.c.status != KeyStatus.DELETED.value, *conditions
    )
    if after is not None:
        position = select(api_key.c.created_at_us, api_key.c.id).where(*_is(organization_id, after))
        query = query.where(tuple_(*order) > position.scalar_subquery())
    query = query.order_by(*order).limit(limit)
    return await with_heirs(connection, organization_id, map(to_api_key, await connection.execute(query)))


async def find_by_name(connection: AsyncConnection, organization_id: str, *, name: str, limit: int = 6) -> list[ApiKey]:
    """Return the keys of this name that are not deleted, oldest first; names need not be unique."""
    query = select_keys().where(
        api_key.c.organization_id == organization_id,
        api_key.c.status != KeyStatus.DELETED.value,
        api_key.c.name == name,
    )
    query = query.order_by(api_key.c.created_at_us, api_key.c.id).limit(limit)
    return await with_heirs(connection, organization_id, map(to_api_key, await connection.execute(query)))


async def read_names(connection: AsyncConnection, organization_id: str) -> dict[str, str]:
    """Return the names of all keys of an organization by their ids, deleted ones included."""
    query = select(api_key.c.id, api_key.c.name).where(api_key.c.organization_id == organization_id)
    return {row.id: row.name for row in await connection.execute(query)}


async def read_keys(connection: AsyncConnection, organization_id: str, key_ids: Collection[str]) -> list[ApiKey]:
    """Return the keys of these ids that are not deleted."""
    query = select_keys().where(
        api_key.c.organization_id == organization_id,
        api_key.c.status != KeyStatus.DELETED.value,
        api_key.c.id.in_(key_ids),
    )
    return [to_api_key(each) for each in await connection.execute(query)]


async def members_of_keys(
    connection: AsyncConnection, organization_id: str, key_ids: Collection[str]
) -> dict[str, str]:
    """Return whose keys these are, by their ids; deleted ones too. Keys that belong to no person are missing."""
    query = select(api_key.c.id, api_key.c.member_id).where(
        api_key.c.organization_id == organization_id, api_key.c.id.in_(key_ids), api_key.c.member_id.is_not(None)
    )
    return {row.id: row.member_id for row in await connection.execute(query)}


async def change_api_key(connection: AsyncConnection, organization_id: str, key_id: str, changes: KeyChanges) -> ApiKey:
    """Change a key and return how it is now. Requests per day are not changed of one that was replaced: see `held_as`.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    is_there = and_(*_is(organization_id, key_id), api_key.c.status != KeyStatus.DELETED.value)
    changed = update(api_key).where(is_there).values(**_columns(changes)).returning(api_key.c.replaced_by)
    row = (await connection.execute(changed)).one_or_none()
    if row is None:
        message = f"There is no API key '{key_id}'."
        raise NotFound(message)
    heirs = await heirs_of(connection, organization_id, [key_id]) if row.replaced_by else {key_id: key_id}
    if changes.terms is not UNSET and heirs.get(key_id) == key_id:
        daily = changes.terms.rate_limit.requests_per_day if changes.terms is not None else None
        await write_requests_per_day(connection, organization_id, key_id, daily)
    return await _changed(connection, organization_id, key_id, heirs=heirs)


async def replace_api_key(
    connection: AsyncConnection, organization_id: str, key_id: str, *, replaced_by: str, expires_at_us: int
) -> ApiKey:
    """Let a key end, because another one takes its place; returns how it is now. A key is replaced once.

    Raises:
        Conflict: it is not active, or was replaced before, however lately.
    """
    replaced = update(api_key).where(
        *_is(organization_id, key_id),
        api_key.c.status == KeyStatus.ACTIVE.value,
        api_key.c.replaced_by.is_(None),
    )
    values = {"replaced_by": replaced_by, "expires_at_us": expires_at_us}
    if (await connection.execute(replaced.values(**values))).rowcount != 1:
        message = f"The API key '{key_id}' was replaced or stopped meanwhile."
        raise Conflict(message)
    return await _changed(connection, organization_id, key_id)


async def disable_member_keys(connection: AsyncConnection, organization_id: str, member_id: str) -> list[str]:
    """Stop all keys of a member; returns the ids of those that worked before, sorted."""
    stopped = (
        update(api_key)
        .where(
            api_key.c.organization_id == organization_id,
            api_key.c.member_id == member_id,
            api_key.c.status == KeyStatus.ACTIVE.value,
        )
        .values(status=KeyStatus.DISABLED.value, disabled_at_us=now_us())
        .returning(api_key.c.id)
    )
    ids = sorted(row.id for row in await connection.execute(stopped))
    if ids:
        await record_change(connection, "member", organization_id=organization_id, entity_id=member_id)
    return ids


async def note_use(connection: AsyncConnection, organization_id: str, key_id: str) -> None:
    """Write down that a key was used now. Keys that call models are noted with their usage instead."""
    await connection.execute(update(api_key).where(*_is(organization_id, key_id)).values(last_used_at_us=now_us()))


async def _conditions(
    connection: AsyncConnection, organization_id: str, wanted: KeyFilter
) -> tuple[list[ColumnElement[bool]], bool]:
    """Return what a list is filtered by, and whether few keys of an organization can match."""
    found: list[ColumnElement[bool]] = []
    is_narrow = False
    if wanted.project_id is not None:
        found.append(api_key.c.project_id == wanted.project_id)
    if wanted.member_id is not None:
        found.append(api_key.c.member_id == wanted.member_id)
        is_narrow = True
    if wanted.kind is KeyKind.ADMIN:
        found.append(api_key.c.project_id.is_(None))  # the same, and in an index
    elif wanted.kind is not None:
        found.append(api_key.c.kind == wanted.kind.value)
    if wanted.reach is not None and wanted.project_id is None:
        reached = _reached(organization_id, wanted.reach)
        ids = list(await connection.scalars(reached.limit(_FEW_PROJECTS + 1)))
        is_few = len(ids) <= _FEW_PROJECTS
        found.append(api_key.c.project_id.in_(ids if is_few else reached))
        is_narrow = is_narrow or is_few
    return found, is_narrow


def _reached(organization_id: str, reach: Reach) -> Select[tuple[str]]:
    return select(project.c.id).where(
        project.c.organization_id == organization_id,
        or_(project.c.team_id.in_(reach.team_ids), project.c.id.in_(reach.project_ids)),
    )


def _columns(changes: KeyChanges) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if changes.name is not UNSET:
        values["name"] = changes.name
    if changes.status is not UNSET:
        values["status"] = changes.status.value
        values["disabled_at_us"] = now_us() if changes.status is KeyStatus.DISABLED else None
        if changes.status is KeyStatus.DELETED:
            values["deleted_at_us"] = now_us()
    if changes.permissions is not UNSET:
        values["permissions"] = text_of_permissions(changes.permissions)
    if changes.expires_at_us is not UNSET:
        values |= {"expires_at_us": changes.expires_at_us, "expiry_warned_days": None}
    if changes.terms is not UNSET:
        values |= columns_of_terms(changes.terms)
    assert values, "nothing changes"
    return values


async def _changed(
    connection: AsyncConnection, organization_id: str, key_id: str, *, heirs: dict[str, str] | None = None
) -> ApiKey:
    await record_change(connection, "api_key", organization_id=organization_id, entity_id=key_id)
    found = await _one(connection, select_keys().where(*_is(organization_id, key_id)), heirs=heirs)
    assert found is not None, "it was just changed"
    return found


def _is(organization_id: str, key_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return api_key.c.organization_id == organization_id, api_key.c.id == key_id


async def _one(
    connection: AsyncConnection, query: Select[Any], *, heirs: dict[str, str] | None = None
) -> ApiKey | None:
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    (found,) = await with_heirs(connection, row.organization_id, [to_api_key(row)], heirs=heirs)
    return found
