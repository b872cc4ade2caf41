"""The options of a display currency: what is stated of it, over what the organization has chosen before."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.control.display_currency import ShownAmount, show_amount
from tollkeeper.domain.currency import DisplayCurrency, parse_rate
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Organization
from tollkeeper.kit.clock import now_us, utc

NONE = "none"


class Stated(msgspec.Struct, frozen=True):
    """What was said; None is what was not."""

    code: str | None
    rate: str | None
    rate_date: str | None
    source: str | None


def currency_of(organization: Organization, stated: Stated) -> DisplayCurrency | UnsetType | None:
    """Return what an organization's amounts are to be shown in; UNSET when nothing was said.

    A new rate is of today unless another day was said. Another currency needs a rate and a source of its own.

    Raises:
        InvalidRequest: a rate that is none, or something is missing.
    """
    if stated == Stated(None, None, None, None):
        return UNSET
    if (stated.code or "").lower() == NONE:
        return None
    known = organization.display_currency
    code = (stated.code or (known.code if known else "")).upper()
    if known is not None and known.code != code:
        known = None
    if known is None and (not code or stated.rate is None or stated.source is None):
        raise InvalidRequest(
            "Say --display-currency, --display-rate and --display-rate-source.", param="display_currency"
        )
    try:
        rate_micros = known.rate_micros if known and stated.rate is None else parse_rate(stated.rate or "")
    except ValueError as error:
        raise InvalidRequest(f"{error}.", param="display_currency") from None
    rate_date = stated.rate_date
    if rate_date is None:
        rate_date = known.rate_date if known and stated.rate is None else _today(organization)
    source = known.source if known and stated.source is None else stated.source or ""
    return DisplayCurrency(code, rate_micros, rate_date, source)


def shown_beside(nanos: int | None, organization: Organization) -> str:
    """Return the line that says what an amount is in the display currency, and by which rate; "" without either."""
    currency = organization.display_currency
    if nanos is None or currency is None:
        return ""
    shown: ShownAmount = show_amount(nanos, currency, organization.language)
    return f"{shown.text} at {currency.told}"


def _today(organization: Organization) -> str:
    return utc(now_us()).astimezone(ZoneInfo(organization.timezone)).date().isoformat()
