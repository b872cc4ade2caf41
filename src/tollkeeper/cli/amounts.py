"""Amounts of dollars as they are typed on the command line."""

from __future__ import annotations

from tollkeeper.control.blueprint.document import Form
from tollkeeper.control.blueprint.forms import SCALARS
from tollkeeper.domain.errors import InvalidRequest


def parse_amount(text: str, *, is_none_good: bool = False) -> int | None:
    """Read dollars as nano-USD; `none` is None where that is good.

    Raises:
        InvalidRequest: it is no amount, or out of bounds.
    """
    if is_none_good and text.lower() == "none":
        return None
    return parse_dollars(text)


def parse_dollars(text: str) -> int:
    """Read dollars, with or without the sign before them, as nano-USD.

    Raises:
        InvalidRequest: it is no amount, or out of bounds.
    """
    try:
        nanos: int = SCALARS[Form.USD](text.removeprefix("$"))
    except ValueError as error:
        raise InvalidRequest(f"{error}.", param="amount") from None
    return nanos
