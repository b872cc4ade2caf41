"""Which week or month a report is of, and when it is due: by local clocks, through their changes, late but not too late."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analytics.ledger import us

from tollkeeper.domain.report_calendar import (
    LATE_MAX_US,
    Calendar,
    ReportKind,
    ReportSettings,
    default_settings,
    due_at_us,
    due_period,
    last_closed,
    next_due_us,
    period_with,
)

HOUR_US = 3_600_000_000
SEOUL, NEW_YORK = Calendar("Asia/Seoul"), Calendar("America/New_York")
ALWAYS = ReportSettings(0, 0)
TUESDAY_US = us("2026-11-10T12:34", "Asia/Seoul")


def test_the_last_week_is_the_one_that_ended_on_sunday():
    week = last_closed("weekly", TUESDAY_US, SEOUL)
    assert (week.first_day, week.last_day) == (date(2026, 11, 2), date(2026, 11, 8))
    assert (week.from_us, week.to_us) == (us("2026-11-02", "Asia/Seoul"), us("2026-11-09", "Asia/Seoul"))
    assert week.before_from_us == us("2026-10-26", "Asia/Seoul")


def test_a_month_begins_on_the_organizations_fiscal_day():
    calendar = Calendar("Asia/Seoul", 15)
    month = last_closed("monthly", TUESDAY_US, calendar)
    assert (month.first_day, month.last_day) == (date(2026, 9, 15), date(2026, 10, 14))
    assert due_at_us(month, ALWAYS, calendar) == us("2026-10-15T09:00", "Asia/Seoul")
    assert last_closed("monthly", TUESDAY_US, SEOUL).first_day == date(2026, 10, 1)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 4), 167), (date(2026, 10, 30), 169), (date(2026, 6, 3), 168)]
)
def test_a_week_in_which_clocks_change_is_an_hour_shorter_or_longer(day, hours):
    week = period_with("weekly", day, NEW_YORK)
    assert week.to_us - week.from_us == hours * HOUR_US
    after = last_closed("weekly", week.to_us, NEW_YORK)
    assert after == week


def test_the_hour_is_that_of_the_clocks_there():
    for day, offset in ((date(2026, 3, 4), "13:00"), (date(2026, 10, 30), "14:00")):
        week = period_with("weekly", day, NEW_YORK)
        monday = "2026-03-09" if day.month == 3 else "2026-11-02"
        assert due_at_us(week, ALWAYS, NEW_YORK) == us(f"{monday}T{offset}", "UTC")


def test_an_hour_that_clocks_skip_is_made_up_for_after_it():
    settings = ReportSettings(0, 0, weekday=6, hour=2)  # on 2026-03-08 clocks go from 2 to 3
    week = period_with("weekly", date(2026, 2, 25), NEW_YORK)
    assert due_at_us(week, settings, NEW_YORK) == us("2026-03-08T07:00", "UTC")


def test_it_is_due_from_its_hour_on_and_for_six_days():
    due_us = us("2026-11-09T09:00", "Asia/Seoul")
    found = [
        due_period("weekly", at_us, ALWAYS, SEOUL)
        for at_us in (due_us - 1, due_us, due_us + LATE_MAX_US, due_us + LATE_MAX_US + 1)
    ]
    assert [each and each.first_day for each in found] == [None, date(2026, 11, 2), date(2026, 11, 2), None]


def test_a_report_sent_on_sundays_is_due_in_the_week_after_that():
    settings = ReportSettings(0, 0, weekday=6)
    found = due_period("weekly", us("2026-11-16T10:00", "Asia/Seoul"), settings, SEOUL)
    assert found is not None
    assert found.first_day == date(2026, 11, 2)


def test_what_was_due_before_it_was_turned_on_is_not_due():
    due_us = us("2026-11-09T09:00", "Asia/Seoul")
    assert due_period("weekly", TUESDAY_US, ReportSettings(due_us + 1, None), SEOUL) is None
    assert due_period("weekly", TUESDAY_US, ReportSettings(due_us, None), SEOUL) is not None
    assert due_period("weekly", TUESDAY_US, ReportSettings(None, 0), SEOUL) is None


def test_without_settings_both_kinds_are_sent_where_there_is_a_mail_server():
    assert default_settings(created_at_us=7, sends_email=True) == ReportSettings(7, 7, 0, 9)
    assert default_settings(created_at_us=7, sends_email=False) == ReportSettings(None, None)


ZONES = st.sampled_from(["Asia/Seoul", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Europe/Berlin", "UTC"])
MOMENTS = st.integers(us("2011-01-01"), us("2040-01-01"))


@given(
    kind=st.sampled_from(["weekly", "monthly"]),
    at_us=MOMENTS,
    zone=ZONES,
    start=st.integers(1, 28),
    weekday=st.integers(0, 6),
    hour=st.integers(0, 23),
)
def test_there_is_at_most_one_and_it_is_over(
    kind: ReportKind, at_us: int, zone: str, start: int, weekday: int, hour: int
):
    calendar, settings = Calendar(zone, start), ReportSettings(0, 0, weekday, hour)
    closed = last_closed(kind, at_us, calendar)
    assert closed.before_from_us < closed.from_us < closed.to_us <= at_us
    found = due_period(kind, at_us, settings, calendar)
    if found is not None:
        assert found.to_us <= at_us
        assert at_us - LATE_MAX_US <= due_at_us(found, settings, calendar) <= at_us
    next_us = next_due_us(kind, at_us, settings, calendar)
    assert next_us > at_us
    assert due_period(kind, next_us - 1, settings, calendar) != due_period(kind, next_us, settings, calendar)
