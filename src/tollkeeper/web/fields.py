"""What people write into forms, read as what it means: whole numbers, amounts of dollars, lists of one entry a line."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TypeVar

from tollkeeper.domain.alert import THRESHOLD_PERMILLE_MAX
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import parse_usd
from tollkeeper.web.visitor import Sent, Visitor

T = TypeVar("T")

NUMBER_MAX = 10**15 - 1
DAYS = (date(1971, 1, 1), date(2099, 12, 31))
"""Calendars can add to any day within."""
_END_MAX = date(2199, 12, 31)
_PERCENT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]))?")
_WHOLE = re.compile(r"[0-9]+")
_GROUPED = re.compile(r"\$?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_ENTRIES_MAX = 500


def ungrouped(sent: Sent, name: str) -> str:
    """Return a number without the commas between its thousands.

    Raises:
        InvalidRequest: a comma stands elsewhere. Some write decimals with it: 0,5 must not become 5.
    """
    text = sent[name].strip()
    if "," in text and _GROUPED.fullmatch(text) is None:
        raise InvalidRequest("Write decimals with a point, such as 0.5; commas only between thousands.", param=name)
    return text.replace(",", "")


def whole_number(sent: Sent, name: str) -> int | None:
    """Return a field as a whole number; None when it is left empty.

    Raises:
        InvalidRequest: it is none, or larger than any that means something here.
    """
    text = ungrouped(sent, name)
    if not text:
        return None
    if _WHOLE.fullmatch(text) is None:
        raise InvalidRequest("Write a whole number without a sign.", param=name)
    if len(text) > len(str(NUMBER_MAX)):
        raise InvalidRequest(f"The largest number here is {NUMBER_MAX:,}.", param=name)
    return int(text)


def threshold(sent: Sent, name: str) -> int:
    """Return a part of a budget, written in percent with a decimal or none, as thousandths.

    Raises:
        InvalidRequest: it is no such number, or none at which anything can happen.
    """
    found = _PERCENT.fullmatch(sent[name].strip().removesuffix("%").rstrip())
    permille = int(found[1]) * 10 + int(found[2] or 0) if found else 0
    if not 1 <= permille <= THRESHOLD_PERMILLE_MAX:
        raise InvalidRequest(
            f"Write percent from 0.1 to {THRESHOLD_PERMILLE_MAX // 10} with at most one decimal, such as 80 or 12.5.",
            param=name,
        )
    return permille


def dollars(sent: Sent, name: str) -> int:
    """Return a field as nano-dollars.

    Raises:
        InvalidRequest: it is no amount.
    """
    text = ungrouped(sent, name).removeprefix("$")
    try:
        return parse_usd(text)
    except ValueError:
        raise InvalidRequest("Write an amount in dollars, such as 500 or 12.50.", param=name) from None


def lines_in(text: str) -> list[str]:
    """Return the entries of a list that is written one a line, or with commas.

    Raises:
        InvalidRequest: more entries than anybody writes by hand.
    """
    found = [each.strip() for each in re.split(r"[\n,]", text) if each.strip()]
    if len(found) > _ENTRIES_MAX:
        raise InvalidRequest(f"A list may have {_ENTRIES_MAX} entries.")
    return found


def read_day(text: str, param: str, *, last: date = DAYS[1]) -> date | None:
    """Return the day that a field says; None when it is left empty.

    Raises:
        InvalidRequest: it is no day, or one that is out of bounds.
    """
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("A day is written like 2026-11-23.", param=param) from None
    if not DAYS[0] <= found <= last:
        raise InvalidRequest(f"Choose a day from {DAYS[0]} to {last}.", param=param)
    return found


def check_order(first: date | None, last: date | None) -> None:
    """Pass two days that are in order, or of which one is open.

    Raises:
        InvalidRequest: the last one is before the first.
    """
    if first is not None and last is not None and last < first:
        raise InvalidRequest("The last day must not be before the first one.", param="to")


def end_of_day(visitor: Visitor, name: str) -> int | None:
    """Return when the day of a form's field ends for the organization; None for no day.

    Raises:
        InvalidRequest: it is no day, or one that is out of bounds.
    """
    day = read_day(visitor.form[name], name, last=_END_MAX)
    return None if day is None else visitor.figures.midnight_us(day + timedelta(days=1))


def chosen(sent: Sent, name: str, choices: dict[T, str]) -> T:
    """Return which of the choices, given with their titles, a field names.

    Raises:
        InvalidRequest: none of them.
    """
    found = next((each for each in choices if str(each) == sent[name]), None)
    if found is None:
        raise InvalidRequest(f"Choose one of {', '.join(str(each) for each in choices)}.", param=name)
    return found
