"""Api keys: create, get, list, disable, enable, delete, and the look-up by digest. Every change is numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Select, insert, select, tuple_, update

from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import OrganizationId, ProjectId
from tollkeeper.kit.clock import now_us
from tollkeeper.store.projects import get_project
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema import api_key

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    api_key.c.organization_id,
    api_key.c.id,
    api_key.c.project_id,
    api_key.c.name,
    api_key.c.kind,
    api_key.c.status,
    api_key.c.permissions,
    api_key.c.created_at_us,
    api_key.c.expires_at_us,
    api_key.c.last_used_at_us,
)


async def create_api_key(
    connection: AsyncConnection, organization_id: str, *, key: ApiKey, digest: bytes, pepper_version: int = 1
) -> None:
    """Store a new key's record. `digest` is of the whole key; the key itself never comes here.

    Raises:
        NotFound: the organization has no such project.
    """
    assert key.organization_id == organization_id
    assert (key.kind is KeyKind.ADMIN) == (key.project_id == "")
    if key.project_id and await get_project(connection, organization_id, key.project_id) is None:
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
            permissions=msgspec.json.encode(sorted(key.permissions)).decode(),
            created_at_us=key.created_at_us,
            expires_at_us=key.expires_at_us,
        )
    )
    await record_change(connection, "api_key", organization_id=organization_id, entity_id=key.id)


async def get_api_key(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey | None:
    """Return a key of the organization, deleted ones included; None when it has none of this id."""
    query = select(*_COLUMNS).where(api_key.c.organization_id == organization_id, api_key.c.id == key_id)
    return await _one(connection, query)


async def list_api_keys(
    connection: AsyncConnection,
    organization_id: str,
    *,
    project_id: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[ApiKey]:
    """Return at most `limit` keys that are not deleted, oldest first, those behind the id `after`."""
    query = select(*_COLUMNS).where(
        api_key.c.organization_id == organization_id, api_key.c.status != KeyStatus.DELETED.value
    )
    if project_id is not None:
        query = query.where(api_key.c.project_id == project_id)
    if after is not None:
        position = select(api_key.c.created_at_us, api_key.c.id).where(
            api_key.c.organization_id == organization_id, api_key.c.id == after
        )
        query = query.where(tuple_(api_key.c.created_at_us, api_key.c.id) > position.scalar_subquery())
    query = query.order_by(api_key.c.created_at_us, api_key.c.id).limit(limit)
    return [_to_api_key(row) for row in await connection.execute(query)]


async def disable_api_key(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey:
    """Stop a key until it is enabled again.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    return await _change(
        connection, organization_id, key_id, {"status": KeyStatus.DISABLED.value, "disabled_at_us": now_us()}
    )


async def enable_api_key(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey:
    """Let a disabled key work again.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    return await _change(
        connection, organization_id, key_id, {"status": KeyStatus.ACTIVE.value, "disabled_at_us": None}
    )


async def delete_api_key(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKey:
    """End a key for good. Its record stays, so that its usage keeps its name.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    return await _change(
        connection, organization_id, key_id, {"status": KeyStatus.DELETED.value, "deleted_at_us": now_us()}
    )


async def find_by_digest(connection: AsyncConnection, digest: bytes) -> ApiKey | None:
    """Return the key with this digest, whatever its status; the only query that learns the organization by it."""
    return await _one(connection, select(*_COLUMNS).where(api_key.c.digest == digest))


async def note_use(connection: AsyncConnection, organization_id: str, key_id: str) -> None:
    """Write down that a key was used now. Keys that call models are noted with their usage instead."""
    await connection.execute(
        update(api_key)
        .where(api_key.c.organization_id == organization_id, api_key.c.id == key_id)
        .values(last_used_at_us=now_us())
    )


async def _change(connection: AsyncConnection, organization_id: str, key_id: str, values: dict[str, Any]) -> ApiKey:
    changed = update(api_key).where(
        api_key.c.organization_id == organization_id,
        api_key.c.id == key_id,
        api_key.c.status != KeyStatus.DELETED.value,
    )
    row = (await connection.execute(changed.values(**values).returning(*_COLUMNS))).one_or_none()
    if row is None:
        message = f"There is no API key '{key_id}'."
        raise NotFound(message)
    await record_change(connection, "api_key", organization_id=organization_id, entity_id=key_id)
    return _to_api_key(row)


async def _one(connection: AsyncConnection, query: Select[Any]) -> ApiKey | None:
    row = (await connection.execute(query)).one_or_none()
    return _to_api_key(row) if row else None


def _to_api_key(row: Row[Any, *tuple[Any, ...]]) -> ApiKey:
    return ApiKey(
        organization_id=OrganizationId(row.organization_id),
        id=ApiKeyId(row.id),
        project_id=ProjectId(row.project_id or ""),
        name=row.name,
        kind=KeyKind(row.kind),
        status=KeyStatus(row.status),
        permissions=msgspec.json.decode(row.permissions, type=frozenset[str]),
        created_at_us=row.created_at_us,
        expires_at_us=row.expires_at_us,
        last_used_at_us=row.last_used_at_us,
    )
