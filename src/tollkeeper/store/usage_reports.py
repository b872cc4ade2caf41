"""Reports on usage and costs, from the rollups alone: grouped, by hour or by the days of a timezone.

An amount is of the priced calls; `unpriced_requests` or `unpriced_quantity` beside it says what it does not cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Integer, Select, Table, and_, column, func, select, values

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.report_buckets import US_PER_HOUR, days_of, hours_of
from tollkeeper.store.schema import Int, charge_rollup, label_rollup, usage_rollup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause
    from sqlalchemy.ext.asyncio import AsyncConnection

Bucket = Literal["all", "hour", "day"]
CALL_COLUMNS = ("project_id", "api_key_id", "provider", "model", "operation", "service_tier")
"""What usage and costs can be grouped and filtered by. Usage also by cost_state, costs also by dimension."""


class Report(msgspec.Struct, frozen=True):
    """What is asked: calls of [from_us, to_us) by UTC hours, see `report_buckets`; `timezone` matters for days.

    `filters` maps a column to the values that are let in. Groups are ordered by time, then by their values.
    """

    from_us: int
    to_us: int
    bucket: Bucket = "all"
    timezone: str = "UTC"
    group_by: tuple[str, ...] = ()
    filters: dict[str, tuple[str, ...]] = {}


class UsageRow(msgspec.Struct, frozen=True):
    """The calls of one group in one bucket. `group` maps the columns grouped by to their values.

    `quantities` are the units per dimension, those of unpriced calls included; empty when the report groups or filters
    by cost_state.
    """

    from_us: int
    to_us: int
    group: dict[str, str]
    quantities: dict[str, int]
    requests: int
    errors: int
    input_tokens_total: int
    output_tokens_total: int
    amount_nanos: int
    unpriced_requests: int
    latency_us_total: int
    first_byte_us_total: int
    overhead_us_total: int


class CostRow(msgspec.Struct, frozen=True):
    """What one group cost in one bucket. `dimension` "" in `group` is the part of an amount that no line explains.

    `quantity` counts units of every dimension that is not grouped by; `unpriced_quantity` is the part without a price.
    """

    from_us: int
    to_us: int
    group: dict[str, str]
    quantity: int
    unpriced_quantity: int
    amount_nanos: int


class LabelRow(msgspec.Struct, frozen=True):
    """The calls with one value of a label, and with the same values of what else is grouped by."""

    from_us: int
    to_us: int
    group: dict[str, str]
    requests: int
    unpriced_requests: int
    amount_nanos: int
    input_tokens_total: int
    output_tokens_total: int


async def report_usage(connection: AsyncConnection, organization_id: str, report: Report) -> list[UsageRow]:
    """Return requests, tokens, amounts and times of an organization's calls.

    Raises:
        InvalidRequest: a column that is not known here, or a time range that makes no sense.
    """
    allowed = (*CALL_COLUMNS, "cost_state")
    sums = await _sum_up(connection, organization_id, report, _Source(usage_rollup, allowed))
    if "cost_state" in report.group_by or "cost_state" in report.filters:
        return [UsageRow(*position, {}, *measures) for position, measures in sums]
    by_dimension = msgspec.structs.replace(report, group_by=(*report.group_by, "dimension"))
    source = _Source(charge_rollup, (*CALL_COLUMNS, "dimension"))
    quantities: dict[tuple[Any, ...], dict[str, int]] = {}
    for (from_us, to_us, group), measures in await _sum_up(connection, organization_id, by_dimension, source):
        dimension = group.pop("dimension")
        if dimension:
            quantities.setdefault((from_us, to_us, *group.values()), {})[dimension] = measures[0]
    return [
        UsageRow(from_us, to_us, group, quantities.get((from_us, to_us, *group.values()), {}), *measures)
        for (from_us, to_us, group), measures in sums
    ]


async def report_costs(connection: AsyncConnection, organization_id: str, report: Report) -> list[CostRow]:
    """Return what an organization's calls cost; grouped by `dimension` these are the lines of the bill.

    Raises:
        InvalidRequest: a column that is not known here, or a time range that makes no sense.
    """
    source = _Source(charge_rollup, (*CALL_COLUMNS, "dimension"))
    return [CostRow(*position, *sums) for position, sums in await _sum_up(connection, organization_id, report, source)]


async def report_labels(
    connection: AsyncConnection, organization_id: str, report: Report, *, label: str
) -> list[LabelRow]:
    """Return the calls that carry a label, by its values (`label_value` in `group`); others are not in the report.

    Raises:
        InvalidRequest: grouped or filtered by something else than project_id, model and label_value.
    """
    report = msgspec.structs.replace(
        report,
        group_by=(*report.group_by, *(() if "label_value" in report.group_by else ("label_value",))),
        filters={**report.filters, "label_key": (label,)},
    )
    source = _Source(label_rollup, ("project_id", "model", "label_key", "label_value"))
    return [LabelRow(*position, *sums) for position, sums in await _sum_up(connection, organization_id, report, source)]


class _Source(NamedTuple):
    table: Table
    allowed: tuple[str, ...]

    @property
    def measures(self) -> list[str]:
        return [measure.name for measure in self.table.columns if not measure.primary_key]


_Position = tuple[int, int, dict[str, str]]
"""The bucket's start and end in microseconds, and the group."""


async def _sum_up(
    connection: AsyncConnection, organization_id: str, report: Report, source: _Source
) -> list[tuple[_Position, list[int]]]:
    for name in (*report.group_by, *report.filters):
        if name not in source.allowed:
            message = f"'{name}' is not known here; use one of {', '.join(source.allowed)}."
            raise InvalidRequest(message, param="group_by" if name in report.group_by else "filters")
    query, positions = _bucketed(report, source)
    table = source.table
    query = query.where(table.c.organization_id == organization_id)
    query = query.where(*(table.c[name].in_(wanted) for name, wanted in report.filters.items()))
    rows = (await connection.execute(query)).all()
    first_measure = 1 + len(report.group_by)
    return [
        (
            (*_times(row[0], positions), dict(zip(report.group_by, row[1:first_measure], strict=True))),
            [int(value) for value in row[first_measure:]],
        )
        for row in rows
    ]


def _bucketed(report: Report, source: _Source) -> tuple[Select[Any], Sequence[tuple[int, int]] | None]:
    """Return the grouped query, and where its buckets lie; None when a bucket's number is its hour."""
    table = source.table
    from_hour, to_hour = hours_of(report.from_us, report.to_us)
    in_range: ColumnElement[bool] = and_(table.c.hour >= from_hour, table.c.hour < to_hour)
    source_rows: FromClause = table
    positions: Sequence[tuple[int, int]] | None = None
    bucket: ColumnElement[int]
    if report.bucket == "hour":
        bucket = table.c.hour
    elif report.bucket == "day":
        days = days_of(report.from_us, report.to_us, report.timezone)
        positions = [(day.from_us, day.to_us) for day in days]
        numbered = [(number, day.from_hour, day.to_hour) for number, day in enumerate(days)]
        columns = (column("number", Integer), column("from_hour", Int), column("to_hour", Int))
        day_table = values(*columns).data(numbered).cte("day")
        bucket = day_table.c.number
        source_rows = table.join(
            day_table, and_(table.c.hour >= day_table.c.from_hour, table.c.hour < day_table.c.to_hour)
        )
    else:
        positions = [(report.from_us, report.to_us)]
        bucket = func.min(0)
    groups = [table.c[name] for name in report.group_by]
    sums = [func.sum(table.c[name]) for name in source.measures]
    query = select(bucket, *groups, *sums).select_from(source_rows).where(in_range)
    grouped = groups if report.bucket == "all" else [bucket, *groups]
    query = query.group_by(*grouped).order_by(*grouped) if grouped else query.having(func.count() > 0)
    return query, positions


def _times(number: int, positions: Sequence[tuple[int, int]] | None) -> tuple[int, int]:
    if positions is None:
        return number * US_PER_HOUR, (number + 1) * US_PER_HOUR
    return positions[number]
