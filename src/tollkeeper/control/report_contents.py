"""Collecting what a report of a week or month says: from the rollups alone, by the same queries as usage and costs."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.report_budgets import budgets_at_risk
from tollkeeper.control.usage_lines import Names, names_of
from tollkeeper.domain.report import (
    Breakdown,
    BudgetAtRisk,
    By,
    Mover,
    ReportContent,
    ReportDay,
    ReportLine,
    Sums,
    break_down,
    most_used,
    movers,
)
from tollkeeper.domain.report_calendar import Calendar, ReportPeriod, last_closed
from tollkeeper.domain.tenancy import Organization
from tollkeeper.domain.usage import CostState
from tollkeeper.kit.clock import utc
from tollkeeper.store.report_buckets import days_of
from tollkeeper.store.usage_reports import Report, UsageRow, report_calls

_COLUMNS: dict[By, str] = {"model": "model", "team": "team_id", "project": "project_id"}
_MOVING: tuple[By, ...] = ("model", "project")
"""A team is the sum of its projects, which say more."""


async def collect_report(action: Action, period: ReportPeriod, organization: Organization) -> ReportContent:
    """Return what the report of a period says as of now.

    Of a period that is over the sums change only when records of its calls come late or prices are corrected. Budgets
    stand as they do at this moment, which says nothing of a period that others have followed: its report has none.
    """
    now = Report(period.from_us, period.to_us, timezone=organization.timezone)
    before = msgspec.structs.replace(now, from_us=period.before_from_us, to_us=period.from_us)
    lines = {by: await _lines(action, now, before, column) for by, column in _COLUMNS.items()}
    states = await _read(action, now, group_by=("cost_state",))
    parts = {by: break_down(found) for by, found in lines.items()}
    risen, fallen = movers({by: lines[by] for by in _MOVING})
    names = await _names(action, parts, (*risen, *fallen))
    calendar = Calendar(organization.timezone, organization.fiscal_month_start)
    budgets: tuple[BudgetAtRisk, ...] = ()
    budgets_more = 0
    if period == last_closed(period.kind, action.now_us, calendar):
        budgets, budgets_more = await budgets_at_risk(action, organization)
    return ReportContent(
        kind=period.kind,
        organization_name=organization.name,
        timezone=organization.timezone,
        first_day=period.first_day.isoformat(),
        last_day=period.last_day.isoformat(),
        from_us=period.from_us,
        to_us=period.to_us,
        before_from_us=period.before_from_us,
        made_at_us=action.now_us,
        total=_sum(states),
        before=_sum(await _read(action, before)),
        estimated=_sum(row for row in states if row.group["cost_state"] == CostState.ESTIMATED.value),
        days=await _days(action, now),
        models=parts["model"],
        teams=_named(parts["team"], names.get("team_id", {})),
        projects=_named(parts["project"], names.get("project_id", {})),
        most_used_model=most_used(lines["model"]),
        risen=_named_movers(risen, names),
        fallen=_named_movers(fallen, names),
        budgets=budgets,
        budgets_more=budgets_more,
    )


async def _lines(action: Action, now: Report, before: Report, column: str) -> list[ReportLine]:
    found = {row.group[column]: _of(row) for row in await _read(action, now, group_by=(column,))}
    earlier = {row.group[column]: _of(row) for row in await _read(action, before, group_by=(column,))}
    return [
        ReportLine(value, value if column == "model" else "", found.get(value, Sums()), earlier.get(value, Sums()))
        for value in sorted(found.keys() | earlier.keys())
    ]


async def _days(action: Action, now: Report) -> tuple[ReportDay, ...]:
    """Return the days of the period, those without calls too."""
    by_start = {row.from_us: _of(row) for row in await _read(action, msgspec.structs.replace(now, bucket="day"))}
    zone = ZoneInfo(now.timezone)
    return tuple(
        ReportDay(utc(day.from_us).astimezone(zone).date().isoformat(), by_start.get(day.from_us, Sums()))
        for day in days_of(now.from_us, now.to_us, now.timezone)
    )


async def _read(action: Action, report: Report, *, group_by: tuple[str, ...] = ()) -> list[UsageRow]:
    asked = msgspec.structs.replace(report, group_by=group_by)
    return await report_calls(action.connection, action.organization_id, asked)


async def _names(action: Action, parts: dict[By, Breakdown], moved: tuple[Mover, ...]) -> Names:
    shown = [{_COLUMNS[by]: each.value} for by, part in parts.items() for each in part.lines if by != "model"]
    shown += [{_COLUMNS[each.by]: each.line.value} for each in moved if each.by != "model"]
    return await names_of(action.connection, action.organization_id, shown)


def _named(part: Breakdown, names: dict[str, str]) -> Breakdown:
    return msgspec.structs.replace(part, lines=tuple(_named_line(each, names) for each in part.lines))


def _named_movers(moved: tuple[Mover, ...], names: Names) -> tuple[Mover, ...]:
    return tuple(
        each
        if each.by == "model"
        else msgspec.structs.replace(each, line=_named_line(each.line, names.get(_COLUMNS[each.by], {})))
        for each in moved
    )


def _named_line(line: ReportLine, names: dict[str, str]) -> ReportLine:
    return msgspec.structs.replace(line, name=names.get(line.value, ""))


def _of(row: UsageRow) -> Sums:
    return Sums(
        row.requests,
        row.errors,
        row.input_tokens_total,
        row.output_tokens_total,
        row.amount_nanos,
        row.unpriced_requests,
    )


def _sum(rows: Iterable[UsageRow]) -> Sums:
    return Sums.total(map(_of, rows))
