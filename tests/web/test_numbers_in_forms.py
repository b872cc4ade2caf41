"""Numbers as people type them: commas between thousands are read, a decimal comma is refused and never another amount."""

from __future__ import annotations

import pytest

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.prices.drafts import parse_moment
from tollkeeper.web.fields import dollars, read_day, ungrouped, whole_number
from tollkeeper.web.visitor import Sent


@pytest.mark.parametrize(
    ("typed", "nanos"),
    [("500", 500), ("$1,234.50", 1234.5), ("1,234,567", 1234567), (" 12.5 ", 12.5), ("$0.25", 0.25)],
)
def test_amounts_are_read_with_and_without_groups(typed: str, nanos: float) -> None:
    assert dollars(Sent([("amount", typed)]), "amount") == int(nanos * 100) * 10_000_000


@pytest.mark.parametrize(
    "typed", ["0,5", "1,5", "1.234,5", "1385,25", "12,34", ",5", "1,2345", "0,12", "1,,000", "1,000,5"]
)
def test_a_comma_that_is_not_between_thousands_is_refused(typed: str) -> None:
    for read in (dollars, whole_number, ungrouped):
        with pytest.raises(InvalidRequest, match="decimals with a point"):
            read(Sent([("amount", typed)]), "amount")


def test_whole_numbers_are_read_with_groups() -> None:
    assert whole_number(Sent([("n", "60,000")]), "n") == 60_000


@pytest.mark.parametrize("when", ["9999-12-31T23:59", "2100-01-01", "9999-12-31T23:59:59-05:00"])
def test_a_moment_beyond_every_calendar_is_refused(when: str) -> None:
    with pytest.raises(InvalidRequest, match="not before 2100"):
        parse_moment(when)
    assert parse_moment("2099-12-31") == 4_102_358_400_000_000


def test_a_number_too_large_for_anything_is_told_the_largest() -> None:
    with pytest.raises(InvalidRequest, match="largest number here is 999,999,999,999,999"):
        whole_number(Sent([("n", "9" * 30)]), "n")
    assert whole_number(Sent([("n", "9" * 15)]), "n") == 10**15 - 1


@pytest.mark.parametrize("day", ["1900-01-01", "1970-12-31", "2100-01-01", "9999-12-31"])
def test_a_day_that_no_page_can_show_is_told_the_bounds_and_not_how_days_are_written(day: str) -> None:
    with pytest.raises(InvalidRequest, match="Choose a day from 1971-01-01 to 2099-12-31"):
        read_day(day, "from")


def test_what_is_no_day_is_told_how_days_are_written() -> None:
    for text in ("어제", "2026-02-30", "23.11.2026"):
        with pytest.raises(InvalidRequest, match="written like 2026-11-23"):
            read_day(text, "from")
    assert read_day("", "from") is None
