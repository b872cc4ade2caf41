"""A line's place in an answer of /v1/usage as one opaque word, and back, checked."""

from __future__ import annotations

import base64
import binascii

import msgspec

from tollkeeper.control.usage_lines import Cursor
from tollkeeper.domain.errors import InvalidRequest

CURSOR_LENGTH_MAX = 4096
_TIME_US_MAX = 2**53
_VALUES_MAX, _VALUE_LENGTH_MAX = 16, 512


def write_cursor(cursor: Cursor) -> str:
    """Return a cursor as URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def read_cursor(text: str | None) -> Cursor | None:
    """Read what `write_cursor` wrote.

    Raises:
        InvalidRequest: it is something else.
    """
    if text is None:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Cursor)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise _unknown() from None
    times_are_good = 0 <= cursor.from_us < cursor.to_us <= _TIME_US_MAX
    values = [value for value in cursor.values if value is not None]
    if not times_are_good or len(cursor.values) > _VALUES_MAX or any(map(_is_bad, values)):
        raise _unknown()
    return cursor


def _is_bad(value: str) -> bool:
    return len(value) > _VALUE_LENGTH_MAX or "\0" in value


def _unknown() -> InvalidRequest:
    return InvalidRequest("Invalid 'after': use 'last_id' of the page before, with the same query.", param="after")
