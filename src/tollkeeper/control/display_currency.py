"""Amounts in an organization's display currency: what it may be, and how an amount is written in a person's language.

Which currencies there are, their decimals and their signs are CLDR's, as Babel carries it (https://cldr.unicode.org).
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from tollkeeper.domain.currency import (
    BOOKED,
    RATE_MICROS_MAX,
    SOURCE_LENGTH_MAX,
    DisplayCurrency,
    convert,
    format_rate,
    is_code,
)
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Language
from tollkeeper.kit.clock import now_us, utc

_PARAM = "display_currency"
_LESS = {"en": "less than {}", "ko": "{} 미만"}


class ShownAmount(msgspec.Struct, frozen=True):
    """An amount in a display currency: exact decimal, and as a person reads it."""

    currency: DisplayCurrency
    amount: Decimal
    text: str


def show_amount(nanos: int, currency: DisplayCurrency, language: Language) -> ShownAmount:
    """Return nano-USD in a currency. What is more than nothing and less than its smallest unit is said to be that."""
    digits = digits_of(currency.code)
    minor = convert(nanos, currency.rate_micros, digits)
    amount = Decimal(minor).scaleb(-digits)
    if nanos > 0 and minor == 0:
        text = _LESS[language].format(_written(Decimal(1).scaleb(-digits), currency.code, language))
    else:
        text = _written(amount, currency.code, language)
    return ShownAmount(currency, amount, text)


def describe_amount(nanos: int | None, currency: DisplayCurrency | None, language: Language) -> dict[str, Any] | None:
    """Return an amount with its rate, its date and its source; None when there is no amount or no currency."""
    if nanos is None or currency is None:
        return None
    shown = show_amount(nanos, currency, language)
    return {
        "currency": currency.code,
        "amount": shown.amount,
        "text": shown.text,
        "rate": exact_rate(currency),
        "rate_date": currency.rate_date,
        "source": currency.source,
    }


def describe_currency(currency: DisplayCurrency | None) -> dict[str, Any] | None:
    """Return what an organization has chosen."""
    if currency is None:
        return None
    return {
        "code": currency.code,
        "rate": exact_rate(currency),
        "rate_micros": currency.rate_micros,
        "rate_date": currency.rate_date,
        "source": currency.source,
    }


def exact_rate(currency: DisplayCurrency) -> Decimal:
    """Return what a dollar is, with all its digits."""
    return Decimal(format_rate(currency.rate_micros))


def check_currency(wanted: DisplayCurrency | None) -> DisplayCurrency | None:
    """Return a choice, tidied; None for none.

    Raises:
        InvalidRequest: no such currency, a rate out of bounds, a day that is none or still to come, or no source.
    """
    if wanted is None:
        return None
    check_code(wanted.code)
    if not 1 <= wanted.rate_micros <= RATE_MICROS_MAX:
        raise InvalidRequest("The rate per dollar is above 0 and at most 1,000,000,000.", param=_PARAM, part="rate")
    source = wanted.source.strip()
    if not 1 <= len(source) <= SOURCE_LENGTH_MAX or not source.isprintable():
        message = f"Say in 1 to {SOURCE_LENGTH_MAX} printable characters where the rate is from."
        raise InvalidRequest(message, param=_PARAM, part="source")
    return DisplayCurrency(wanted.code, wanted.rate_micros, check_day(wanted.rate_date), source)


def check_code(code: str) -> str:
    """Pass a currency's code when CLDR knows it and it is not what amounts are in anyway.

    Raises:
        InvalidRequest: it is something else.
    """
    if code == BOOKED:
        raise InvalidRequest("Amounts are in USD anyway; choose another currency, or none.", param=_PARAM, part="code")
    if not is_code(code) or code not in _known():
        message = f"'{code[:10]}' is no currency's ISO 4217 code such as KRW."
        raise InvalidRequest(message, param=_PARAM, part="code")
    return code


def check_day(text: str) -> str:
    """Pass a day such as 2026-11-20, unless it is still to come everywhere.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        message = f"'{text[:30]}' is no day such as 2026-11-20."
        raise InvalidRequest(message, param=_PARAM, part="rate_date") from None
    if not date(1970, 1, 1) <= day <= utc(now_us()).date() + timedelta(days=1):
        message = f"A rate cannot be of {day.isoformat()}; say the day that it was found."
        raise InvalidRequest(message, param=_PARAM, part="rate_date")
    return day.isoformat()


def digits_of(code: str) -> int:
    """Return how many decimals a currency's amounts have."""
    from babel.numbers import get_currency_precision

    return get_currency_precision(code)


def _written(amount: Decimal, code: str, language: Language) -> str:
    from babel.numbers import format_currency

    return format_currency(amount, code, locale=language)


@cache
def _known() -> frozenset[str]:
    from babel.numbers import list_currencies

    return frozenset(list_currencies())
