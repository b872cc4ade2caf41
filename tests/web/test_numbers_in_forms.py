"""Numbers as people type them: commas between thousands are read, a decimal comma is refused and never another amount."""

from __future__ import annotations

import pytest

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.prices.drafts import parse_moment
from tollkeeper.web.fields import dollars, ungrouped, whole_number
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
