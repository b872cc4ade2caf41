"""When reports are due: an organization's settings, the weeks and months that they cover, and the moment that each is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.domain.window import Window, previous, window_at

ReportKind = Literal["weekly", "monthly"]
REPORT_KINDS: tuple[ReportKind, ...] = ("weekly", "monthly")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
RECIPIENTS_MAX = 100
LATE_MAX_US = 6 * 86_400_000_000
"""How late a report is still sent: less than a week, so that there is one of each kind at most."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class ReportSettings(msgspec.Struct, frozen=True):
    """What an organization wants; a kind is on since a moment, or off (None).

    The week's report is sent on the weekday after it (0 is Monday), the month's on the day after it, both at the hour.
    `recipients` are members' ids; without any everybody who may read reports gets them.
    """

    weekly_since_us: int | None
    monthly_since_us: int | None
    weekday: int = 0
    hour: int = 9
    recipients: tuple[str, ...] = ()

    def since_us(self, kind: ReportKind) -> int | None:
        return self.weekly_since_us if kind == "weekly" else self.monthly_since_us


class Calendar(msgspec.Struct, frozen=True):
    """What decides where an organization's weeks and months begin."""

    timezone: str
    fiscal_month_start: int = 1


class ReportPeriod(msgspec.Struct, frozen=True):
    """A week or a fiscal month, [from_us, to_us), and where the one before it begins. Days are local, both included."""

    kind: ReportKind
    first_day: date
    last_day: date
    from_us: int
    to_us: int
    before_from_us: int


def default_settings(*, created_at_us: int, sends_email: bool) -> ReportSettings:
    """Return what holds for an organization that has set nothing: both kinds, where there is a mail server."""
    since_us = created_at_us if sends_email else None
    return ReportSettings(since_us, since_us)


def last_closed(kind: ReportKind, now_us: int, calendar: Calendar) -> ReportPeriod:
    """Return the last week or month that is over."""
    return _period(kind, _before(kind, _window_at(kind, now_us, calendar), calendar), calendar)


def period_with(kind: ReportKind, day: date, calendar: Calendar) -> ReportPeriod:
    """Return the week or month that a day lies in, over or not."""
    noon_us = _us_of(datetime.combine(day, time(12), tzinfo=ZoneInfo(calendar.timezone)))
    return _period(kind, _window_at(kind, noon_us, calendar), calendar)


def due_at_us(period: ReportPeriod, settings: ReportSettings, calendar: Calendar) -> int:
    """Return when a period's report is to be sent: at the hour by the clocks there, later where clocks skip that hour."""
    day = period.last_day + timedelta(days=1 + (settings.weekday if period.kind == "weekly" else 0))
    return _us_of(datetime.combine(day, time(settings.hour), tzinfo=ZoneInfo(calendar.timezone)))


def due_period(kind: ReportKind, now_us: int, settings: ReportSettings, calendar: Calendar) -> ReportPeriod | None:
    """Return the period whose report is to have been sent by now: since the kind is on, and not too long ago."""
    since_us = settings.since_us(kind)
    if since_us is None:
        return None
    earliest_us = max(since_us, now_us - LATE_MAX_US)
    window = _before(kind, _window_at(kind, now_us, calendar), calendar)
    for each in (window, _before(kind, window, calendar)):  # sent on a Sunday, a week's report is due in the next one
        period = _period(kind, each, calendar)
        if earliest_us <= due_at_us(period, settings, calendar) <= now_us:
            return period
    return None


def next_due_us(kind: ReportKind, now_us: int, settings: ReportSettings, calendar: Calendar) -> int:
    """Return when the next report of a kind is due after now: of a period that is over, or of the one that is now."""
    window = _window_at(kind, now_us, calendar)
    due = (
        due_at_us(_period(kind, each, calendar), settings, calendar)
        for each in (_before(kind, window, calendar), window)
    )
    return next(each for each in due if each > now_us)


def _window_at(kind: ReportKind, at_us: int, calendar: Calendar) -> Window:
    return window_at(kind, at_us, calendar.timezone, calendar.fiscal_month_start)


def _before(kind: ReportKind, window: Window, calendar: Calendar) -> Window:
    found = previous(window, kind, calendar.timezone, calendar.fiscal_month_start)
    assert found is not None, "weeks and months have others before them"
    return found


def _period(kind: ReportKind, window: Window, calendar: Calendar) -> ReportPeriod:
    assert window.end_us is not None, "weeks and months end"
    zone = ZoneInfo(calendar.timezone)
    return ReportPeriod(
        kind,
        _local(window.start_us, zone).date(),
        _local(window.end_us - 1, zone).date(),
        window.start_us,
        window.end_us,
        _before(kind, window, calendar).start_us,
    )


def _local(at_us: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + at_us * _US).astimezone(zone)


def _us_of(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // _US
