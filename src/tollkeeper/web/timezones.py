"""The time zones that a form offers: every one that the tz database knows by a place."""

from __future__ import annotations

from zoneinfo import available_timezones

_REGIONS = (
    "Africa/",
    "America/",
    "Antarctica/",
    "Arctic/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)
TIMEZONES: tuple[str, ...] = ("UTC", *sorted(each for each in available_timezones() if each.startswith(_REGIONS)))
