"""The calls of a time range broken down several ways at once: by hour, and the dearest models, projects, keys, members.

One look at the rollup serves all of them: the calls that a breakdown is about are often few among those to be read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from sqlalchemy import Select, Text, and_, cast, func, literal, literal_column, select, union_all

from tollkeeper.domain.money import known_amount
from tollkeeper.store.report_buckets import days_of
from tollkeeper.store.report_queries import conditions_of
from tollkeeper.store.schema_tenancy import api_key
from tollkeeper.store.span_reading import calls_in, read_closed, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import CTE, ColumnElement, CompoundSelect, FromClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.report_queries import Report
    from tollkeeper.store.span_reading import Run

Part = Literal["model", "project_id", "api_key_id", "member_id"]


class CallSums(NamedTuple):
    """Calls added up. `amount_nanos` is of those that are priced."""

    requests: int = 0
    errors: int = 0
    input_tokens_total: int = 0
    output_tokens_total: int = 0
    amount_nanos: int = 0
    unpriced_requests: int = 0
    latency_us_total: int = 0

    @property
    def cost_nanos(self) -> int | None:
        """What the calls cost; None when it is not known. No calls cost nothing."""
        return known_amount(self.amount_nanos, unpriced=self.unpriced_requests)

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """Add up."""
        return cls(*map(sum, zip(cls(), *parts, strict=True)))

    def less(self, parts: Iterable[Self]) -> Self:
        """Return what remains when parts are taken away."""
        return type(self)(*(whole - sum(rest) for whole, *rest in zip(self, *parts, strict=True)))


class Breakdowns(NamedTuple):
    """`hours` by the first hour of what was read together, at most a day of the report's timezone; the lines of each part by
    their value, the dearest first. Value "" is none.
    """

    hours: dict[int, CallSums]
    parts: dict[Part, dict[str, CallSums]]


async def break_down(
    connection: AsyncConnection, organization_id: str, report: Report, *, parts: Sequence[Part], limit: int
) -> Breakdowns:
    """Return the calls of a report over time, and the dearest `limit` lines of each part.

    Of the report its time range, timezone, filters and scopes count.

    Raises:
        InvalidRequest: a time range that makes no sense.
    """
    days = [(day.from_hour, day.to_hour) for day in days_of(report.from_us, report.to_us, report.timezone)]
    closed = await read_closed(connection, organization_id, from_hour=days[0][0], to_hour=days[-1][1])
    statement = await asyncio.to_thread(
        _statement, organization_id, report, runs_of(days, closed), parts=parts, limit=limit
    )
    found = Breakdowns({}, {part: {} for part in parts})
    for part, value, *sums in await connection.execute(statement):
        read = CallSums(*map(int, sums))
        if part == "hour":
            found.hours[int(value)] = read
        else:
            found.parts[part][value] = read
    return found


def _statement(
    organization_id: str, report: Report, runs: Sequence[Run], *, parts: Sequence[Part], limit: int
) -> CompoundSelect[Any]:
    """Return the question. Putting it together takes milliseconds: not those of the loop, which has calls to serve."""

    def calls_with(*names: str) -> FromClause:
        columns = (*names, *CallSums._fields)
        return calls_in(runs, columns, lambda table: conditions_of(organization_id, report, table))

    over_time = calls_with()
    hour = cast(over_time.c.hour, Text).label("value")
    queries = [select(literal("hour", Text).label("part"), hour, *_sums(over_time.c)).group_by(over_time.c.hour)]
    names = dict.fromkeys("api_key_id" if part == "member_id" else part for part in parts)
    every = calls_with(*names)
    grouped = [every.c[name] for name in names]
    # The parts are added up from the few lines that differ in one of them, not from all calls once more for each.
    calls = select(*grouped, *_sums(every.c)).group_by(*grouped).cte("line")
    keys = (
        select(calls.c.api_key_id, *_sums(calls.c)).group_by(calls.c.api_key_id).cte("key")
        if "api_key_id" in names
        else calls
    )
    for part in parts:
        if part == "member_id":
            lines = _by_member(keys, organization_id).subquery()
        elif part == "api_key_id":
            lines = select(keys.c.api_key_id.label("value"), *(keys.c[name] for name in CallSums._fields)).subquery()
        else:
            lines = select(calls.c[part].label("value"), *_sums(calls.c)).group_by(calls.c[part]).subquery()
        dearest = (lines.c.amount_nanos.desc(), lines.c.requests.desc(), lines.c.value)
        top = select(literal(part, Text).label("part"), *lines.c).order_by(*dearest).limit(limit).subquery()
        queries.append(select(*top.c))
    return union_all(*queries)


def _by_member(keys: CTE, organization_id: str) -> Select[Any]:
    """Return the calls by whose key they were made with, from those by key."""
    owned = keys.outerjoin(
        api_key, and_(api_key.c.organization_id == organization_id, api_key.c.id == keys.c.api_key_id)
    )
    member = func.coalesce(api_key.c.member_id, literal_column("''")).label("value")
    return select(member, *_sums(keys.c)).select_from(owned).group_by(member)


def _sums(columns: Any) -> list[ColumnElement[Any]]:
    return [func.sum(columns[name]).label(name) for name in CallSums._fields]
