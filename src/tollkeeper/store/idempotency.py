"""What requests with an Idempotency-Key brought about, kept so that their repetition is answered the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from tollkeeper.kit.clock import now_us
from tollkeeper.store.schema_control import idempotency

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class Remembered(msgspec.Struct, frozen=True):
    """A request's fingerprint and its sealed result."""

    fingerprint: bytes
    sealed_result: bytes


async def find_result(
    connection: AsyncConnection, organization_id: str, principal_id: str, key: str
) -> Remembered | None:
    """Return what a principal's earlier request with this key brought about; None when there was none."""
    query = select(idempotency.c.fingerprint, idempotency.c.sealed_result).where(
        idempotency.c.organization_id == organization_id,
        idempotency.c.principal_id == principal_id,
        idempotency.c.key == key,
    )
    row = (await connection.execute(query)).one_or_none()
    return Remembered(bytes(row.fingerprint), bytes(row.sealed_result)) if row else None


async def remember_result(
    connection: AsyncConnection, organization_id: str, principal_id: str, key: str, *, result: Remembered
) -> bool:
    """Keep a request's result, within the transaction that it is of; False when another one has kept one meanwhile."""
    row = {
        "organization_id": organization_id,
        "principal_id": principal_id,
        "key": key,
        "fingerprint": result.fingerprint,
        "sealed_result": result.sealed_result,
        "created_at_us": now_us(),
    }
    try:
        async with connection.begin_nested():
            await connection.execute(insert(idempotency).values(**row))
    except IntegrityError:
        return False
    return True


async def forget_results(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete what is older; returns how many."""
    return (await connection.execute(delete(idempotency).where(idempotency.c.created_at_us < before_us))).rowcount
