"""Closes the days and months that have ended, and opens them again when a call of theirs is recorded late.

Whoever closes one keeps those out who would open it at that moment: a late call is either in the sums, or opens the span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import and_, delete, func, insert, literal, select, text

from tollkeeper.kit.clock import now_us
from tollkeeper.store.columns import Int
from tollkeeper.store.report_buckets import US_PER_HOUR
from tollkeeper.store.schema import USAGE_DIMENSIONS, usage_rollup
from tollkeeper.store.schema_spans import SPAN_MEASURES, closed_span, span_rollup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

Kind = Literal["day", "month"]
CLOSED_AFTER_HOURS = 3
"""How long after its end a span is closed at the earliest: calls that last long are recorded when they end."""
LATE_AFTER_HOURS = 1
"""How old an hour is when a call in it is late. The hours between the two are what clocks of replicas may differ by."""
REMOVED_AT_ONCE = 31

REOPEN_SQLITE = "DELETE FROM closed_span WHERE organization_id = ? AND from_hour <= ? AND to_hour > ?"
REOPEN_POSTGRES = "DELETE FROM closed_span WHERE organization_id = $1 AND from_hour <= $2 AND to_hour > $3"


class Span(NamedTuple):
    """A local day or month; hours are UTC's since 1970, [from, to)."""

    kind: Kind
    from_hour: int
    to_hour: int
    timezone: str


def late_hours(keys: Iterable[Sequence[str | int]]) -> list[tuple[str, int, int]]:
    """Return the parameters of `REOPEN_…` for those keys of usage_rollup whose hour is over for long."""
    first_in_time = now_us() // US_PER_HOUR - LATE_AFTER_HOURS
    late = {(str(key[0]), int(key[1])) for key in keys if int(key[1]) < first_in_time}
    return [(organization_id, hour, hour) for organization_id, hour in sorted(late)]


async def read_spans(connection: AsyncConnection, organization_id: str) -> list[Span]:
    """Return all closed spans, by kind and time."""
    query = select(closed_span).where(closed_span.c.organization_id == organization_id)
    rows = await connection.execute(query.order_by(closed_span.c.kind, closed_span.c.from_hour))
    return [Span(row.kind, row.from_hour, row.to_hour, row.timezone) for row in rows]


async def first_hour(connection: AsyncConnection, organization_id: str) -> int | None:
    """Return the hour of an organization's first call."""
    query = select(func.min(usage_rollup.c.hour)).where(usage_rollup.c.organization_id == organization_id)
    found = await connection.scalar(query)
    return None if found is None else int(found)


async def close_span(connection: AsyncConnection, organization_id: str, span: Span) -> bool:
    """Add a span up and close it; False when another process has done so. A month is added up from its closed days."""
    await _keep_others_out(connection)
    if await connection.scalar(select(closed_span.c.to_hour).where(_is(closed_span, organization_id, span))):
        return False
    await connection.execute(delete(span_rollup).where(*_begun_in(organization_id, span)))
    is_month = span.kind == "month"
    table = span_rollup if is_month else usage_rollup
    hour = table.c.from_hour if is_month else table.c.hour
    if is_month and not await _has_all_days(connection, organization_id, span):
        return False
    which = [table.c.organization_id == organization_id, hour >= span.from_hour, hour < span.to_hour]
    if is_month:
        which.append(span_rollup.c.kind == "day")
    dimensions = [table.c[name] for name in USAGE_DIMENSIONS]
    sums = (func.sum(table.c[name]) for name in SPAN_MEASURES)
    place = (literal(organization_id), literal(span.kind), literal(span.from_hour, Int))
    added = select(*place, *dimensions, *sums).where(*which).group_by(*dimensions)
    await connection.execute(insert(span_rollup).from_select([each.name for each in span_rollup.columns], added))
    await connection.execute(insert(closed_span).values(organization_id=organization_id, **span._asdict()))
    return True


async def remove_spans(connection: AsyncConnection, organization_id: str, spans: Iterable[Span]) -> None:
    """Open spans and forget their sums."""
    for span in spans:
        for table in (closed_span, span_rollup):
            await connection.execute(delete(table).where(_is(table, organization_id, span)))


async def _has_all_days(connection: AsyncConnection, organization_id: str, month: Span) -> bool:
    """Tell whether the closed days of a month cover it: a late call may just have opened one."""
    day = closed_span.c
    query = select(func.coalesce(func.sum(day.to_hour - day.from_hour), 0)).where(
        day.organization_id == organization_id,
        day.kind == "day",
        day.timezone == month.timezone,
        day.from_hour >= month.from_hour,
        day.to_hour <= month.to_hour,
    )
    return int(await connection.scalar(query) or 0) == month.to_hour - month.from_hour


def _begun_in(organization_id: str, span: Span) -> list[ColumnElement[bool]]:
    """Return the condition for what was added up of a span, also of one that a late call opened and whose timezone changed."""
    of = span_rollup.c
    begun = [of.from_hour >= span.from_hour, of.from_hour < span.to_hour]
    return [of.organization_id == organization_id, of.kind == span.kind, *begun]


async def _keep_others_out(connection: AsyncConnection) -> None:
    """Let nobody delete from closed_span until the transaction ends; SQLite has one writer at a time anyhow."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE closed_span IN EXCLUSIVE MODE"))


def _is(table: object, organization_id: str, span: Span) -> ColumnElement[bool]:
    assert table is closed_span or table is span_rollup
    columns = table.c
    return and_(
        columns.organization_id == organization_id, columns.kind == span.kind, columns.from_hour == span.from_hour
    )
