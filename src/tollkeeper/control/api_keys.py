"""Api keys: create, list, disable, enable, delete. A key itself leaves here once, when it is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS
from tollkeeper.domain.api_key import ID_LENGTH, SECRET_LENGTH, ApiKey, ApiKeyId, KeyKind, KeyStatus, write_key
from tollkeeper.domain.errors import InvalidRequest, StoreUnavailable
from tollkeeper.domain.tenancy import OrganizationId, ProjectId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import random_base62
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import api_keys
from tollkeeper.store.engine import Store

NAME_LENGTH_MAX = 100
USE_INTERVAL_US = 60_000_000
Change = Callable[[Store, str, str], Awaitable[ApiKey]]
"""A use case that changes one key: (store, organization id, key id)."""


class NewApiKey(msgspec.Struct, frozen=True):
    """A key just made. `key` is the secret itself: shown once, stored nowhere."""

    key: str
    record: ApiKey


async def create_project_key(
    store: Store,
    pepper: bytes,
    organization_id: str,
    *,
    project_id: str,
    name: str,
    expires_at_us: int | None = None,
) -> NewApiKey:
    """Make a key that calls models in a project.

    Raises:
        NotFound: the organization has no such project.
        InvalidRequest: a name without characters or with too many, or an expiry in the past.
    """
    record = _new_record(organization_id, ProjectId(project_id), name, expires_at_us)
    return await _create(store, pepper, record)


async def create_admin_key(store: Store, pepper: bytes, organization_id: str, *, name: str) -> NewApiKey:
    """Make a key that administers the organization and cannot call models."""
    return await _create(store, pepper, _new_record(organization_id, ProjectId(""), name, None))


async def list_keys(store: Store, organization_id: str, *, project_id: str | None = None) -> list[ApiKey]:
    """Return all keys that are not deleted, oldest first."""
    found: list[ApiKey] = []
    while True:
        after = found[-1].id if found else None
        page = await store.read(
            lambda connection, after=after: api_keys.list_api_keys(  # type: ignore[misc]
                connection, organization_id, project_id=project_id, after=after
            )
        )
        found += page
        if len(page) < 100:
            return found


async def disable_key(store: Store, organization_id: str, key_id: str) -> ApiKey:
    """Stop a key on every replica within a second.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    return await store.write(lambda connection: api_keys.disable_api_key(connection, organization_id, key_id))


async def enable_key(store: Store, organization_id: str, key_id: str) -> ApiKey:
    """Let a disabled key work again.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    return await store.write(lambda connection: api_keys.enable_api_key(connection, organization_id, key_id))


async def delete_key(store: Store, organization_id: str, key_id: str) -> ApiKey:
    """End a key for good; its usage keeps its name.

    Raises:
        NotFound: the organization has no such key, or it is deleted.
    """
    return await store.write(lambda connection: api_keys.delete_api_key(connection, organization_id, key_id))


class AdminKeyUses:
    """Writes down when administration keys were used, at most once a minute each; other keys are noted with their usage."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted_us: dict[str, int] = {}

    async def note(self, key: ApiKey) -> None:
        """Note that a key was used now. A store out of reach is no reason to refuse what was asked for."""
        now = now_us()
        if now - self._noted_us.get(key.id, 0) < USE_INTERVAL_US:
            return
        self._noted_us[key.id] = now
        with suppress(StoreUnavailable):
            await self._store.write(lambda connection: api_keys.note_use(connection, key.organization_id, key.id))


def _new_record(organization_id: str, project_id: ProjectId, name: str, expires_at_us: int | None) -> ApiKey:
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidRequest(f"A key's name must have 1 to {NAME_LENGTH_MAX} printable characters.", param="name")
    now = now_us()
    if expires_at_us is not None and expires_at_us <= now:
        raise InvalidRequest("The expiry is in the past.", param="expires_at")
    kind = KeyKind.PROJECT if project_id else KeyKind.ADMIN
    return ApiKey(
        organization_id=OrganizationId(organization_id),
        id=ApiKeyId(f"key_{random_base62(ID_LENGTH)}"),
        project_id=project_id,
        name=name,
        kind=kind,
        status=KeyStatus.ACTIVE,
        permissions=INFERENCE_PERMISSIONS if kind is KeyKind.PROJECT else ADMIN_PERMISSIONS,
        created_at_us=now,
        expires_at_us=expires_at_us,
    )


async def _create(store: Store, pepper: bytes, record: ApiKey) -> NewApiKey:
    key = write_key(record.id.removeprefix("key_"), random_base62(SECRET_LENGTH))
    digest = keyed_digest(pepper, key.encode())
    await store.write(
        lambda connection: api_keys.create_api_key(connection, record.organization_id, key=record, digest=digest)
    )
    return NewApiKey(key, record)
