"""What a month will come to: how often the range holds, what is said with little to go by, and calendars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forecast.series import DAY_US, KINDS, USD, backtest

from tollkeeper.domain.forecast import Basis, Forecast, MonthSoFar, forecast_month


def month(
    history: list[int], *, used: int = 0, days_after: int = 10, left_us: int = DAY_US, length_us: int = DAY_US
) -> Forecast:
    return forecast_month(
        MonthSoFar(used_nanos=used, history=history, left_us=left_us, length_us=length_us, days_after=days_after)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_range_holds_four_outcomes_of_five_or_more(kind: str) -> None:
    found = backtest(KINDS[kind], series=150)
    assert found.permille >= 800, found


@pytest.mark.parametrize("kind", ["steady", "weekdays", "growth"])
def test_the_range_of_what_goes_regularly_is_narrow_and_the_likely_amount_near(kind: str) -> None:
    found = backtest(KINDS[kind], series=100)
    assert found.width_per_cent <= 45, found
    assert found.error_per_cent <= 8, found


def test_with_fewer_than_seven_whole_days_nothing_is_said() -> None:
    for days in range(7):
        told = month([USD] * days, used=days * USD)
        assert told == Forecast(Basis.TOO_EARLY, days)
    assert month([USD] * 7).basis is Basis.FEW_WEEKS
    assert month([USD] * 27).basis is Basis.FEW_WEEKS
    assert month([USD] * 28).basis is Basis.WEEKS


def test_days_before_the_first_cost_are_no_days_without_usage() -> None:
    told = month([0] * 50 + [USD] * 6)
    assert (told.basis, told.days_known) == (Basis.TOO_EARLY, 6)
    assert month([0] * 20 + [USD] * 36) == month([USD] * 36)


def test_what_is_always_the_same_is_known_exactly() -> None:
    told = month([USD] * 56, used=3 * USD, days_after=10)
    assert (told.low_nanos, told.likely_nanos, told.high_nanos) == (14 * USD, 14 * USD, 14 * USD)
    assert told.days_known == 56
    assert not told.is_trend_clear


def test_of_today_only_what_is_left_is_still_to_come() -> None:
    assert month([USD] * 14, used=5, days_after=0, left_us=DAY_US // 4).likely_nanos == USD // 4 + 5
    long_day = month([USD] * 14, days_after=0, left_us=DAY_US // 24 * 25 // 2, length_us=DAY_US // 24 * 25)
    assert long_day.likely_nanos == USD // 2


def test_weekdays_count_as_such() -> None:
    week = [10 * USD] * 5 + [USD] * 2  # today is a Monday
    told = month(week * 8, days_after=6, left_us=DAY_US)
    assert told.likely_nanos == 52 * USD
    weekend = month((week[5:] + week[:5]) * 8, days_after=1, left_us=DAY_US)  # today is a Saturday
    assert weekend.likely_nanos == 2 * USD


def test_clear_growth_goes_on_and_a_burst_does_not() -> None:
    growing = [USD * 110 ** (day // 7) // 100 ** (day // 7) for day in range(56)]
    told = month(growing, days_after=13, left_us=DAY_US)
    assert told.is_trend_clear
    last = growing[-1] * 7
    assert told.likely_nanos is not None
    assert abs(told.likely_nanos - (last * 110 // 100 + last * 121 // 100)) < last // 50
    burst = [USD] * 50 + [40 * USD] + [USD] * 5
    told = month(burst, days_after=13, left_us=DAY_US)
    assert not told.is_trend_clear
    assert told.low_nanos is not None
    assert told.high_nanos is not None
    assert told.low_nanos <= 14 * USD <= told.high_nanos


def test_what_stopped_is_not_forecast_to_go_on_for_long() -> None:
    told = month([USD] * 28 + [0] * 28, used=0, days_after=20)
    assert (told.low_nanos, told.likely_nanos) == (0, 0)


@given(
    st.lists(st.integers(0, 2**53), max_size=70),
    st.integers(0, 2**60),
    st.integers(0, 31),
    st.integers(1, DAY_US),
)
def test_any_history_gives_an_ordered_range_above_what_is_used(
    history: list[int], used: int, days_after: int, left_us: int
) -> None:
    told = month(history, used=used, days_after=days_after, left_us=left_us)
    if told.basis is Basis.TOO_EARLY:
        assert (told.low_nanos, told.likely_nanos, told.high_nanos) == (None, None, None)
        return
    assert told.low_nanos is not None
    assert told.likely_nanos is not None
    assert told.high_nanos is not None
    assert used <= told.low_nanos <= told.likely_nanos <= told.high_nanos
