"""Amounts and unit prices: int64 nano-USD and integer pico-USD, one rounding function, parsing and printing.

Money never passes through a float. 1 USD = 10^9 nano-USD = 10^12 pico-USD.
"""

from __future__ import annotations

import re

NANOS_PER_USD = 10**9
PICOS_PER_USD = 10**12
PICOS_PER_NANO = 1000
AMOUNT_NANOS_MAX = 2**63 - 1
_HALF_NANO = PICOS_PER_NANO // 2
_PLAIN_DECIMAL = re.compile(
    r"([+-]?)([0-9]{1,30})(?:\.([0-9]{1,30}))?"
)  # no exponents: 1e9 is a slip, 1e999999 an attack


def amount_nanos(quantity: int, price_pico: int) -> int:
    """Price `quantity` units at `price_pico` pico-USD each, in nano-USD, rounded half to even once.

    Raises:
        OverflowError: the amount does not fit int64.
    """
    picos = quantity * price_pico
    nanos = picos // PICOS_PER_NANO
    rest = picos - nanos * PICOS_PER_NANO
    if rest >= _HALF_NANO and (rest > _HALF_NANO or nanos & 1):
        nanos += 1
    if not -AMOUNT_NANOS_MAX <= nanos <= AMOUNT_NANOS_MAX:
        raise OverflowError(f"{quantity} units at {price_pico} pico-USD do not fit int64 nano-USD")
    return nanos


def known_amount(nanos: int, *, unpriced: int) -> int | None:
    """Return what calls cost as far as it is known: None when some have no price and all the others come to nothing.

    Calls that their provider does not bill are such others: beside them an unknown amount would read as zero.
    """
    return nanos if nanos or not unpriced else None


def parse_usd(text: str, *, unit_per_usd: int = NANOS_PER_USD) -> int:
    """Read a decimal amount of dollars exactly, in nano-USD (or `unit_per_usd` parts of a dollar).

    Raises:
        ValueError: not a plain decimal number, or finer than the unit.
    """
    match = _PLAIN_DECIMAL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:50]!r} is not an amount in dollars, such as 12.50")
    sign, whole, part = match.group(1), match.group(2), match.group(3) or ""
    scaled, rest = divmod(int(whole + part) * unit_per_usd, int(f"1{'0' * len(part)}"))
    if rest:
        raise ValueError(f"{text!r} is finer than 1/{unit_per_usd} of a dollar")
    return -scaled if sign == "-" else scaled


def format_usd(nanos: int, *, places_min: int = 2) -> str:
    """Print nano-USD exactly as a decimal number of dollars without a sign: 1500000000 -> "1.50", 26 -> "0.000000026"."""
    return format_decimal(nanos, 9, places_min)


def format_usd_per_million(price_pico: int, *, places_min: int = 2) -> str:
    """Print a price in pico-USD per unit exactly as dollars per million units: 150000 -> "0.15"."""
    return format_decimal(price_pico, 6, places_min)


def format_decimal(value: int, places: int, places_min: int) -> str:
    """Print a whole number of units, of which `places` decimals make one, exactly: 1250 of 3 places -> "1.25"."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**places)
    digits = f"{part:0{places}d}".rstrip("0").ljust(places_min, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def round_usd(nanos: int, *, places: int) -> str:
    """Print nano-USD rounded half to even, thousands apart: 1234567890000 with 2 places -> "1,234.57".

    What would be rounded to nothing is "<" the smallest amount that is shown, so that it is not taken for nothing.
    """
    step = int(f"1{'0' * (9 - places)}")
    steps, rest = divmod(abs(nanos), step)
    if 2 * rest > step or (2 * rest == step and steps & 1):
        steps += 1
    is_hidden = steps == 0 and nanos != 0
    whole, part = divmod(1 if is_hidden else steps, 10**places)
    sign = "-" if nanos < 0 else ""
    return f"{'<' if is_hidden else ''}{sign}{whole:,}" + (f".{part:0{places}d}" if places else "")
