"""Refused calls: inserted many at a time, found by their request, forgotten after a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.people_pruning import BATCH_MAX
from tollkeeper.store.schema_alerts import refused_call
from tollkeeper.store.usage_rows import KEY_BYTES, MS_PER_DAY, TEXT_BYTES, storable_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.ports.refusals import RefusalStore
    from tollkeeper.store.engine import Store

ROWS_MAX = 1_000
"""Of one statement: with their columns they stay below the 32,766 values that both engines take."""
_encode = msgspec.json.Encoder().encode


class RefusedCalls:
    """Satisfies `ports.refusals.RefusalStore` with a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert_refusals(self, refused: Sequence[RefusedCall]) -> None:
        """Insert refused calls; see the port."""
        await self._store.write(lambda connection: insert_refusals(connection, refused))


async def insert_refusals(connection: AsyncConnection, refused: Sequence[RefusedCall]) -> None:
    """Insert refused calls; those already there change nothing."""
    rows = [_to_row(each) for each in sorted(refused, key=lambda each: (each.organization_id, each.call_id))]
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    for at in range(0, len(rows), ROWS_MAX):
        await connection.execute(insert(refused_call).values(rows[at : at + ROWS_MAX]).on_conflict_do_nothing())


async def find_refusal(connection: AsyncConnection, organization_id: str, call_id: bytes) -> RefusedCall | None:
    """Return an organization's refused call; None when it has none of this id (yet, or any more)."""
    query = select(refused_call).where(
        refused_call.c.organization_id == organization_id,
        refused_call.c.day == _day_of(call_id),
        refused_call.c.call_id == call_id,
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else from_row(row)


def from_row(row: Row[Any]) -> RefusedCall:
    """Return the refused call of a whole row."""
    return RefusedCall(
        bytes(row.call_id),
        row.organization_id,
        row.project_id,
        row.api_key_id,
        row.model,
        row.at_us,
        row.status,
        row.code,
        row.message,
        tuple(msgspec.json.decode(row.looked_at)),
    )


async def prune_refusals(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most BATCH_MAX refused calls of days that were over before; returns how many."""
    key = tuple(refused_call.primary_key.columns)
    batch = select(*key).where(refused_call.c.day < before_us // (MS_PER_DAY * 1000)).limit(BATCH_MAX)
    return (await connection.execute(delete(refused_call).where(tuple_(*key).in_(batch)))).rowcount


def _to_row(refused: RefusedCall) -> dict[str, Any]:
    return {
        "organization_id": refused.organization_id,
        "day": _day_of(refused.call_id),
        "call_id": refused.call_id,
        "at_us": refused.at_us,
        "api_key_id": refused.api_key_id,
        "project_id": refused.project_id,
        "model": storable_text(refused.model, KEY_BYTES),
        "status": refused.status,
        "code": refused.code,
        "message": storable_text(refused.message, TEXT_BYTES),
        "looked_at": _encode(refused.looked_at).decode(),
    }


def _day_of(call_id: bytes) -> int:
    return uuid7_ms(call_id) // MS_PER_DAY


if TYPE_CHECKING:

    def _is_refusal_store(refused: RefusedCalls) -> RefusalStore:
        return refused
