"""Where alerts go: an organization's targets, made, listed, changed, deleted; and the people who are told by e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, func, insert, select, update

from tollkeeper.domain.alert import AlertTarget
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.key_expiry import Recipient
from tollkeeper.store.recipients import list_permitted
from tollkeeper.store.schema_alerts import alert_target

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.tenancy import Place

RECIPIENTS_MAX = 50
"""More people need no e-mail each to hear of a budget."""
_TARGET = tuple(alert_target.c[name] for name in AlertTarget.__struct_fields__)


async def create_target(connection: AsyncConnection, made: AlertTarget, sealed_access: bytes) -> None:
    """Insert a target.

    Raises:
        Conflict: the organization has one of this name.
    """
    values = {**msgspec.structs.asdict(made), "is_enabled": int(made.is_enabled), "sealed_access": sealed_access}
    await execute_unique(connection, insert(alert_target).values(**values), message=_taken(made.name))


async def get_target(connection: AsyncConnection, organization_id: str, target_id: str) -> AlertTarget | None:
    """Return a target; None when the organization has none of this id."""
    row = (await connection.execute(select(*_TARGET).where(*_is_target(organization_id, target_id)))).one_or_none()
    return _to_target(row) if row else None


async def list_targets(
    connection: AsyncConnection, organization_id: str, *, after: str | None = None, limit: int = 100
) -> list[AlertTarget]:
    """Return an organization's targets in the order of their ids, those behind `after`."""
    query = select(*_TARGET).where(alert_target.c.organization_id == organization_id)
    if after is not None:
        query = query.where(alert_target.c.id > after)
    return [_to_target(row) for row in await connection.execute(query.order_by(alert_target.c.id).limit(limit))]


async def count_targets(connection: AsyncConnection, organization_id: str) -> int:
    """Return how many targets an organization has."""
    query = select(func.count()).select_from(alert_target).where(alert_target.c.organization_id == organization_id)
    return int((await connection.execute(query)).scalar_one())


async def get_sealed_access(connection: AsyncConnection, organization_id: str, target_id: str) -> bytes:
    """Return the sealed access of a target that is there."""
    query = select(alert_target.c.sealed_access).where(*_is_target(organization_id, target_id))
    return bytes((await connection.execute(query)).scalar_one())


async def change_target(connection: AsyncConnection, changed: AlertTarget, sealed_access: bytes) -> None:
    """Write what may change of a target.

    Raises:
        Conflict: the organization has another of this name.
    """
    values: dict[str, Any] = {
        "name": changed.name,
        "url_hint": changed.url_hint,
        "is_enabled": int(changed.is_enabled),
        "updated_at_us": changed.updated_at_us,
        "sealed_access": sealed_access,
    }
    mine = _is_target(changed.organization_id, changed.id)
    await execute_unique(connection, update(alert_target).where(*mine).values(**values), message=_taken(changed.name))


async def delete_target(connection: AsyncConnection, organization_id: str, target_id: str) -> None:
    """Delete a target; what still waits for it is given up when its turn comes."""
    await connection.execute(delete(alert_target).where(*_is_target(organization_id, target_id)))


async def list_managers(connection: AsyncConnection, place: Place) -> list[Recipient]:
    """Return who is told about a place's budgets: those whose roles let them manage its quotas, at most RECIPIENTS_MAX."""
    found = await list_permitted(connection, place, "quota:manage", limit=RECIPIENTS_MAX)
    return [Recipient(each.email, each.language) for each in found]


def _is_target(organization_id: str, target_id: str) -> tuple[Any, Any]:
    return (alert_target.c.organization_id == organization_id, alert_target.c.id == target_id)


def _to_target(row: Any) -> AlertTarget:  # a row of `_TARGET`
    values = dict(zip(AlertTarget.__struct_fields__, row, strict=True))
    return AlertTarget(**{**values, "is_enabled": bool(values["is_enabled"])})


def _taken(name: str) -> str:
    return f"The organization has a target named '{name}' already."
