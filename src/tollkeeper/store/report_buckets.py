"""How a time range becomes the UTC hours of the rollups, and the days of a timezone.

A rollup row covers a whole UTC hour and cannot be split: an hour belongs to the range, and to the local day, in which
it begins. In timezones a whole number of hours from UTC that is exact. In the others (Asia/Kolkata, +05:30) a reported
day runs from the first full UTC hour after local midnight to the next day's, half an hour late (Asia/Kathmandu: 15
minutes); no call is missing or counted twice.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.clock import utc

if TYPE_CHECKING:
    from collections.abc import Callable

US_PER_HOUR = 3_600_000_000
DAYS_MAX = 3660


class Day(NamedTuple):
    """A local day or month, or the part of it that is in the range; hours and times are [from, to)."""

    from_hour: int
    to_hour: int
    from_us: int
    to_us: int


def hours_of(from_us: int, to_us: int) -> tuple[int, int]:
    """Return the UTC hours [from, to) that begin within [from_us, to_us).

    Raises:
        InvalidRequest: the range is empty or reversed.
    """
    if to_us <= from_us:
        raise InvalidRequest("The end of the time range must be after its start.", param="to")
    return _ceil_hour(from_us), _ceil_hour(to_us)


def days_of(from_us: int, to_us: int, timezone: str) -> list[Day]:
    """Return the days of a timezone that [from_us, to_us) touches, the first and the last cut to the range.

    Raises:
        InvalidRequest: no such timezone, more than `DAYS_MAX` days, or an empty range.
    """
    return _split(from_us, to_us, timezone, lambda day: day + timedelta(days=1))


def months_of(from_us: int, to_us: int, timezone: str) -> list[Day]:
    """Return the calendar's months of a timezone that [from_us, to_us) touches, the first and the last cut to the range.

    Raises:
        InvalidRequest: as `days_of` does.
    """
    return _split(from_us, to_us, timezone, lambda day: (day.replace(day=1) + timedelta(days=31)).replace(day=1))


def _split(from_us: int, to_us: int, timezone: str, next_of: Callable[[date], date]) -> list[Day]:
    hours_of(from_us, to_us)
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        message = f"There is no timezone '{timezone}'; use an IANA name such as Asia/Seoul."
        raise InvalidRequest(message, param="timezone") from error
    if to_us - from_us > DAYS_MAX * 24 * US_PER_HOUR:
        raise InvalidRequest(f"A report by day covers at most {DAYS_MAX} days.", param="from")
    day = utc(from_us).astimezone(zone).date()
    days: list[Day] = []
    start_us = from_us
    while start_us < to_us:
        day = next_of(day)
        end_us = min(midnight_us(day, zone), to_us)
        days.append(Day(_ceil_hour(start_us), _ceil_hour(end_us), start_us, end_us))
        start_us = end_us
    return days


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins; a midnight that a clock change skips falls on the change itself."""
    at = datetime(day.year, day.month, day.day, tzinfo=zone)  # fold 0 takes the offset before the change
    return int(at.timestamp()) * 1_000_000


def _ceil_hour(at_us: int) -> int:
    return -(-at_us // US_PER_HOUR)
