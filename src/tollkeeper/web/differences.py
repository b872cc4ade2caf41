"""What an audit event says of before and after, as a list of differences: name by name, the parts of an object one by one."""

from __future__ import annotations

from typing import Any

import msgspec

SHOWN_MAX = 4
_LENGTH_MAX = 160
_DEPTH_MAX = 4
_encode = msgspec.json.Encoder().encode  # what is the same in JSON is the same: 0 is not false


class Difference(msgspec.Struct, frozen=True):
    """A thing that changed; "" stands for nothing."""

    name: str
    before: str
    after: str


class Differences(msgspec.Struct, frozen=True):
    """What changed; `further` counts those that are not listed."""

    listed: tuple[Difference, ...]
    further: int


def differences_of(before: str, after: str, *, most: int | None = SHOWN_MAX) -> Differences:
    """Return how two states differ, which are JSON texts; what is none is shown as it is.

    With `most` no more than so many are listed, and long texts are cut.
    """
    old, new = _flat("", _decoded(before), 0), _flat("", _decoded(after), 0)
    names = sorted(name for name in {**old, **new} if _encode(old.get(name)) != _encode(new.get(name)))
    found = tuple(Difference(name, _text(old.get(name)), _text(new.get(name))) for name in names)
    if most is None:
        return Differences(found, 0)
    listed = tuple(Difference(each.name, _cut(each.before), _cut(each.after)) for each in found[:most])
    return Differences(listed, len(found) - len(listed))


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text  # a log that somebody tampered with is still to be read


def _flat(name: str, value: Any, depth: int) -> dict[str, Any]:
    parts: dict[Any, Any] | None = None
    if isinstance(value, dict):
        parts = value
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        parts = dict(enumerate(value, start=1))
    if parts is not None and depth < _DEPTH_MAX:
        found: dict[str, Any] = {}
        for key, part in parts.items():
            found |= _flat(f"{name}.{key}" if name else str(key), part, depth + 1)
        return found
    return {} if value is None or value in ("", [], {}) else {name: value}


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return _encode(value).decode()


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH_MAX else f"{text[:_LENGTH_MAX]}…"
