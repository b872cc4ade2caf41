"""OpenAI's time buckets: which ones a page shows, how a page becomes JSON, and the cursor to the next one.

Buckets are aligned to whole hours or days; the first one holds `start_time`, empty ones are listed. Days are UTC days
as OpenAI's are, unless a timezone is asked for. Shape: openai Python package 3.51, types/admin/organization
(read 2026-11-21): {"object":"page","data":[{"object":"bucket","start_time","end_time","results":[…]}],"has_more",
"next_page"}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.timezone import zone_of
from tollkeeper.kit.clock import TIME_US_MAX, now_us, utc

Width = Literal["hour", "day"]
TIME_S_MAX = TIME_US_MAX // 1_000_000
_S_PER_HOUR = 3600
_CURSOR = "page_"


class Row(Protocol):
    """Something that belongs to a bucket by its time."""

    @property
    def from_us(self) -> int: ...


R = TypeVar("R", bound=Row)


class Page(NamedTuple):
    """The starts of the buckets shown and, as its last number, the end of the last one: Unix seconds."""

    bounds: list[int]
    next_start: int | None

    @property
    def from_us(self) -> int:
        return self.bounds[0] * 1_000_000

    @property
    def to_us(self) -> int:
        return self.bounds[-1] * 1_000_000


def page_of(
    *, start_time: int, end_time: int | None, width: Width, timezone: str, limit: int, cursor: str | None
) -> Page:
    """Return the buckets of one page; `bounds` is empty when nothing lies in the range.

    Raises:
        InvalidRequest: no such timezone, an end before the start, or a cursor that was not given out.
    """
    zone = zone_of(timezone)
    if end_time is not None and end_time <= start_time:
        raise InvalidRequest("'end_time' must be after 'start_time'.", param="end_time")
    end = end_time if end_time is not None else now_us() // 1_000_000 + 1
    start = _floor(start_time, width, zone)
    if cursor is not None:
        start = _resume(cursor, start, width, zone)
    bounds: list[int] = []
    while start < end and len(bounds) < limit:
        bounds.append(start)
        start = _next(start, width, zone)
    if not bounds:
        return Page([], None)
    return Page([*bounds, start], start if start < end else None)


def render(page: Page, rows: Iterable[R], results: Callable[[list[R]], list[dict[str, Any]]]) -> bytes:
    """Put the rows into the page's buckets and return its JSON."""
    buckets: dict[int, list[R]] = {start: [] for start in page.bounds[:-1]}
    for row in rows:
        buckets[row.from_us // 1_000_000].append(row)
    body = {
        "object": "page",
        "data": [
            {"object": "bucket", "start_time": start, "end_time": end, "results": results(buckets[start])}
            for start, end in zip(page.bounds, page.bounds[1:], strict=False)
        ],
        "has_more": page.next_start is not None,
        "next_page": None if page.next_start is None else f"{_CURSOR}{page.next_start}",
    }
    return msgspec.json.encode(body)


def exact_usd(amount_nanos: int) -> msgspec.Raw:
    """Return an amount as a JSON number of dollars with all its digits; a float would lose some."""
    return msgspec.Raw(format_usd(amount_nanos).encode())


def _floor(at_s: int, width: Width, zone: ZoneInfo) -> int:
    if width == "hour":
        return at_s - at_s % _S_PER_HOUR
    return _midnight(utc(at_s * 1_000_000).astimezone(zone), zone, days=0)


def _next(start: int, width: Width, zone: ZoneInfo) -> int:
    if width == "hour":
        return start + _S_PER_HOUR
    return _midnight(utc(start * 1_000_000).astimezone(zone), zone, days=1)


def _midnight(at: datetime, zone: ZoneInfo, *, days: int) -> int:
    date = at.date() + timedelta(days=days)
    # a day has 23 or 25 hours when the clocks change, so days are counted on the calendar
    return int(datetime(date.year, date.month, date.day, tzinfo=zone).timestamp())


def _resume(cursor: str, first: int, width: Width, zone: ZoneInfo) -> int:
    digits = cursor.removeprefix(_CURSOR)
    if cursor.startswith(_CURSOR) and digits.isascii() and digits.isdecimal() and len(digits) <= 10:
        start = int(digits)
        if first <= start <= TIME_S_MAX and _floor(start, width, zone) == start:
            return start
    raise InvalidRequest("Invalid 'page': use 'next_page' of the page before, with the same query.", param="page")
