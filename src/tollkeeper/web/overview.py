"""The first page: what today and this month cost, against the budget, by what, and what needs attention first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
from starlette.responses import Response

from tollkeeper.control.analytics import CallSums, Survey, survey
from tollkeeper.control.budget_status import Branch, BudgetStatus, StandingBudget, permille, read_status
from tollkeeper.control.forecast import forecast_month
from tollkeeper.control.refused_calls import count_limited
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.report import AT_RISK_PERMILLE
from tollkeeper.domain.window import window_at
from tollkeeper.kit.clock import now_us
from tollkeeper.web.answers import page
from tollkeeper.web.breakdowns import Line, lines_of
from tollkeeper.web.budget_requests import waiting_for
from tollkeeper.web.charts import Series, bar_chart
from tollkeeper.web.live import newest_of
from tollkeeper.web.visitor import Visitor

_DAYS = 30
_SHOWN_MAX = 6


class AtRisk(msgspec.Struct, frozen=True):
    """A budget that is nearly, or wholly, used."""

    title: str
    standing: StandingBudget
    permille: int


async def show(visitor: Visitor) -> Response:
    """Answer the overview. What the person may not see is left out."""
    known = await newest_of(visitor)  # before the figures: what comes between is told as new
    organization, at_us = visitor.organization, now_us()
    today = window_at("daily", at_us, organization.timezone)
    month = window_at("monthly", at_us, organization.timezone, organization.fiscal_month_start)
    month_before = window_at("monthly", month.start_us - 1, organization.timezone, organization.fiscal_month_start)
    from_us = visitor.figures.midnight_us(visitor.figures.local(at_us).date() - timedelta(days=_DAYS - 1))
    seen = await visitor.look_if(survey, from_us=from_us, to_us=at_us + 1, filters={}, has_parts=False)
    this_month = await visitor.look_if(survey, from_us=month.start_us, to_us=at_us + 1, filters={})
    elapsed_us = at_us - month.start_us
    same_time_before = await visitor.look_if(
        survey,
        from_us=month_before.start_us,
        to_us=min(month_before.start_us + elapsed_us + 1, month.start_us),
        filters={},
        has_parts=False,
    )
    limited = await visitor.look_if(count_limited, from_us=today.start_us, to_us=at_us + 1)
    forecast = await visitor.look_if(forecast_month, "organization", organization.id)
    status = await _status(visitor)
    return await page(
        visitor,
        "overview.html",
        known=known,
        seen=seen,
        today=_on(seen, today.start_us, visitor),
        month=this_month.total if this_month else None,
        month_before=same_time_before.total if same_time_before else None,
        month_budget=_month_budget(status),
        at_risk=_at_risk(status),
        stopping=_stopping(status),
        limited=limited,
        today_day=visitor.figures.local(today.start_us).date().isoformat(),
        month_day=visitor.figures.local(month.start_us).date().isoformat(),
        waiting=await waiting_for(visitor),
        sees_all_budgets=status is not None and visitor.may_at("quota:read", visitor.whole),
        made=lambda: {
            "chart_data": _chart(visitor, seen) if seen else None,
            "tops": _tops(visitor, this_month) if this_month else [],
        },
        forecast=forecast.forecast if forecast else None,
    )


def _on(seen: Survey | None, start_us: int, visitor: Visitor) -> CallSums | None:
    if seen is None:
        return None
    today = visitor.figures.local(start_us).date().isoformat()
    return next((sums for day, sums in reversed(seen.days) if day == today), CallSums())


def _chart(visitor: Visitor, seen: Survey) -> object:
    figures = visitor.figures
    return bar_chart(
        title=visitor._("Cost per day"),
        labels=[figures.day_of(day) for day, _ in seen.days],
        series=[
            Series(
                visitor._("Cost"),
                [sums.amount_nanos for _, sums in seen.days],
                [figures.usd_text(sums.amount_nanos) for _, sums in seen.days],
            )
        ],
    )


def _tops(visitor: Visitor, seen: Survey) -> list[tuple[str, str, list[Line]]]:
    titles = {
        "model": (visitor._("Top models this month"), "model"),
        "project_id": (visitor._("Top projects this month"), "project"),
        "api_key_id": (visitor._("Top keys this month"), "key"),
        "member_id": (visitor._("Top people this month"), "member"),
    }
    return [
        (title, word, lines_of(visitor, seen, part, most=_SHOWN_MAX))
        for part, (title, word) in titles.items()
        if part in seen.parts
    ]


async def _status(visitor: Visitor) -> BudgetStatus | None:
    """Return how the budgets that the person may see stand; None without any right to, and of more than a page has."""
    if not visitor.may("quota:read:summary"):
        return None
    try:
        return await visitor.look_if(read_status)
    except InvalidRequest:
        return None


def _stopping(status: BudgetStatus | None) -> int:
    """Return how many budgets there are at whose limit calls stop."""
    return sum(
        each.budget.enforcement.hard_limit or each.budget.enforcement.auto_disable_on_exceed
        for branch in _branches(status)
        for each in branch.budgets
    )


def _branches(status: BudgetStatus | None) -> Iterator[Branch]:
    waiting = [status.root] if status and status.root else []
    while waiting:
        branch = waiting.pop()
        waiting += branch.branches
        yield branch


def _month_budget(status: BudgetStatus | None) -> StandingBudget | None:
    """Return the organization's own budget of money per month, for all models."""
    root = status.root if status else None
    if root is None:
        return None
    return next(
        (
            each
            for each in root.budgets
            if each.budget.unit == "usd" and each.budget.period == "monthly" and not each.budget.model
        ),
        None,
    )


def _at_risk(status: BudgetStatus | None) -> list[AtRisk]:
    found: list[AtRisk] = []
    for branch in _branches(status):
        for each in branch.budgets:
            used = permille(each.standing) or 0
            if used >= AT_RISK_PERMILLE or each.standing.is_stopped:
                found.append(AtRisk(branch.name, each, used))
    return sorted(found, key=lambda each: -each.permille)[:_SHOWN_MAX]
