"""What a month will come to: from its days so far and the last eight weeks, as a lowest, likely and highest amount.

The rest of the month is reckoned in several ways: as the last four weeks were on average, as the last week was, as such
weekdays usually are (medians, which a burst does not move), and growing on as the weeks before. The likely amount is the
average, or the growth where it is clear (Mann and Kendall's test: https://doi.org/10.2307/1907187, 2026-11-23); the range
spans all ways, and beyond them what days scatter. Whole numbers throughout: `docs/how-to/forecast.md` says it in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import combinations
from math import isqrt

import msgspec

WEEK = 7
WEEKS_MAX = 8
DAYS_MAX = WEEKS_MAX * WEEK
_WEEKS_AVERAGED = 4
_SCATTER = (5, 3)
"""How many standard deviations the range goes beyond the ways: nine in ten of a normal distribution lie within 5/3."""
_ONE = 10**12
"""1 in fixed point."""
_GROWTH_MAX = 2
"""Over as many weeks as are compared, no more than doubling or halving goes on."""
_CLEAR = {6: 11, 7: 13, 8: 16}
"""By weeks, from which sum of signs on a trend is clear: by chance 3 in 100 series have it (two-sided)."""
_HINTED = {4: 6, 5: 8, 6: 6, 7: 7, 8: 8}
"""From which on it is one of the ways."""
_TREND_VARIANCE = 5
"""How much less certain growth on is than a mean: it is the recent weeks, squared, over those before them (2² + 1²)."""
_PER_WEEK_UNKNOWN = 20
"""For each week of eight that is not known, a 20th of what is to come is added to the range."""


class Basis(StrEnum):
    """How much a forecast rests on."""

    TOO_EARLY = "too_early"  # fewer than seven whole days: nothing is said
    FEW_WEEKS = "few_weeks"  # fewer than four weeks
    WEEKS = "weeks"


class MonthSoFar(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a month. `history` are the whole days up to yesterday, oldest first, in nano-USD.

    Of today `left_us` of `length_us` are still to come, and `days_after` days of the month after it.
    """

    used_nanos: int
    history: Sequence[int]
    left_us: int
    length_us: int
    days_after: int


class Forecast(msgspec.Struct, frozen=True):
    """What the whole month comes to, in nano-USD; the amounts are None while it is too early to say."""

    basis: Basis
    days_known: int
    low_nanos: int | None = None
    likely_nanos: int | None = None
    high_nanos: int | None = None
    is_trend_clear: bool = False


class _Rest(msgspec.Struct, frozen=True):
    """The days to come. `weights` say how a week's total falls on its days, from today's weekday on."""

    weights: Sequence[int]
    month: MonthSoFar

    def sum(self, level: Callable[[int], int]) -> int:
        """Return what the days come to when the week that is `number` weeks ahead comes to `level(number)`."""
        total = 0
        for ahead in range(self.month.days_after + 1):
            part = self.month.length_us if ahead else self.month.left_us
            total += level(ahead // WEEK + 1) * self.weights[ahead % WEEK] * part
        return total // (sum(self.weights) * self.month.length_us)

    def scatter(self, weeks: Sequence[Sequence[int]], level: Callable[[int], int], *, days_behind: int) -> int:
        """Return how far the days' sum may be off, by how far days of the past were off what their week's level says.

        `days_behind` say how well the level is known: as a mean of so many days.
        """
        whole, count = sum(self.weights), len(weeks) * WEEK
        squares = 0
        for number, week in enumerate(weeks, start=1 - len(weeks)):
            squares += sum(
                (amount - level(number) * weight // whole) ** 2
                for amount, weight in zip(week, self.weights, strict=True)
            )
        length_us = self.month.length_us
        left = self.month.days_after * length_us + self.month.left_us
        variance = squares * left * (length_us * days_behind + left)  # each day by itself, and the level of them all
        numerator, denominator = _SCATTER
        return isqrt(numerator**2 * variance // (denominator**2 * (count - 1) * length_us**2 * days_behind))


class _Trend(msgspec.Struct, frozen=True):
    """Growth from week to week by one factor. `root` is half a week's, in fixed point."""

    recent: int  # what the compared weeks came to
    span: int  # how many they are: 2 or 4
    root: int

    @classmethod
    def of(cls, totals: Sequence[int]) -> _Trend | None:
        """Compare the last weeks with as many before them; None when there is nothing to compare."""
        span = _WEEKS_AVERAGED if len(totals) == WEEKS_MAX else 2
        recent, before = sum(totals[-span:]), sum(totals[-2 * span : -span])
        if len(totals) < 2 * span or not recent or not before:
            return None
        factor = min(max(recent * _ONE // before, _ONE // _GROWTH_MAX), _ONE * _GROWTH_MAX)
        for _ in range(span.bit_length()):  # over the span, over half of it, …, over half a week
            factor = isqrt(factor * _ONE)
        return cls(recent, span, factor)

    def level(self, number: int) -> int:
        """Return what a week comes to; the last one is number 0."""
        steps = 2 * number + self.span - 1  # from the middle of the compared weeks, in half weeks: an odd number
        factor: int = self.root ** abs(steps) // _ONE ** (abs(steps) - 1)
        return self.recent * (factor if steps > 0 else _ONE * _ONE // factor) // (_ONE * self.span)


def forecast_month(month: MonthSoFar) -> Forecast:
    """Reckon what a month will come to."""
    days = _since_first_use(month.history)
    weeks = [days[at : at + WEEK] for at in range(len(days) % WEEK, len(days), WEEK)]
    if not weeks:
        return Forecast(Basis.TOO_EARLY, len(days))
    totals, rest = [sum(week) for week in weeks], _Rest(_weights(weeks), month)
    last = totals[-_WEEKS_AVERAGED:]
    levels = [_steady(sum(last) // len(last)), _steady(totals[-1])]
    signs, is_clear, days_behind = _signs(totals), False, len(last) * WEEK
    trend = _Trend.of(totals) if signs >= _HINTED.get(len(totals), signs + 1) else None
    if trend is not None:
        levels.append(trend.level)
        is_clear = signs >= _CLEAR.get(len(totals), signs + 1)
    if not is_clear:  # else it is the middle of what is over
        levels.append(_steady(sum(_median(each) for each in zip(*weeks, strict=True))))
    ways, chosen = [rest.sum(level) for level in levels], 2 if is_clear else 0
    likely = ways[chosen]
    days_behind = days_behind // _TREND_VARIANCE if is_clear else days_behind
    margin = rest.scatter(weeks, levels[chosen], days_behind=days_behind) + _unknown(likely, len(weeks))
    used = month.used_nanos
    return Forecast(
        Basis.WEEKS if len(weeks) >= _WEEKS_AVERAGED else Basis.FEW_WEEKS,
        len(days),
        used + max(min(ways) - margin, 0),
        used + likely,
        used + max(ways) + margin,
        is_clear,
    )


def _unknown(amount: int, weeks: int) -> int:
    """Return by how much the range is wider because fewer than eight weeks are known."""
    return amount * (WEEKS_MAX - weeks) // _PER_WEEK_UNKNOWN


def _since_first_use(history: Sequence[int]) -> Sequence[int]:
    """Return the last days, without those before anything was used: they say nothing."""
    days = history[-DAYS_MAX:]
    first = next((at for at, amount in enumerate(days) if amount), len(days))
    return days[first:]


def _steady(level: int) -> Callable[[int], int]:
    return lambda _number: level


def _weights(weeks: Sequence[Sequence[int]]) -> Sequence[int]:
    """Return how much falls on each day of a week; evenly while a single week is known."""
    if len(weeks) > 1:
        for weights in (
            [_median(each) for each in zip(*weeks, strict=True)],
            [sum(each) for each in zip(*weeks, strict=True)],
        ):
            if sum(weights):
                return weights
    return [1] * WEEK


def _median(amounts: Sequence[int]) -> int:
    ordered, middle = sorted(amounts), len(amounts) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def _signs(totals: Sequence[int]) -> int:
    """Return by how many more pairs of weeks went one way than the other."""
    return abs(sum((later > earlier) - (later < earlier) for earlier, later in combinations(totals, 2)))
