"""Where budgets' windows begin and end: they tile time in every timezone, over changing clocks and skipped midnights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tollkeeper.domain.window import FOREVER, Window, previous, window_at

ZONES = (
    "Asia/Seoul",
    "America/New_York",
    "UTC",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/St_Johns",
    "America/Havana",
    "America/Toronto",
)
HOUR_US = 3_600_000_000
FIRST_US, LAST_US = -1_900_000_000_000_000, 4_100_000_000_000_000  # 1909 to 2099


def us(text: str) -> int:
    return (datetime.fromisoformat(text).astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


def local(at_us: int, zone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone))


@settings(max_examples=400)
@given(
    at_us=st.integers(FIRST_US, LAST_US),
    zone=st.sampled_from(ZONES),
    period=st.sampled_from(["daily", "weekly", "monthly"]),
    fiscal=st.integers(1, 28),
)
@example(at_us=us("2011-12-30T09:59:59Z"), zone="Pacific/Apia", period="daily", fiscal=1)
@example(at_us=us("2011-12-30T10:00:00Z"), zone="Pacific/Apia", period="daily", fiscal=30 - 2)
@example(at_us=us("1988-10-30T02:05:00Z"), zone="America/St_Johns", period="daily", fiscal=1)
@example(at_us=us("2006-10-29T02:31:00Z"), zone="America/St_Johns", period="weekly", fiscal=1)
@example(at_us=us("2015-11-01T04:30:00Z"), zone="America/Havana", period="monthly", fiscal=1)
@example(at_us=us("1919-03-31T04:40:00Z"), zone="America/Toronto", period="daily", fiscal=1)
def test_windows_tile_time_without_gap_or_overlap(at_us: int, zone: str, period: str, fiscal: int) -> None:
    window = window_at(period, at_us, zone, fiscal)

    assert window.contains(at_us)
    assert window.end_us is not None
    assert window_at(period, window.start_us, zone, fiscal) == window
    assert window_at(period, window.end_us - 1, zone, fiscal) == window
    assert window_at(period, window.end_us, zone, fiscal).start_us == window.end_us
    before = previous(window, period, zone, fiscal)
    assert before is not None
    assert before.end_us == window.start_us


@given(
    at_us=st.integers(us("1993-01-01T00:00:00Z"), LAST_US), zone=st.sampled_from(ZONES[:6]), fiscal=st.integers(1, 28)
)
def test_windows_begin_on_the_local_day_that_their_period_names(at_us: int, zone: str, fiscal: int) -> None:
    day, week, month = (
        local(window_at(each, at_us, zone, fiscal).start_us, zone) for each in ("daily", "weekly", "monthly")
    )

    assert day.date() == local(at_us, zone).date()
    assert week.weekday() == 0
    assert month.day == fiscal or (zone == "Pacific/Apia" and month.date().isoformat() == "2011-12-31")
    assert all(each.hour in {0, 1} and each.minute == 0 for each in (day, week, month))
    assert (day.hour, week.hour, month.hour) == (0, 0, 0) or zone == "America/Sao_Paulo"


@pytest.mark.parametrize(
    ("zone", "at", "hours"),
    [
        ("America/New_York", "2026-03-08T12:00:00-04:00", 23),
        ("America/New_York", "2026-11-01T12:00:00-05:00", 25),
        ("America/Sao_Paulo", "2018-11-04T12:00:00-02:00", 23),  # midnight was skipped
        ("America/Sao_Paulo", "2018-02-17T12:00:00-02:00", 25),  # the last hour before midnight came twice
        ("Asia/Seoul", "2026-11-22T12:00:00+09:00", 24),
    ],
)
def test_a_day_on_which_the_clocks_change_has_another_length(zone: str, at: str, hours: int) -> None:
    day = window_at("daily", us(at), zone)

    assert day.end_us is not None
    assert (day.end_us - day.start_us) == hours * HOUR_US


def test_a_day_whose_midnight_is_skipped_begins_with_its_first_instant() -> None:
    day = window_at("daily", us("2018-11-04T12:00:00-02:00"), "America/Sao_Paulo")

    assert local(day.start_us, "America/Sao_Paulo").isoformat() == "2018-11-04T01:00:00-02:00"


def test_a_gap_that_begins_before_midnight_ends_the_day_where_it_begins() -> None:
    day = window_at("daily", us("1919-03-31T12:00:00-04:00"), "America/Toronto")

    assert local(day.start_us, "America/Toronto").replace(tzinfo=None) == datetime.fromisoformat("1919-03-31T00:30:00")


def test_months_begin_on_the_fiscal_day_over_year_end_and_leap_day() -> None:
    assert window_at("monthly", us("2028-02-29T23:59:59+09:00"), "Asia/Seoul", 25) == Window(
        us("2028-02-25T00:00:00+09:00"), us("2028-03-25T00:00:00+09:00")
    )
    assert window_at("monthly", us("2027-01-05T00:00:00+09:00"), "Asia/Seoul", 25) == Window(
        us("2026-12-25T00:00:00+09:00"), us("2027-01-25T00:00:00+09:00")
    )
    assert window_at("daily", us("2028-02-29T23:59:59+09:00"), "Asia/Seoul").end_us == us("2028-03-01T00:00:00+09:00")


def test_a_week_begins_on_monday() -> None:
    assert window_at("weekly", us("2026-11-22T12:00:00+09:00"), "Asia/Seoul") == Window(
        us("2026-11-16T00:00:00+09:00"), us("2026-11-23T00:00:00+09:00")
    )


def test_a_total_has_one_window_without_an_end() -> None:
    assert window_at("total", 5, "Asia/Seoul") is FOREVER
    assert previous(FOREVER, "total", "Asia/Seoul") is None
    assert FOREVER.contains(LAST_US)


def test_a_timezone_that_is_none_is_said() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        window_at("daily", 0, "Asia/Nowhere")
