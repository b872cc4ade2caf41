"""The windows of a budget's period: when a day, week or month begins and ends in an organization's timezone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.domain.budget import Period

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class Window(msgspec.Struct, frozen=True):
    """From `start_us` (belongs to it) to `end_us` (does not); microseconds since 1970 UTC. None is without an end."""

    start_us: int
    end_us: int | None

    def contains(self, at_us: int) -> bool:
        return self.start_us <= at_us and (self.end_us is None or at_us < self.end_us)


FOREVER = Window(0, None)
"""The one window of the period `total`."""
_LATEST_MAX = 4096
# The last window of each calendar: most instants that are asked about are now.
_latest: dict[tuple[Period, str, int], Window] = {}


def window_at(period: Period, at_us: int, timezone: str, fiscal_month_start: int = 1) -> Window:
    """Return the window that an instant lies in.

    Days begin at local midnight, weeks on Monday, months on the day `fiscal_month_start` (1 to 28). A day on which the
    clocks change has 23 or 25 hours; where midnight is skipped, the day begins with the first instant after it.

    Raises:
        ZoneInfoNotFoundError: there is no timezone of this name.
    """
    assert 1 <= fiscal_month_start <= 28
    if period == "total":
        return FOREVER
    calendar = period, timezone, fiscal_month_start
    window = _latest.get(calendar)
    if window is None or not window.contains(at_us):
        window = _find_window(period, at_us, ZoneInfo(timezone), fiscal_month_start)
        if len(_latest) >= _LATEST_MAX:
            _latest.clear()
        _latest[calendar] = window
    return window


def _find_window(period: Period, at_us: int, zone: ZoneInfo, fiscal_month_start: int) -> Window:
    local = (_EPOCH + at_us * _US).astimezone(zone).date()
    first = _first_day(period, local, fiscal_month_start)
    # Where clocks go back over midnight a local date can come twice: the window is then one off, never more.
    if at_us >= begin_of_day_us(_next_first_day(period, first), zone):
        first = _next_first_day(period, first)
    elif at_us < begin_of_day_us(first, zone):
        first = _first_day(period, first - timedelta(days=1), fiscal_month_start)
    window = Window(begin_of_day_us(first, zone), begin_of_day_us(_next_first_day(period, first), zone))
    assert window.contains(at_us)
    return window


def previous(window: Window, period: Period, timezone: str, fiscal_month_start: int = 1) -> Window | None:
    """Return the window that ends where this one begins; None when the period has but one."""
    if period == "total":
        return None
    return window_at(period, window.start_us - 1, timezone, fiscal_month_start)


def _first_day(period: Period, day: date, fiscal_month_start: int) -> date:
    """Return the first day of the period that a day lies in."""
    if period == "daily":
        return day
    if period == "weekly":
        return day - timedelta(days=day.weekday())
    if day.day >= fiscal_month_start:
        return day.replace(day=fiscal_month_start)
    return (day.replace(day=1) - timedelta(days=1)).replace(day=fiscal_month_start)


def _next_first_day(period: Period, first: date) -> date:
    if period == "daily":
        return first + timedelta(days=1)
    if period == "weekly":
        return first + timedelta(days=7)
    return (first.replace(day=1) + timedelta(days=32)).replace(day=first.day)


def begin_of_day_us(day: date, zone: ZoneInfo) -> int:
    """Return when a local day begins, in microseconds since 1970 UTC: at its first midnight, or right after the gap that midnight fell into."""
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    begins_us = _us_of(midnight)
    if (_EPOCH + begins_us * _US).astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return begins_us
    # In a gap the two readings lie on both sides of it (or the later one on its end): find where the clocks change.
    before_s, after_s = _us_of(midnight.replace(fold=1)) // 1_000_000, begins_us // 1_000_000
    offset_after = (_EPOCH + timedelta(seconds=after_s)).astimezone(zone).utcoffset()
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if (_EPOCH + timedelta(seconds=middle_s)).astimezone(zone).utcoffset() == offset_after:
            after_s = middle_s
        else:
            before_s = middle_s
    return after_s * 1_000_000


def _us_of(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // _US
