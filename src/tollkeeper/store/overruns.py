"""Calls that came to more than was reserved for them: counted by organization and hour, with the records that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tollkeeper.store.schema_alerts import overrun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.usage import UsageRecord

US_PER_HOUR = 3_600_000_000


class Overrun(msgspec.Struct, frozen=True):
    """An organization's overruns of one UTC hour. `worst_call_id` is the call that came to `worst_excess_nanos` more."""

    organization_id: str
    hour: int
    calls: int
    excess_nanos: int
    worst_excess_nanos: int
    worst_call_id: bytes
    updated_at_us: int


UPSERT_SQLITE = """
INSERT INTO overrun VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (organization_id, hour) DO UPDATE SET
    worst_call_id = CASE WHEN excluded.worst_excess_nanos > worst_excess_nanos
        THEN excluded.worst_call_id ELSE worst_call_id END,
    worst_excess_nanos = max(worst_excess_nanos, excluded.worst_excess_nanos),
    calls = calls + excluded.calls, excess_nanos = excess_nanos + excluded.excess_nanos,
    updated_at_us = excluded.updated_at_us
"""
UPSERT_POSTGRES = """
INSERT INTO overrun VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (organization_id, hour) DO UPDATE SET
    worst_call_id = CASE WHEN excluded.worst_excess_nanos > overrun.worst_excess_nanos
        THEN excluded.worst_call_id ELSE overrun.worst_call_id END,
    worst_excess_nanos = greatest(overrun.worst_excess_nanos, excluded.worst_excess_nanos),
    calls = overrun.calls + excluded.calls, excess_nanos = overrun.excess_nanos + excluded.excess_nanos,
    updated_at_us = excluded.updated_at_us
"""


def summarise(records: Iterable[UsageRecord], *, now_us: int) -> list[Overrun]:
    """Return the overruns among new records, in the order of organization and hour; mostly there are none.

    Whoever inserts the records writes these with `UPSERT_SQLITE` or `UPSERT_POSTGRES` in the same transaction.
    """
    found: dict[tuple[str, int], Overrun] = {}
    for record in records:
        excess = (record.amount_nanos or 0) - record.reserved_nanos
        if excess <= 0 or record.reserved_nanos <= 0:
            continue
        key = (record.organization_id, record.started_at_us // US_PER_HOUR)
        known = found.get(key)
        if known is None:
            found[key] = Overrun(*key, 1, excess, excess, record.call_id, now_us)
            continue
        worst = max((known.worst_excess_nanos, known.worst_call_id), (excess, record.call_id))
        found[key] = Overrun(*key, known.calls + 1, known.excess_nanos + excess, *worst, now_us)
    return [found[key] for key in sorted(found)]


def rows_of(records: Iterable[UsageRecord], *, now_us: int) -> list[tuple[object, ...]]:
    """Return the values of the upserts for new records."""
    return [msgspec.structs.astuple(each) for each in summarise(records, now_us=now_us)]


async def list_overruns(connection: AsyncConnection, *, since_us: int) -> list[Overrun]:
    """Return the hours of all organizations to which an overrun was added since then."""
    query = select(overrun).where(overrun.c.updated_at_us >= since_us)
    rows = await connection.execute(query.order_by(overrun.c.organization_id, overrun.c.hour))
    return [
        Overrun(
            row.organization_id,
            row.hour,
            row.calls,
            row.excess_nanos,
            row.worst_excess_nanos,
            bytes(row.worst_call_id),
            row.updated_at_us,
        )
        for row in rows
    ]
