"""Hours that can be passed over when single calls are looked for: by the rollups, none of theirs matches.

A record and its lines of the rollups are written in one transaction, both by the time in the call's id, so an hour without
a line has no such call. There are far fewer lines than calls, and how many are read at once is bounded all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.report_buckets import US_PER_HOUR
from tollkeeper.store.report_queries import MAPPED, Report, calls_of
from tollkeeper.store.schema import label_rollup, usage_rollup
from tollkeeper.store.usage_rows import MS_PER_HOUR

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.call_conditions import CallFilters
    from tollkeeper.store.report_queries import Scope

LINES_MAX = 20_000
"""Of a rollup, looked through at once."""
_LINES_FIRST = 500
_FIRST_ERROR_STATUS = 400
_OF_CALLS = ("project_id", "api_key_id", "provider", "model", "operation", "cost_state", *MAPPED)
_OF_LABELS = ("project_id", "model", "team_id")


class Passed(NamedTuple):
    """Down to `end`, which is passed over, no call matches; None: nowhere. Below it one may, or the look was cut short."""

    end: bytes | None
    is_cut: bool = False


class _Source(NamedTuple):
    """A rollup, what its lines are filtered by, and whether only those with errors count."""

    table: Table
    filters: dict[str, tuple[str, ...]]
    within: tuple[Scope, ...] | None = None
    is_of_errors: bool = False


async def pass_over(
    connection: AsyncConnection, organization_id: str, filters: CallFilters, *, first: bytes, end: bytes
) -> Passed:
    """Return from where on, going back in time from the call id `end`, a call of [first, end) may match."""
    passed = Passed(end)
    for source in _sources(filters):
        if passed.end is None or passed.end <= first:
            return Passed(None)
        report = Report(
            uuid7_ms(first) // MS_PER_HOUR * US_PER_HOUR,
            (_hour_before(passed.end) + 1) * US_PER_HOUR,
            filters=source.filters,
            within=source.within,
        )
        found = await _newest(connection, organization_id, report, source, end=passed.end)
        if found.end is None:
            return found
        passed = Passed(min(passed.end, found.end), passed.is_cut or found.is_cut)
    return passed if passed.end is not None and passed.end > first else Passed(None)


async def _newest(
    connection: AsyncConnection, organization_id: str, report: Report, source: _Source, *, end: bytes
) -> Passed:
    """Look through the last LINES_MAX lines of a rollup: every hour of theirs but the first is seen whole."""
    of = source.table.c
    every = calls_of(organization_id, Report(report.from_us, report.to_us), source.table)
    ordered = select(source.table).where(*every).order_by(of.hour.desc())
    for count in (min(_LINES_FIRST, LINES_MAX), LINES_MAX):  # mostly one of the first matches
        lines = ordered.limit(count).subquery()
        matching = calls_of(organization_id, report, lines)
        if source.is_of_errors:
            matching.append(lines.c.errors > 0)
        hour = await connection.scalar(select(lines.c.hour).where(*matching).order_by(lines.c.hour.desc()).limit(1))
        if hour is not None:
            return Passed(_begin(hour + 1))
    cut = await connection.scalar(ordered.with_only_columns(of.hour).offset(LINES_MAX).limit(1))
    if cut is None:
        return Passed(None)
    seen = _begin(cut + 1)
    return Passed(seen, is_cut=True) if seen < end else Passed(end)


def _sources(filters: CallFilters) -> list[_Source]:
    """Return the rollups that know something of what is looked for."""
    found: list[_Source] = []
    of_calls = {name: wanted for name, wanted in filters.columns.items() if name in _OF_CALLS}
    are_errors = bool(filters.statuses) and all(
        low >= _FIRST_ERROR_STATUS or high == 0 for low, high in filters.statuses
    )
    if of_calls or are_errors or filters.within is not None:
        found.append(_Source(usage_rollup, of_calls, filters.within, are_errors))
    of_labels = {name: wanted for name, wanted in filters.columns.items() if name in _OF_LABELS}
    for name, value in filters.labels:
        label = {"label_key": (name,)} if value is None else {"label_key": (name,), "label_value": (value,)}
        found.append(_Source(label_rollup, {**of_labels, **label}))
    return found


def _begin(hour: int) -> bytes:
    """Return the lowest call id of an hour."""
    return (hour * MS_PER_HOUR).to_bytes(6, "big") + bytes(10)


def _hour_before(call_id: bytes) -> int:
    """Return the hour of the call ids right below this one."""
    return ((int.from_bytes(call_id, "big") - 1) >> 80) // MS_PER_HOUR
