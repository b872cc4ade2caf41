"""How single fields of an organization's file are written: read from a text with its rules, and shown as a text again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tollkeeper.control.blueprint.document import AlertEntry, Form
from tollkeeper.control.display_currency import check_code, check_day
from tollkeeper.control.key_making import RATE_MAX
from tollkeeper.control.names import check_name
from tollkeeper.control.organizations import KEY_AGE_MAX_DAYS, MONTH_START_MAX
from tollkeeper.domain.account import normalise_email
from tollkeeper.domain.currency import format_rate, parse_rate
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.key_terms import check_addresses, check_labels, check_models
from tollkeeper.domain.label import check_label
from tollkeeper.domain.money import NANOS_PER_USD, format_usd, parse_usd
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.timezone import check_timezone
from tollkeeper.kit.nearest import did_you_mean

AMOUNT_USD_MAX = 1_000_000_000
COUNT_MAX = 1_000_000_000_000
ALERTS_MAX = 20
MODEL_LIMITS_MAX = 100
MODEL_NAME_LENGTH_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"[0-9]{1,18}")


def read_whole(text: str, *, at_least: int, at_most: int) -> int:
    """Read a whole number within bounds.

    Raises:
        ValueError: it is none, or out of bounds.
    """
    if not _WHOLE.fullmatch(text) or not at_least <= int(text) <= at_most:
        raise ValueError(f"'{text[:30]}' is not a whole number from {at_least:,} to {at_most:,}")
    return int(text)


def read_time(text: str) -> int:
    """Read a moment as microseconds since 1970; without an offset it is UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text[:50]}' is not a time such as 2027-01-31T09:00:00Z") from None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def show_time(at_us: int) -> str:
    """Show a moment as ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")


def show_usd(nanos: int) -> str:
    """Show an amount with all its digits and no more."""
    return format_usd(nanos, places_min=0)


def show_threshold(permille: int) -> str:
    """Show thousandths as a decimal: 750 is 0.75."""
    whole, part = divmod(permille, 1000)
    digits = f"{part:03d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def _read_usd(text: str) -> int:
    nanos = parse_usd(text)
    if not 0 <= nanos <= AMOUNT_USD_MAX * NANOS_PER_USD:
        raise ValueError(f"an amount is from 0 to {AMOUNT_USD_MAX:,} dollars")
    return nanos


def _read_threshold(text: str) -> int:
    try:
        permille = parse_usd(text, unit_per_usd=1000)
    except ValueError:
        permille = 0
    if not 1 <= permille <= 1000:
        raise ValueError(f"'{text[:30]}' is no part of a budget such as 0.75, from 0.001 to 1")
    return permille


def _read_permission(text: str) -> str:
    if text not in PERMISSIONS:
        raise ValueError(f"there is no permission '{text[:64]}'.{did_you_mean(text, sorted(PERMISSIONS))}")
    return text


def _read_model(text: str) -> str:
    if not 1 <= len(text) <= MODEL_NAME_LENGTH_MAX or not text.isprintable():
        raise ValueError(f"a model's name has 1 to {MODEL_NAME_LENGTH_MAX} printable characters")
    return text


def _read_timezone(text: str) -> str:
    check_timezone(text)
    return text


def _read_label_name(text: str) -> str:
    fault = check_label(text, "")
    if fault:
        raise ValueError(fault)
    return text


def _sorted_alerts(alerts: tuple[AlertEntry, ...]) -> tuple[AlertEntry, ...]:
    if len(alerts) > ALERTS_MAX:
        raise ValueError(f"a project has at most {ALERTS_MAX} alerts")
    return tuple(sorted(set(alerts), key=lambda each: (each.permille, each.action)))


def _few_models(limits: dict[str, Any]) -> dict[str, Any]:
    if len(limits) > MODEL_LIMITS_MAX:
        raise ValueError(f"a project has limits for at most {MODEL_LIMITS_MAX} models")
    return dict(sorted(limits.items()))


SCALARS: dict[Form, Callable[[str], Any]] = {
    Form.NAME: check_name,
    Form.EMAIL: normalise_email,
    Form.TIMEZONE: _read_timezone,
    Form.PERMISSION: _read_permission,
    Form.MODEL: _read_model,
    Form.PATTERN: lambda text: check_models([text])[0],
    Form.ADDRESS: lambda text: check_addresses([text])[0],
    Form.USD: _read_usd,
    Form.THRESHOLD: _read_threshold,
    Form.TIME: read_time,
    Form.COUNT: lambda text: read_whole(text, at_least=0, at_most=COUNT_MAX),
    Form.RATE: lambda text: read_whole(text, at_least=1, at_most=RATE_MAX),
    Form.AGE: lambda text: read_whole(text, at_least=1, at_most=KEY_AGE_MAX_DAYS),
    Form.MONTH_START: lambda text: read_whole(text, at_least=1, at_most=MONTH_START_MAX),
    Form.CURRENCY: check_code,
    Form.EXCHANGE_RATE: parse_rate,
    Form.DAY: check_day,
    Form.LABEL_NAME: _read_label_name,
    Form.VERSION: lambda text: read_whole(text, at_least=1, at_most=1),
}
"""How a text is read. Raises InvalidRequest or ValueError."""

WHOLES: dict[Form, Callable[[Any], Any]] = {
    Form.LABELS: check_labels,
    Form.ALERTS: _sorted_alerts,
    Form.MODELS: _few_models,
}
"""What is checked of a list or a mapping when its parts are read. Raises InvalidRequest or ValueError."""

SHOWN: dict[Form, Callable[[Any], str]] = {
    Form.USD: show_usd,
    Form.THRESHOLD: show_threshold,
    Form.TIME: show_time,
    Form.EXCHANGE_RATE: format_rate,
}
"""How a value is shown that is not what was written."""

NUMBERS = frozenset(
    {
        Form.USD,
        Form.THRESHOLD,
        Form.COUNT,
        Form.RATE,
        Form.AGE,
        Form.MONTH_START,
        Form.EXCHANGE_RATE,
        Form.VERSION,
    }
)
"""What needs no quotes."""


def fault_of(error: InvalidRequest | ValueError) -> str:
    """Return what is wrong, to stand behind the place where it is."""
    text = error.message if isinstance(error, InvalidRequest) else str(error)
    return text.removesuffix(".")
