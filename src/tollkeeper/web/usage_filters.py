"""The time range and filters of a usage page as its address says them, so that a link shows the same to whoever may see it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.clock import now_us
from tollkeeper.web.fields import DAYS as DAYS_BETWEEN
from tollkeeper.web.fields import read_day
from tollkeeper.web.figures import Figures
from tollkeeper.web.visitor import Visitor

FILTERS = {
    "model": "model",
    "project": "project_id",
    "team": "team_id",
    "key": "api_key_id",
    "member": "member_id",
    "provider": "provider",
    "operation": "operation",
}
"""The word in the address -> the column of the reports."""
DAYS = 30
DAYS_MAX = 400
_HOURS_DAYS_MAX = 3
_CHART_DAYS_MAX = 123
"""A longer time is drawn by months: bars of single days would be too thin to tell apart."""
_US_PER_HOUR = 3_600_000_000


class Range(msgspec.Struct, frozen=True):
    """Whole local days, `last` included; `before_us` is where as many days before them begin."""

    first: date
    last: date
    from_us: int
    to_us: int
    before_us: int
    interval: Literal["day", "hour"]
    """What a file over time goes by unless it is asked for otherwise; a chart by `chart_interval`."""
    chart_interval: Literal["month", "day", "hour"]

    def begins(self, figures: Figures) -> list[int]:
        """Return when each bucket of a chart begins."""
        if self.chart_interval == "month":
            return [self.from_us, *(figures.midnight_us(each) for each in self._first_days()[1:])]
        if self.chart_interval == "hour":
            return list(range(-(-self.from_us // _US_PER_HOUR) * _US_PER_HOUR, self.to_us, _US_PER_HOUR))
        days = (self.last - self.first).days + 1
        return [figures.midnight_us(self.first + timedelta(days=each)) for each in range(days)]

    def labels(self, figures: Figures) -> list[str]:
        """Return how each bucket of a chart is read."""
        if self.chart_interval == "month":
            return [f"{each:%Y-%m}" for each in self._first_days()]
        if self.chart_interval == "hour":
            hours = [figures.local(at_us) for at_us in self.begins(figures)]
            is_changing = len({each.utcoffset() for each in hours}) > 1  # an hour may come twice
            return [f"{each:%m-%d %H:%M %Z}" if is_changing else f"{each:%m-%d %H:%M}" for each in hours]
        return [figures.day(figures.local(at_us).date()) for at_us in self.begins(figures)]

    def _first_days(self) -> list[date]:
        months = range(self.first.year * 12 + self.first.month - 1, self.last.year * 12 + self.last.month)
        return [date(each // 12, each % 12 + 1, 1) for each in months]


def read_range(visitor: Visitor) -> Range:
    """Read `from` and `to`, days of the organization's timezone; without them the last thirty.

    Raises:
        InvalidRequest: no dates, the wrong way round, or too many days.
    """
    figures = visitor.figures
    today = figures.local(now_us()).date()
    last = read_day(visitor.query["to"], "to") or today
    first = read_day(visitor.query["from"], "from") or last - timedelta(days=DAYS - 1)
    days = (last - first).days + 1
    if not 1 <= days <= DAYS_MAX or first < DAYS_BETWEEN[0]:
        raise InvalidRequest(f"Ask for 1 to {DAYS_MAX} days, the first one first.", param="from")
    return Range(
        first,
        last,
        figures.midnight_us(first),
        figures.midnight_us(last + timedelta(days=1)),
        figures.midnight_us(first - timedelta(days=days)),
        "hour" if days <= _HOURS_DAYS_MAX else "day",
        "hour" if days <= _HOURS_DAYS_MAX else "day" if days <= _CHART_DAYS_MAX else "month",
    )
