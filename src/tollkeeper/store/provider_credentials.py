"""Provider credentials of organizations: create, get, find by name, list, change, delete, and all of them for replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from tollkeeper.domain.provider_credential import ProviderCredential
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.schema_tenancy import provider_credential as table

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = tuple(table.c[name] for name in ProviderCredential.__struct_fields__)


async def create_credential(connection: AsyncConnection, made: ProviderCredential, sealed_secret: bytes) -> None:
    """Insert a credential.

    Raises:
        Conflict: the organization has a provider of this name.
    """
    values = {name: getattr(made, name) for name in made.__struct_fields__}
    await execute_unique(
        connection, insert(table).values(**values, sealed_secret=sealed_secret), message=_taken(made.name)
    )


async def get_credential(
    connection: AsyncConnection, organization_id: str, credential_id: str, *, is_locked: bool = False
) -> ProviderCredential | None:
    """Return a credential; None when the organization has none of this id. `is_locked` keeps others from changing it."""
    query = select(*_COLUMNS).where(table.c.organization_id == organization_id, table.c.id == credential_id)
    row = (await connection.execute(query.with_for_update() if is_locked else query)).one_or_none()
    return _to_credential(row) if row else None


async def get_sealed_secret(connection: AsyncConnection, organization_id: str, credential_id: str) -> bytes:
    """Return the sealed secret of a credential that is there."""
    query = select(table.c.sealed_secret).where(table.c.organization_id == organization_id, table.c.id == credential_id)
    return bytes((await connection.execute(query)).scalar_one())


async def find_credential(connection: AsyncConnection, organization_id: str, *, name: str) -> ProviderCredential | None:
    """Return a credential by its provider's name; None when the organization has none of this name."""
    query = select(*_COLUMNS).where(table.c.organization_id == organization_id, table.c.name == name)
    row = (await connection.execute(query)).one_or_none()
    return _to_credential(row) if row else None


async def list_credentials(
    connection: AsyncConnection, organization_id: str, *, after: str | None = None, limit: int = 100
) -> list[ProviderCredential]:
    """Return at most `limit` credentials in the order of their names, those behind the id `after`."""
    query = select(*_COLUMNS).where(table.c.organization_id == organization_id)
    if after is not None:
        position = select(table.c.name).where(table.c.organization_id == organization_id, table.c.id == after)
        query = query.where(table.c.name > position.scalar_subquery())
    return [_to_credential(row) for row in await connection.execute(query.order_by(table.c.name).limit(limit))]


async def count_credentials(connection: AsyncConnection, organization_id: str) -> int:
    """Return how many credentials an organization has."""
    query = select(func.count()).select_from(table).where(table.c.organization_id == organization_id)
    return int((await connection.execute(query)).scalar_one())


async def change_credential(
    connection: AsyncConnection, changed: ProviderCredential, sealed_secret: bytes | None
) -> None:
    """Write what may change of a credential: name, base URL, catalogue, and the secret unless it stays.

    Raises:
        Conflict: the organization has another provider of this name.
    """
    values: dict[str, Any] = {
        "name": changed.name,
        "base_url": changed.base_url,
        "catalogue": changed.catalogue,
        "hint": changed.hint,
        "updated_at_us": changed.updated_at_us,
    }
    if sealed_secret is not None:
        values["sealed_secret"] = sealed_secret
    mine = (table.c.organization_id == changed.organization_id, table.c.id == changed.id)
    await execute_unique(connection, update(table).where(*mine).values(**values), message=_taken(changed.name))


async def delete_credential(connection: AsyncConnection, organization_id: str, credential_id: str) -> None:
    """Delete a credential, its sealed secret with it."""
    mine = (table.c.organization_id == organization_id, table.c.id == credential_id)
    await connection.execute(delete(table).where(*mine))


async def list_all_credentials(connection: AsyncConnection) -> list[tuple[ProviderCredential, bytes]]:
    """Return every organization's credentials with their sealed secrets, each organization's together by name."""
    query = select(*_COLUMNS, table.c.sealed_secret).order_by(table.c.organization_id, table.c.name)
    return [(_to_credential(row), bytes(row.sealed_secret)) for row in await connection.execute(query)]


def _to_credential(row: Row[Any, *tuple[Any, ...]]) -> ProviderCredential:
    return ProviderCredential(*(getattr(row, name) for name in ProviderCredential.__struct_fields__))


def _taken(name: str) -> str:
    return f"The organization has a provider named '{name}' already."
