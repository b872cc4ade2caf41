"""Days of usage made at random in the ways that usage goes, and how often a forecast's range holds what then came."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tollkeeper.domain.forecast import Basis, MonthSoFar, forecast_month

USD = 10**9
MONTH = 30
HISTORY = 56
DAY_US = 86_400_000_000
_WEEKDAYS = (100, 110, 105, 108, 95, 25, 20)  # in per cent
Series = Callable[[random.Random, int], list[int]]


def _noisy(dice: random.Random, amount: int, per_cent: int) -> int:
    return amount * dice.randrange(100 - per_cent, 100 + per_cent + 1) // 100


def steady(dice: random.Random, days: int) -> list[int]:
    return [_noisy(dice, 100 * USD, 30) for _ in range(days)]


def weekdays(dice: random.Random, days: int) -> list[int]:
    first = dice.randrange(7)
    return [_noisy(dice, _WEEKDAYS[(first + day) % 7] * USD, 25) for day in range(days)]


def growth(dice: random.Random, days: int) -> list[int]:
    """Between 3 and 12 per cent more each week, with a weekday pattern."""
    first, permille, level = dice.randrange(7), dice.randrange(1004, 1017), 100 * USD
    found = []
    for day in range(days):
        found.append(_noisy(dice, level * _WEEKDAYS[(first + day) % 7] // 100, 20))
        level = level * permille // 1000
    return found


def decline(dice: random.Random, days: int) -> list[int]:
    permille, level = dice.randrange(985, 996), 100 * USD
    found = []
    for _ in range(days):
        found.append(_noisy(dice, level, 20))
        level = level * permille // 1000
    return found


def bursts(dice: random.Random, days: int) -> list[int]:
    """One day in twelve comes to five to twelve times as much."""
    return [_noisy(dice, 50 * USD, 30) * (dice.randrange(5, 13) if dice.randrange(12) == 0 else 1) for _ in range(days)]


def rare_bursts(dice: random.Random, days: int) -> list[int]:
    """One day in forty comes to eight times as much."""
    return [_noisy(dice, 50 * USD, 30) * (8 if dice.randrange(40) == 0 else 1) for _ in range(days)]


def new_level(dice: random.Random, days: int) -> list[int]:
    """At some day of the first seven weeks usage doubles or halves, and stays so: what comes later nobody can know."""
    at, twice = dice.randrange(HISTORY - 7), dice.random() < 0.5
    return [_noisy(dice, (100 if day < at else 200 if twice else 50) * USD, 25) for day in range(days)]


def seldom(dice: random.Random, days: int) -> list[int]:
    """Nothing on two days of three."""
    return [_noisy(dice, 100 * USD, 50) if dice.randrange(3) == 0 else 0 for _ in range(days)]


KINDS: dict[str, Series] = {
    each.__name__: each for each in (steady, weekdays, growth, decline, bursts, rare_bursts, new_level, seldom)
}


@dataclass(frozen=True)
class Held:
    """Of so many forecasts, how many ranges held the outcome; the median width and error in per cent of the outcome."""

    forecasts: int
    held: int
    width_per_cent: int
    error_per_cent: int

    @property
    def permille(self) -> int:
        return self.held * 1000 // self.forecasts


def backtest(make: Series, *, series: int, known_days: int = HISTORY, seed: int = 1) -> Held:
    """Forecast months at four of their days, at some moment of the day, with so many days known in all."""
    held, widths, errors = 0, [], []
    for number in range(series):
        for so_far in (2, 8, 15, 23):
            dice = random.Random(f"{make.__name__} {seed} {number} {so_far}")
            known = max(known_days, so_far)
            days = make(dice, known + MONTH - so_far)
            elapsed_us = dice.randrange(DAY_US)
            month_so_far = days[known - so_far : known]
            today_so_far = days[known] * elapsed_us // DAY_US
            told = forecast_month(
                MonthSoFar(
                    used_nanos=sum(month_so_far) + today_so_far,
                    history=days[:known],
                    left_us=DAY_US - elapsed_us,
                    length_us=DAY_US,
                    days_after=MONTH - so_far - 1,
                )
            )
            outcome = sum(days[known - so_far :])
            if told.basis is Basis.TOO_EARLY:
                continue
            assert told.low_nanos is not None
            assert told.likely_nanos is not None
            assert told.high_nanos is not None
            assert told.low_nanos <= told.likely_nanos <= told.high_nanos
            held += told.low_nanos <= outcome <= told.high_nanos
            widths.append((told.high_nanos - told.low_nanos) * 100 // outcome)
            errors.append(abs(told.likely_nanos - outcome) * 100 // outcome)
    middle = len(widths) // 2
    return Held(len(widths), held, sorted(widths)[middle], sorted(errors)[middle])
