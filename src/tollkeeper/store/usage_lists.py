"""Single usage records: find one, or page through an organization's, by the time in their call ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.schema import usage_record
from tollkeeper.store.usage_rows import MS_PER_DAY, from_row

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.usage import UsageRecord

FILTERS = ("project_id", "api_key_id", "provider", "model", "cost_state", "end_user")
"""What a list can be filtered by; `cost_state` estimated shows the calls that were not metered by their provider."""


async def find_usage(connection: AsyncConnection, organization_id: str, call_id: bytes) -> UsageRecord | None:
    """Return an organization's record of a call; None when it has none (yet)."""
    query = select(usage_record).where(
        usage_record.c.organization_id == organization_id,
        usage_record.c.day == uuid7_ms(call_id) // MS_PER_DAY,
        usage_record.c.call_id == call_id,
    )
    row = (await connection.execute(query)).one_or_none()
    return from_row(row) if row else None


async def list_usage(  # noqa: PLR0913  # a page is where it lies, what is let in, and where it goes on
    connection: AsyncConnection,
    organization_id: str,
    *,
    from_us: int,
    to_us: int,
    filters: dict[str, str] | None = None,
    after: bytes | None = None,
    limit: int = 100,
) -> list[UsageRecord]:
    """Return at most `limit` records of [from_us, to_us), newest first, those older than the call `after`.

    The time of a record is its call id's, in whole milliseconds.

    Raises:
        InvalidRequest: a filter that is not known.
    """
    first, end = _lowest_call_id(from_us), _lowest_call_id(to_us)
    conditions: list[ColumnElement[bool]] = [
        usage_record.c.organization_id == organization_id,
        usage_record.c.day.between(uuid7_ms(first) // MS_PER_DAY, uuid7_ms(end) // MS_PER_DAY),
        usage_record.c.call_id >= first,
        usage_record.c.call_id < end,
    ]
    for name, value in (filters or {}).items():
        if name not in FILTERS:
            raise InvalidRequest(f"'{name}' is not known here; use one of {', '.join(FILTERS)}.", param=name)
        conditions.append(usage_record.c[name] == value)
    if after is not None:
        conditions += [usage_record.c.day <= uuid7_ms(after) // MS_PER_DAY, usage_record.c.call_id < after]
    query = (
        select(usage_record)
        .where(*conditions)
        .order_by(usage_record.c.day.desc(), usage_record.c.call_id.desc())
        .limit(limit)
    )
    return [from_row(row) for row in await connection.execute(query)]


async def newest_call(connection: AsyncConnection, organization_id: str) -> bytes:
    """Return the id of an organization's newest recorded call; b"" when there is none."""
    query = (
        select(usage_record.c.call_id)
        .where(usage_record.c.organization_id == organization_id)
        .order_by(usage_record.c.day.desc(), usage_record.c.call_id.desc())
        .limit(1)
    )
    return await connection.scalar(query) or b""


def _lowest_call_id(at_us: int) -> bytes:
    """Return a value not above any call id of this millisecond and above all earlier ones, rounding up."""
    return (-(-at_us // 1000)).to_bytes(6, "big") + bytes(10)
