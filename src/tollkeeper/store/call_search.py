"""Looking for single calls, newest first: one page reads a bounded number of records and says how far it has looked.

There is no index beside the key, for every index costs on every call. A page passes over hours in which the rollups know of
no such call, reads RECORDS_MAX records backwards in time, and passes over hours again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.call_conditions import CallFilters, conditions_of
from tollkeeper.store.call_hours import pass_over
from tollkeeper.store.schema import usage_record
from tollkeeper.store.usage_rows import MS_PER_DAY, from_row

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.usage import UsageRecord

RECORDS_MAX = 20_000
"""Read for one page."""
_EVERYTHING = CallFilters()
_OF = usage_record.c


class FoundRecords(NamedTuple):
    """Records, newest first. From the call id `end` on, going back in time, is still to be looked at; None: nothing is."""

    records: list[UsageRecord]
    end: bytes | None


async def search_calls(
    connection: AsyncConnection, organization_id: str, filters: CallFilters, *, first: bytes, end: bytes, limit: int
) -> FoundRecords:
    """Return at most `limit` records of an organization's calls with ids of [first, end) that match."""
    if not _is_call(end):  # behind a call that a full page ended with, the next one was seen already
        passed = await pass_over(connection, organization_id, filters, first=first, end=end)
        if passed.end is None or passed.is_cut:
            return FoundRecords([], passed.end)
        end = passed.end
    floor = None
    if filters != _EVERYTHING:
        floor = await floor_of(connection, usage_record, organization_id, first=first, end=end, rows=RECORDS_MAX)
    window = within(usage_record, organization_id, first=first if floor is None else floor, end=end)
    matching = conditions_of(organization_id, filters, is_sqlite=connection.dialect.name == "sqlite")
    query = select(usage_record).where(*window, *matching).order_by(_OF.day.desc(), _OF.call_id.desc()).limit(limit + 1)
    found = [from_row(row) for row in await connection.execute(query)]
    if len(found) > limit:
        return FoundRecords(found[:limit], found[limit - 1].call_id)
    if floor is None or floor <= first:
        return FoundRecords(found, None)
    passed = await pass_over(connection, organization_id, filters, first=first, end=floor)
    return FoundRecords(found, passed.end)


def lowest_call_id(at_us: int) -> bytes:
    """Return a value not above any call id of this millisecond and above all earlier ones, rounding up."""
    return (-(-at_us // 1000)).to_bytes(6, "big") + bytes(10)


def _is_call(call_id: bytes) -> bool:
    """Tell whether it is a call's own id, and not the lowest of a millisecond."""
    return any(call_id[6:])


async def floor_of(
    connection: AsyncConnection, table: Table, organization_id: str, *, first: bytes, end: bytes, rows: int
) -> bytes | None:
    """Return the id of the last row that a page reads; None when there are fewer. The key alone is read for it."""
    query = (
        select(table.c.call_id)
        .where(*within(table, organization_id, first=first, end=end))
        .order_by(table.c.day.desc(), table.c.call_id.desc())
        .offset(rows - 1)
        .limit(1)
    )
    found = await connection.scalar(query)
    return None if found is None else bytes(found)


def within(table: Table, organization_id: str, *, first: bytes, end: bytes) -> list[ColumnElement[bool]]:
    """Return the conditions for call ids of [first, end), by the key of a table of calls."""
    return [
        table.c.organization_id == organization_id,
        table.c.day.between(uuid7_ms(first) // MS_PER_DAY, uuid7_ms(end) // MS_PER_DAY),
        table.c.call_id >= first,
        table.c.call_id < end,
    ]
