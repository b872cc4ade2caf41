"""Tests of amounts: rounding, parsing and printing against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.money import (
    AMOUNT_NANOS_MAX,
    NANOS_PER_USD,
    PICOS_PER_USD,
    amount_nanos,
    format_usd,
    format_usd_per_million,
    known_amount,
    parse_usd,
)

# Prices near a half nano-USD per unit, small ones, and real ones.
prices_pico = st.integers(0, 2000) | st.integers(0, 10**9) | st.integers(0, 4000).map(lambda n: n * 500)


@given(st.integers(0, 10**7), prices_pico)
@settings(max_examples=450, deadline=None, database=None)
def test_an_amount_is_the_exact_product_rounded_half_to_even_over_100_000_cases(quantity: int, price_pico: int) -> None:
    for near_quantity in range(quantity, quantity + 16):  # neighbours are drawn fast: 450 x 256 cases
        for near_price in range(price_pico, price_pico + 16):
            assert amount_nanos(near_quantity, near_price) == round(Fraction(near_quantity * near_price, 1000))


@pytest.mark.parametrize(
    ("quantity", "price_pico", "expected"),
    [
        (1, 499, 0),
        (1, 500, 0),  # half, to even
        (1, 501, 1),
        (1, 1499, 1),
        (1, 1500, 2),  # half, to even
        (1, 2500, 2),
        (3, 500, 2),
        (1, 3500, 4),
        (0, 10**9, 0),
        (10**6, 150_000, 150_000_000),
        (-1, 500, 0),  # a correcting entry rounds like what it corrects
        (-1, 1500, -2),
        (-1, 501, -1),
    ],
)
def test_a_half_goes_to_the_even_neighbour(quantity: int, price_pico: int, expected: int) -> None:
    assert amount_nanos(quantity, price_pico) == expected


def test_the_largest_amount_fits_and_one_more_is_refused() -> None:
    assert amount_nanos(AMOUNT_NANOS_MAX, 1000) == AMOUNT_NANOS_MAX
    assert amount_nanos(-AMOUNT_NANOS_MAX, 1000) == -AMOUNT_NANOS_MAX
    with pytest.raises(OverflowError):
        amount_nanos(AMOUNT_NANOS_MAX + 1, 1000)
    with pytest.raises(OverflowError):
        amount_nanos(-AMOUNT_NANOS_MAX - 1, 1000)


@given(st.integers(-AMOUNT_NANOS_MAX, AMOUNT_NANOS_MAX), st.integers(0, 9))
@settings(max_examples=500, deadline=None, database=None)
def test_what_is_printed_reads_back_exactly(nanos: int, places_min: int) -> None:
    text = format_usd(nanos, places_min=places_min)
    assert parse_usd(text) == nanos
    assert len(text.partition(".")[2]) >= places_min


@given(st.integers(0, 10**15))
@settings(max_examples=300, deadline=None, database=None)
def test_a_price_reads_back_exactly_from_its_dollars_per_million(price_pico: int) -> None:
    assert parse_usd(format_usd_per_million(price_pico), unit_per_usd=PICOS_PER_USD // 10**6) == price_pico


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("12.50", 12_500_000_000),
        (" 0.000000001 ", 1),
        ("-3", -3 * NANOS_PER_USD),
        ("+1", NANOS_PER_USD),
        ("0.1000000000000", 100_000_000),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, nanos: int) -> None:
    assert parse_usd(text) == nanos


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1,5",
        "1e3",
        "1e999999999",
        "1_000",
        "NaN",
        "Infinity",
        "١",
        ".5",
        "5.",
        "$5",
        "0x10",
        "1.0000000001",
        "0.0000000001",
        "1" * 31,
        "12345678901234567890.12345678901",  # more digits than a default Decimal keeps
    ],
)
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_usd(text)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "0.00"), (1_500_000_000, "1.50"), (26, "0.000000026"), (-5, "-0.000000005"), (10**18, "1000000000.00")],
)
def test_amounts_print_exactly(nanos: int, text: str) -> None:
    assert format_usd(nanos) == text


def test_no_places_are_printed_when_none_are_asked_for() -> None:
    assert format_usd(2 * NANOS_PER_USD, places_min=0) == "2"


@pytest.mark.parametrize(("nanos", "unpriced", "known"), [(0, 0, 0), (7, 0, 7), (7, 3, 7), (0, 3, None)])
def test_an_unknown_amount_is_never_zero(nanos: int, unpriced: int, known: int | None) -> None:
    assert known_amount(nanos, unpriced=unpriced) == known
