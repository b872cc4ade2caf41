"""Reports on usage and costs, from the rollups alone: grouped, by hour or by the days of a timezone.

An amount is of the priced calls; `unpriced_requests` or `unpriced_quantity` beside it says what it does not cover.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper.store.report_buckets import hours_of
from tollkeeper.store.report_queries import MAPPED, KeyOwner, Line, Report, Scope, Source, query_of
from tollkeeper.store.schema import charge_rollup, label_rollup, usage_rollup
from tollkeeper.store.span_reading import read_closed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["CostRow", "KeyOwner", "LabelRow", "Report", "Scope", "UsageRow"]

CALL_COLUMNS = ("project_id", "api_key_id", "provider", "model", "operation", "service_tier", *MAPPED)
"""What usage and costs can be grouped and filtered by. Usage also by cost_state, costs also by dimension."""


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


_USAGE = Source(
    usage_rollup,
    (*CALL_COLUMNS, "cost_state"),
    (
        "requests",
        "errors",
        "input_tokens_total",
        "output_tokens_total",
        "amount_nanos",
        "unpriced_requests",
        "latency_us_total",
    ),
)
_COSTS = Source(charge_rollup, (*CALL_COLUMNS, "dimension"), ("quantity", "unpriced_quantity", "amount_nanos"))
_LABELS = Source(
    label_rollup,
    ("project_id", "model", "team_id", "label_key", "label_value"),
    ("requests", "unpriced_requests", "amount_nanos", "input_tokens_total", "output_tokens_total"),
)


async def report_calls(connection: AsyncConnection, organization_id: str, report: Report) -> list[UsageRow]:
    """Return requests, tokens, amounts and times of an organization's calls, without their quantities.

    Raises:
        InvalidRequest: a column that is not known here, or a time range that makes no sense.
    """
    lines = await _read(connection, organization_id, report, _USAGE)
    return [UsageRow(line.from_us, line.to_us, line.group, {}, *line.sums) for line in lines]


async def report_usage(connection: AsyncConnection, organization_id: str, report: Report) -> list[UsageRow]:
    """Return requests, tokens, amounts, times and quantities of an organization's calls.

    Raises:
        InvalidRequest: a column that is not known here, or a time range that makes no sense.
    """
    assert report.limit is None, "quantities are read for all lines"
    rows = await report_calls(connection, organization_id, report)
    if "cost_state" in report.group_by or "cost_state" in report.filters:
        return rows
    by_dimension = msgspec.structs.replace(report, group_by=(*report.group_by, "dimension"))
    quantities: dict[tuple[Any, ...], dict[str, int]] = {}
    for line in await _read(connection, organization_id, by_dimension, _COSTS):
        dimension = line.group.pop("dimension")
        if dimension:
            quantities.setdefault((line.from_us, *line.group.values()), {})[dimension] = line.sums[0]
    return [
        msgspec.structs.replace(row, quantities=quantities.get((row.from_us, *row.group.values()), {})) for row in rows
    ]


async def report_costs(connection: AsyncConnection, organization_id: str, report: Report) -> list[CostRow]:
    """Return what an organization's calls cost; grouped by `dimension` these are the lines of the bill.

    Raises:
        InvalidRequest: a column that is not known here, or a time range that makes no sense.
    """
    lines = await _read(connection, organization_id, report, _COSTS)
    return [CostRow(line.from_us, line.to_us, line.group, *line.sums) for line in lines]


async def report_labels(
    connection: AsyncConnection, organization_id: str, report: Report, *, label: str
) -> list[LabelRow]:
    """Return the calls that carry a label, by its values (`label_value` in `group`); others are not in the report.

    Raises:
        InvalidRequest: grouped or filtered by something else than team_id, project_id, model and label_value.
    """
    report = msgspec.structs.replace(
        report,
        group_by=(*report.group_by, *(() if "label_value" in report.group_by else ("label_value",))),
        filters={**report.filters, "label_key": (label,)},
    )
    lines = await _read(connection, organization_id, report, _LABELS)
    return [LabelRow(line.from_us, line.to_us, line.group, *line.sums) for line in lines]


async def _read(connection: AsyncConnection, organization_id: str, report: Report, source: Source) -> list[Line]:
    closed = []
    if source is _USAGE and report.bucket != "hour":
        from_hour, to_hour = hours_of(report.from_us, report.to_us)
        closed = await read_closed(connection, organization_id, from_hour=from_hour, to_hour=to_hour)
    query = await asyncio.to_thread(query_of, organization_id, report, source, closed)  # milliseconds, not of the loop
    return [query.line(row) for row in await connection.execute(query.statement)]
