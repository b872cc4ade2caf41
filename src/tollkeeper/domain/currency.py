"""The currency that an organization's amounts are shown in beside dollars: its rate, and converting by it.

It is for showing only: nothing is booked, compared or limited in it. A rate is a whole number of millionths of the currency
per dollar, with the day that it is of and where it is from; an amount is rounded once, to whole minor units of the currency.
"""

from __future__ import annotations

import re

import msgspec

from tollkeeper.domain.money import NANOS_PER_USD, format_decimal, parse_usd

MICROS_PER_UNIT = 10**6
RATE_MICROS_MAX = 10**15
"""A thousand million of the currency per dollar."""
SOURCE_LENGTH_MAX = 200
BOOKED = "USD"
"""What amounts are in."""
_CODE = re.compile(r"[A-Z]{3}")


class DisplayCurrency(msgspec.Struct, frozen=True):
    """An ISO 4217 code, what a dollar is in it, the day (ISO 8601) that this holds for, and who says so."""

    code: str
    rate_micros: int
    rate_date: str
    source: str

    @property
    def told(self) -> str:
        """What a person is told of the rate."""
        return f"1 USD = {format_rate(self.rate_micros)} {self.code} on {self.rate_date} ({self.source})"


def convert(nanos: int, rate_micros: int, digits: int) -> int:
    """Return nano-USD in minor units of a currency that has so many decimals, rounded half to even once."""
    unit = NANOS_PER_USD * MICROS_PER_UNIT
    minor, rest = divmod(nanos * rate_micros * int(f"1{'0' * digits}"), unit)
    if 2 * rest > unit or (2 * rest == unit and minor & 1):
        minor += 1
    return minor


def parse_rate(text: str) -> int:
    """Read what a dollar is in a currency, such as 1385.25, exactly, in millionths.

    Raises:
        ValueError: not a plain decimal number, finer than a millionth, or out of bounds.
    """
    try:
        micros = parse_usd(text, unit_per_usd=MICROS_PER_UNIT)
    except ValueError:
        micros = 0
    if not 1 <= micros <= RATE_MICROS_MAX:
        raise ValueError(f"'{text[:30]}' is no rate per dollar such as 1385.25, with at most six decimals")
    return micros


def format_rate(rate_micros: int) -> str:
    """Print a rate exactly: 1385250000 -> "1385.25"."""
    return format_decimal(rate_micros, 6, 0)


def is_code(text: str) -> bool:
    """Tell whether a text looks like a currency's code."""
    return _CODE.fullmatch(text) is not None
