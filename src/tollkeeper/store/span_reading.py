"""Which closed spans and which hours make up the buckets of a report, and the calls in them as one table to select from."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import select, union_all

from tollkeeper.store.schema import usage_rollup
from tollkeeper.store.schema_spans import closed_span, span_rollup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ColumnElement, FromClause
    from sqlalchemy.ext.asyncio import AsyncConnection

RUNS_MAX = 24
"""More pieces than that are read as hours: each is a part of the statement."""


class Closed(NamedTuple):
    """A closed span as reports need it: its kind and UTC hours [from, to)."""

    kind: str
    from_hour: int
    to_hour: int


class Run(NamedTuple):
    """Hours, or closed spans of one kind without a gap between them, of [from_hour, to_hour)."""

    kind: Literal["hour", "day", "month"]
    from_hour: int
    to_hour: int


async def read_closed(
    connection: AsyncConnection, organization_id: str, *, from_hour: int, to_hour: int
) -> list[Closed]:
    """Return the spans that are closed and lie within [from_hour, to_hour)."""
    columns = closed_span.c
    query = select(columns.kind, columns.from_hour, columns.to_hour).where(
        columns.organization_id == organization_id,
        columns.kind.in_(("day", "month")),  # so that both are ranges of the key
        columns.from_hour >= from_hour,
        columns.from_hour < to_hour,
    )
    rows = await connection.execute(query)
    return [Closed(kind, first, last) for kind, first, last in rows if last <= to_hour]


def runs_of(buckets: Iterable[tuple[int, int]], closed: Sequence[Closed]) -> list[Run]:
    """Return what to read for buckets that follow one another: the longest closed spans within each, hours elsewhere."""
    ends = {kind: {each.from_hour: each.to_hour for each in closed if each.kind == kind} for kind in ("month", "day")}
    starts = sorted({each.from_hour for each in closed})
    runs: list[Run] = []

    def add(kind: Literal["hour", "day", "month"], from_hour: int, to_hour: int) -> None:
        last = runs[-1] if runs else None
        if last is not None and last.kind == kind and last.to_hour == from_hour:
            runs[-1] = Run(kind, last.from_hour, to_hour)
        else:
            runs.append(Run(kind, from_hour, to_hour))

    first = at = None
    for from_hour, to_hour in buckets:
        first = from_hour if first is None else first
        at = from_hour
        while at < to_hour:
            month, day = ends["month"].get(at), ends["day"].get(at)
            if month is not None and month <= to_hour:
                add("month", at, month)
                at = month
            elif day is not None and day <= to_hour:
                add("day", at, day)
                at = day
            else:
                later = bisect_right(starts, at)
                until = min(starts[later], to_hour) if later < len(starts) else to_hour
                add("hour", at, until)
                at = until
    if len(runs) > RUNS_MAX:
        assert first is not None, "there are runs"
        assert at is not None, "there are runs"
        return [Run("hour", first, at)]
    return runs


def calls_in(
    runs: Sequence[Run], columns: Sequence[str], conditions: Callable[[FromClause], list[ColumnElement[bool]]]
) -> FromClause:
    """Return the calls of these runs with these columns of usage_rollup, and `hour`: the first one of what is read together.

    `conditions` are asked for both tables, and must name the organization.
    """
    legs = []
    for run in runs or [Run("hour", 0, 0)]:
        table = usage_rollup if run.kind == "hour" else span_rollup
        hour = usage_rollup.c.hour if run.kind == "hour" else span_rollup.c.from_hour
        where = [*conditions(table), hour >= run.from_hour, hour < run.to_hour]
        if run.kind != "hour":
            where.append(span_rollup.c.kind == run.kind)
        legs.append(select(hour.label("hour"), *(table.c[name] for name in columns)).where(*where))
    return legs[0].subquery("call") if len(legs) == 1 else union_all(*legs).subquery("call")
