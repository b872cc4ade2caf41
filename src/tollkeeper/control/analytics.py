"""Analytics of an organization, a team or a project over a period: totals, by day, the dearest models, projects, keys, members."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.usage_access import DETAILS, FULL, Level, level_at, owner_of, reaches_details, scopes_of
from tollkeeper.control.usage_lines import Names, names_of
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.tenancy import Place, ScopeKind
from tollkeeper.kit.clock import utc
from tollkeeper.store import organizations, places
from tollkeeper.store.report_buckets import US_PER_HOUR, days_of, midnight_us
from tollkeeper.store.usage_breakdowns import CallSums, Part, break_down
from tollkeeper.store.usage_reports import Report, Scope

__all__ = ["CallSums", "Part"]

LINES_MAX = 100
DAYS_MAX, HOURS_MAX = 365, 168
_PERIOD = re.compile(r"([1-9][0-9]{0,2})([dh])")
_PARTS: dict[Level, tuple[Part, ...]] = {
    Level.FULL: ("model", "project_id", "api_key_id", "member_id"),
    Level.AGGREGATE: ("model", "project_id"),
    Level.OWN: ("model", "project_id", "api_key_id"),
}


class Breakdown(msgspec.Struct, frozen=True):
    """The dearest lines by their value, at most `LINES_MAX`, and what all others come to."""

    lines: dict[str, CallSums]
    others: CallSums


class Survey(msgspec.Struct, frozen=True):
    """Calls in [from_us, to_us). A part that the caller may not see is not there; days are local dates."""

    from_us: int
    to_us: int
    timezone: str
    total: CallSums
    parts: dict[Part, Breakdown]
    days: list[tuple[str, CallSums]]
    names: Names


class Analytics(Survey, frozen=True):
    """The calls of a place, as far as the level of the caller lets them be seen."""

    place: Place
    level: Level


async def analyze(action: Action, kind: ScopeKind, place_id: str, *, period: str) -> Analytics:
    """Return what a place's calls of the last days or hours come to, as far as the caller may see them.

    Calls count for the team that their project is in now; archived projects count too.

    Raises:
        NotFound: there is no such place that the caller may know of.
        PermissionDenied: the caller may see nothing of its calls.
        InvalidRequest: no period such as 30d.
    """
    place = await find_place(action, kind, place_id)
    level = level_at(action, place)
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its callers are gone with it"
    from_us, to_us = period_of(period, action.now_us, organization.timezone)
    report = Report(
        from_us,
        to_us,
        timezone=organization.timezone,
        filters={} if place.kind == "organization" else {f"{place.kind}_id": (place.id,)},
        within=(Scope(None, owner_of(action.caller.principal)),) if level is Level.OWN else None,
    )
    found = await _read(action, report, _PARTS[level])
    return Analytics(**msgspec.structs.asdict(found), place=place, level=level)


async def survey(
    action: Action, *, from_us: int, to_us: int, filters: dict[str, tuple[str, ...]], has_parts: bool = True
) -> Survey:
    """Return what all calls come to that the caller may see anywhere; keys and people only for who sees them told apart.

    Raises:
        PermissionDenied: the caller may see no calls.
        InvalidRequest: a time range that makes no sense, or filters that are not known.
    """
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its callers are gone with it"
    is_detailed = reaches_details(action.caller.principal)
    if not is_detailed and not DETAILS.isdisjoint(filters):
        action.require(FULL, action.organization)
    within = scopes_of(action.caller.principal, is_detailed=is_detailed)
    report = Report(from_us, to_us, timezone=organization.timezone, filters=filters, within=within)
    level = Level.FULL if is_detailed else Level.AGGREGATE
    return await _read(action, report, _PARTS[level] if has_parts else ())


def period_of(text: str, now_us: int, timezone: str) -> tuple[int, int]:
    """Return [from, to) of the last days, today included, or hours, this one included.

    Raises:
        InvalidRequest: no period such as 30d or 24h, or too long a one.
    """
    match = _PERIOD.fullmatch(text)
    count = int(match.group(1)) if match else 0
    is_hours = match is not None and match.group(2) == "h"
    if match is None or count > (HOURS_MAX if is_hours else DAYS_MAX):
        message = f"A period is a number of days from 1d to {DAYS_MAX}d, or of hours from 1h to {HOURS_MAX}h."
        raise InvalidRequest(message, param="period")
    to_us = now_us + 1  # a call of this very moment is in
    if is_hours:
        return (now_us // US_PER_HOUR - count + 1) * US_PER_HOUR, to_us
    zone = ZoneInfo(timezone)
    today = utc(now_us).astimezone(zone).date()
    return midnight_us(today - timedelta(days=count - 1), zone), to_us


async def _read(action: Action, report: Report, parts: tuple[Part, ...]) -> Survey:
    found = await break_down(action.connection, action.organization_id, report, parts=parts, limit=LINES_MAX)
    total = CallSums.total(found.hours.values())
    zone = ZoneInfo(report.timezone)
    return Survey(
        report.from_us,
        report.to_us,
        report.timezone,
        total,
        {part: Breakdown(lines, total.less(lines.values())) for part, lines in found.parts.items()},
        [
            (
                utc(day.from_us).astimezone(zone).date().isoformat(),
                CallSums.total(
                    sums for hour in range(day.from_hour, day.to_hour) if (sums := found.hours.get(hour)) is not None
                ),
            )
            for day in days_of(report.from_us, report.to_us, report.timezone)
        ],
        await names_of(
            action.connection,
            action.organization_id,
            [{part: value} for part, lines in found.parts.items() for value in lines],
        ),
    )


async def find_place(action: Action, kind: ScopeKind, place_id: str) -> Place:
    """Return a place of the organization by its kind and id, archived ones too; what may be seen of it is not asked yet.

    Raises:
        NotFound: there is none.
    """
    found: Place | None = None
    if kind == "team":
        found = await places.place_of_team(action.connection, action.organization_id, place_id)
    elif kind == "project":
        found = await places.place_of_project(action.connection, action.organization_id, place_id)
    elif place_id == action.organization_id:
        found = action.organization
    if found is None:
        raise NotFound(f"There is no {kind} '{place_id}'.")
    return found
