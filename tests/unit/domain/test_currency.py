"""Showing dollars in another currency: exact rates, one rounding, CLDR's words, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.control.display_currency import check_currency, describe_amount, digits_of, show_amount
from tollkeeper.domain.currency import RATE_MICROS_MAX, DisplayCurrency, convert, format_rate, parse_rate
from tollkeeper.domain.errors import InvalidRequest

DAY = "2025-01-31"
WON = DisplayCurrency("KRW", 1_385_250_000, DAY, "Bank of Korea")


@given(st.integers(-(2**63), 2**63), st.integers(1, RATE_MICROS_MAX), st.integers(0, 4))
def test_an_amount_is_the_exact_product_rounded_half_to_even_once(nanos: int, rate: int, digits: int) -> None:
    assert convert(nanos, rate, digits) == round(Fraction(nanos * rate * 10**digits, 10**15))


@pytest.mark.parametrize(("nanos", "expected"), [(5 * 10**8, 0), (15 * 10**8, 2), (25 * 10**8, 2), (-15 * 10**8, -2)])
def test_a_half_goes_to_the_even_neighbour(nanos: int, expected: int) -> None:
    assert convert(nanos, 1_000_000, 0) == expected


@given(st.integers(1, RATE_MICROS_MAX))
def test_a_rate_is_read_as_it_is_written(rate: int) -> None:
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1e3", "1,385", "1385.0000001", "1000000000.000001", "nan", "１", "x" * 99]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no rate per dollar"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("currency", "language", "nanos", "text"),
    [
        (WON, "en", 891 * 10**9, "₩1,234,258"),
        (WON, "ko", 891 * 10**9, "₩1,234,258"),
        (WON, "ko", 0, "₩0"),
        (WON, "en", 1, "less than ₩1"),
        (WON, "ko", 360_000, "₩1 미만"),
        (DisplayCurrency("EUR", 925_000, DAY, "ECB"), "en", 2 * 10**9, "€1.85"),
        (DisplayCurrency("JPY", 150_000_000, DAY, "BoJ"), "en", 10 * 10**9, "¥1,500"),
        (DisplayCurrency("BHD", 376_000, DAY, "CBB"), "en", 10**9, "BHD0.376"),
    ],
)
def test_an_amount_is_written_as_cldr_has_it(currency: DisplayCurrency, language: str, nanos: int, text: str) -> None:
    shown = show_amount(nanos, currency, language)  # type: ignore[arg-type]
    assert shown.text == text


def test_decimals_are_the_currencys_own() -> None:
    assert [digits_of(code) for code in ("KRW", "JPY", "EUR", "BHD")] == [0, 0, 2, 3]


def test_an_amount_never_stands_without_its_rate_date_and_source() -> None:
    assert describe_amount(10**9, WON, "en") == {
        "currency": "KRW",
        "amount": Decimal(1385),
        "text": "₩1,385",
        "rate": Decimal("1385.25"),
        "rate_date": DAY,
        "source": "Bank of Korea",
    }
    assert describe_amount(None, WON, "en") is None
    assert describe_amount(10**9, None, "en") is None
    assert WON.told == "1 USD = 1385.25 KRW on 2025-01-31 (Bank of Korea)"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"code": "USD"}, "anyway"),
        ({"code": "XQQ"}, "ISO 4217"),
        ({"code": "krw"}, "ISO 4217"),
        ({"code": "KRW\n"}, "ISO 4217"),
        ({"rate_micros": 0}, "above 0"),
        ({"rate_micros": RATE_MICROS_MAX + 1}, "above 0"),
        ({"rate_date": "31.01.2025"}, "no day"),
        ({"rate_date": "2099-01-01"}, "cannot be of"),
        ({"rate_date": "1812-01-01"}, "cannot be of"),
        ({"source": " "}, "where the rate is from"),
        ({"source": "a\x07b"}, "where the rate is from"),
        ({"source": "x" * 201}, "where the rate is from"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(changes: dict[str, object], what: str) -> None:
    from msgspec.structs import replace

    with pytest.raises(InvalidRequest, match=what):
        check_currency(replace(WON, **changes))


def test_a_choice_is_tidied_and_none_is_one() -> None:
    from msgspec.structs import replace

    assert check_currency(replace(WON, source="  Bank of Korea ")) == WON
    assert check_currency(None) is None
