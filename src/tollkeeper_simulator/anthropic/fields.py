"""Checks of request fields; each raises the 400 that Anthropic would send, which names the field first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.anthropic.errors import refuse

if TYPE_CHECKING:
    from collections.abc import Collection

    from tollkeeper_simulator.dialect import Json


def known_only(body: Json, known: frozenset[str], where: str = "") -> None:
    """Refuse the first field that this object does not have."""
    for name in body:
        if name not in known:
            message = f"{where}{name}: Extra inputs are not permitted"
            raise refuse(message)


def required(body: Json, name: str, where: str = "") -> Any:
    """Return a field that must be there."""
    if body.get(name) is None:
        message = f"{where}{name}: Field required"
        raise refuse(message)
    return body[name]


def text(value: object, where: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        message = f"{where}: Input should be a valid string"
        raise refuse(message)
    return value


def items(value: object, where: str) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        message = f"{where}: Input should be a valid list"
        raise refuse(message)
    return value


def mapping(value: object, where: str) -> Json:
    """Return an object."""
    if not isinstance(value, dict):
        message = f"{where}: Input should be an object"
        raise refuse(message)
    return value


def integer(body: Json, name: str, low: int, where: str = "") -> int | None:
    """Return a whole number of at least `low`; None when it is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{where}{name}: Input should be a valid integer"
        raise refuse(message)
    if value < low:
        message = f"{where}{name}: Input should be greater than or equal to {low}"
        raise refuse(message)
    return value


def number(body: Json, name: str, low: int, high: int) -> None:
    """Check a number within bounds, if it is there."""
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{name}: Input should be a valid number"
        raise refuse(message)
    if not low <= value <= high:
        message = f"{name}: range: {low}..{high}"
        raise refuse(message)


def flag(body: Json, name: str, where: str = "") -> bool:
    """Return a boolean; absent and null are False."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        message = f"{where}{name}: Input should be a valid boolean"
        raise refuse(message)
    return value


def choice(body: Json, name: str, allowed: Collection[str], where: str = "") -> str | None:
    """Return one of the allowed words; None when it is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(f"'{word}'" for word in allowed)
        message = f"{where}{name}: Input should be {words}"
        raise refuse(message)
    return value


def wrong_tag(where: str, given: object, allowed: Collection[str]) -> Exception:
    """Return the 400 for an object whose `type` is not one of the allowed ones."""
    words = ", ".join(f"'{word}'" for word in allowed)
    message = f"{where}: Input tag '{given}' found using 'type' does not match any of the expected tags: {words}"
    return refuse(message)
