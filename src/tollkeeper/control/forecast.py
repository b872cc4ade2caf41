"""What the running month of an organization, a team or a project will come to, as far as the caller may see its calls."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.analytics import find_place
from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.control.display_currency import describe_amount
from tollkeeper.control.usage_access import Level, level_at, owner_of
from tollkeeper.domain import forecast
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.forecast import DAYS_MAX, Forecast, MonthSoFar
from tollkeeper.domain.money import NANOS_PER_USD, known_amount
from tollkeeper.domain.tenancy import Language, Organization, Place, ScopeKind
from tollkeeper.domain.window import Window, window_at
from tollkeeper.kit.clock import utc
from tollkeeper.store import organizations, usage_reports
from tollkeeper.store.usage_reports import Report, Scope, UsageRow


class MonthForecast(msgspec.Struct, frozen=True):
    """A month's window, what is used of it, and its forecast. Unpriced calls have no amount: none of the sums has them."""

    place: Place
    level: Level
    window: Window
    at_us: int
    timezone: str
    used_nanos: int | None
    requests: int
    unpriced_requests: int
    forecast: Forecast
    days: list[tuple[str, int | None]]
    currency: DisplayCurrency | None
    language: Language


async def forecast_month(action: Action, kind: ScopeKind, place_id: str) -> MonthForecast:
    """Return what a place's month comes to, by the organization's calendar: its timezone and the day its months begin.

    Raises:
        NotFound: there is no such place that the caller may know of.
        PermissionDenied: the caller may see nothing of its calls.
    """
    place = await find_place(action, kind, place_id)
    level = level_at(action, place)
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its callers are gone with it"
    at_us, zone = action.now_us, organization.timezone
    window = window_at("monthly", at_us, zone, organization.fiscal_month_start)
    today = window_at("daily", at_us, zone)
    rows = await _read_days(action, place, level, organization, min(window.start_us, _look_back(today)))
    month = [row for row in rows if row.from_us >= window.start_us]
    used = sum(row.amount_nanos for row in month)
    unpriced = sum(row.unpriced_requests for row in month)
    return MonthForecast(
        place,
        level,
        window,
        at_us,
        zone,
        known_amount(used, unpriced=unpriced),
        sum(row.requests for row in month),
        unpriced,
        forecast.forecast_month(_month_so_far(rows, used, window, today, zone=zone, at_us=at_us)),
        [
            (_date(row.from_us, zone).isoformat(), known_amount(row.amount_nanos, unpriced=row.unpriced_requests))
            for row in month
        ],
        organization.display_currency,
        organization.language,
    )


def describe_forecast(found: MonthForecast) -> dict[str, Any]:
    """Return a forecast as the API and the command line show it; amounts are exact dollars."""
    told = found.forecast
    amounts = {"low": told.low_nanos, "likely": told.likely_nanos, "high": told.high_nanos}
    shown = {
        name: describe_amount(nanos, found.currency, found.language)
        for name, nanos in {"cost": found.used_nanos, **amounts}.items()
    }
    return {
        "object": "forecast",
        "scope": found.place.kind,
        "scope_id": found.place.id,
        "covers": found.level.value,
        "from": show_time(found.window.start_us),
        "to": None if found.window.end_us is None else show_time(found.window.end_us),
        "at": show_time(found.at_us),
        "timezone": found.timezone,
        "cost_usd": _usd(found.used_nanos),
        "requests": found.requests,
        "unpriced_requests": found.unpriced_requests,
        "basis": told.basis.value,
        "days_known": told.days_known,
        "is_trend_clear": told.is_trend_clear,
        **{f"{name}_usd": _usd(nanos) for name, nanos in amounts.items()},
        "display": shown if found.currency is not None else None,
        "daily": [{"date": day, "cost_usd": _usd(nanos)} for day, nanos in found.days],
    }


def _month_so_far(
    rows: list[UsageRow], used: int, window: Window, today: Window, *, zone: str, at_us: int
) -> MonthSoFar:
    assert window.end_us is not None, "months and days end"
    assert today.end_us is not None, "months and days end"
    by_date = {_date(row.from_us, zone): row.amount_nanos for row in rows}
    this_day = _date(today.start_us, zone)
    history = [by_date.get(this_day - timedelta(days=back), 0) for back in range(DAYS_MAX, 0, -1)]
    return MonthSoFar(
        used_nanos=used,
        history=history,
        left_us=today.end_us - at_us,
        length_us=today.end_us - today.start_us,
        days_after=(_date(window.end_us, zone) - this_day).days - 1,
    )


async def _read_days(
    action: Action, place: Place, level: Level, organization: Organization, from_us: int
) -> list[UsageRow]:
    report = Report(
        from_us,
        action.now_us + 1,
        bucket="day",
        timezone=organization.timezone,
        filters={} if place.kind == "organization" else {f"{place.kind}_id": (place.id,)},
        within=(Scope(None, owner_of(action.caller.principal)),) if level is Level.OWN else None,
    )
    return await usage_reports.report_calls(action.connection, action.organization_id, report)


def _look_back(today: Window) -> int:
    """Return when the first day of the history begins, or a little before."""
    return today.start_us - (DAYS_MAX + 1) * 86_400_000_000


def _date(at_us: int, zone: str) -> date:
    return utc(at_us).astimezone(ZoneInfo(zone)).date()


def _usd(nanos: int | None) -> Decimal | None:
    return None if nanos is None else (Decimal(nanos) / NANOS_PER_USD).normalize() + 0
