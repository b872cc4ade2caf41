"""Reading what translations get: members of a client's decoded JSON, checked as they are taken, and events' data. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tollkeeper.domain.errors import InvalidRequest

_USUAL_EVENT = re.compile(rb"(?:event:[^\r\n]*\r?\n)?data: ?([^ \r\n][^\r\n]*)\r?\n\r?\n")
_KINDS = {str: "a text", bool: "true or false", int: "an integer", float: "a number", list: "a list", dict: "an object"}


def refused(message: str, at: str) -> InvalidRequest:
    return InvalidRequest(f"'{at}' {message}", param=at)


def wrong_type(value: Any, at: str, wanted: str) -> InvalidRequest:
    found = "null" if value is None else _KINDS.get(type(value), "something else")
    return InvalidRequest(f"Invalid type for '{at}': expected {wanted}, but got {found} instead.", param=at)


def as_text(value: Any, at: str) -> str:
    """Raise InvalidRequest for what is no text."""
    if isinstance(value, str):
        return value
    raise wrong_type(value, at, "a text")


def as_object(value: Any, at: str) -> dict[str, Any]:
    """Raise InvalidRequest for what is no object."""
    if isinstance(value, dict):
        return value
    raise wrong_type(value, at, "an object")


def as_list(value: Any, at: str) -> list[Any]:
    """Raise InvalidRequest for what is no list."""
    if isinstance(value, list):
        return value
    raise wrong_type(value, at, "a list")


def as_flag(value: Any, at: str) -> bool:
    """Raise InvalidRequest for what is neither true nor false."""
    if isinstance(value, bool):
        return value
    raise wrong_type(value, at, "true or false")


def as_count(value: Any, at: str, *, least: int = 1) -> int:
    """Raise InvalidRequest for what is no integer of at least `least`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(value, at, "an integer")
    if value < least:
        raise refused(f"must be at least {least}.", at)
    return value


def as_number(value: Any, at: str, *, most: int) -> int | float:
    """Raise InvalidRequest for what is no number from 0 to `most`."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type(value, at, "a number")
    if not 0 <= value <= most:
        raise refused(f"must be from 0 to {most}.", at)
    return value


def text_in(holder: dict[str, Any], name: str, at: str) -> str:
    """Return a member that must be a text.

    Raises:
        InvalidRequest: it is missing or none.
    """
    value = holder.get(name)
    if isinstance(value, str):
        return value
    if name not in holder:
        raise missing(f"{at}.{name}")
    raise wrong_type(value, f"{at}.{name}", "a text")


def missing(at: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{at}'.", param=at)


def encoded(value: Any, at: str) -> str:
    """Return a value of the client's as JSON text.

    Raises:
        InvalidRequest: it holds what JSON in UTF-8 cannot: half a surrogate pair.
    """
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeError, OverflowError, RecursionError):
        raise refused("cannot be written as JSON.", at) from None


def safe_id(value: str, allowed: re.Pattern[str]) -> str:
    """Return an id that the target takes: the same when it is allowed, else one made from it, always the same one."""
    if allowed.fullmatch(value):
        return value
    return "call_" + hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def event_data(events: bytes) -> list[bytes]:
    """Return the data of each of the server-sent events that has some; there are whole ones only.

    https://html.spec.whatwg.org/multipage/server-sent-events.html (2026-11): names, ids and comments are passed over.
    """
    found: list[bytes] = []
    at, end = 0, len(events)
    while at < end:
        usual = _USUAL_EVENT.match(events, at)
        if usual is None:
            return [*found, *_data_by_line(events[at:])]
        found.append(usual[1])
        at = usual.end()
    return found


def _data_by_line(events: bytes) -> Iterator[bytes]:
    data: list[bytes] = []
    for line in events.splitlines():
        if not line:
            if data:
                if any(data):
                    yield b"\n".join(data)
                data.clear()
        elif line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
    if any(data):
        yield b"\n".join(data)
