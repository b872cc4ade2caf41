"""Checks of request fields; each raises the 400 that Google would send. Names in snake_case are understood, as there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.gemini.errors import refuse

if TYPE_CHECKING:
    from collections.abc import Collection

    from tollkeeper_simulator.dialect import Json

_FREE = frozenset(
    {"args", "response", "responseJsonSchema", "_responseJsonSchema", "parametersJsonSchema", "default", "example"}
)


def camel(value: Any, name: str = "") -> Any:
    """Return a body with the names of its fields in camelCase; what the caller named itself stays as it is."""
    if isinstance(value, list):
        return [camel(each, name) for each in value]
    if not isinstance(value, dict) or name in _FREE:
        return value
    if name == "properties":
        return {key: camel(each) for key, each in value.items()}
    return {_camel(key): camel(each, _camel(key)) for key, each in value.items()}


def known_only(body: Json, known: Collection[str], where: str = "") -> None:
    """Refuse the first field that this message does not have."""
    for name in body:
        if name not in known:
            place = f" at '{where}'" if where else ""
            message = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
            raise refuse(message, where or name)


def mapping(value: object, where: str) -> Json:
    """Return an object; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        message = f"Invalid value at '{where}', expected an object."
        raise refuse(message, where)
    return value


def items(value: object, where: str) -> list[Any]:
    """Return a list; None is an empty one, and a single object a list of it, as in Google's JSON."""
    if value is None:
        return []
    if not isinstance(value, list | dict):
        message = f"Invalid value at '{where}', {value!r}"
        raise refuse(message, where)
    return value if isinstance(value, list) else [value]


def text(value: object, where: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        message = f"Invalid value at '{where}' (TYPE_STRING), {value!r}"
        raise refuse(message, where)
    return value


def integer(body: Json, name: str, where: str, *, low: int, high: int | None = None) -> int | None:
    """Return a whole number within bounds; None when it is absent or null. A number in a string counts, as in Google's JSON."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.lstrip("-").isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"Invalid value at '{where}.{name}' (TYPE_INT32), {value!r}"
        raise refuse(message, f"{where}.{name}")
    if value < low or (high is not None and value > high):
        bounds = f"from {low} (inclusive) to {high + 1} (exclusive)" if high is not None else f"of at least {low}"
        message = (
            f"Unable to submit request because it has a {name} value of {value} but the supported range is {bounds}."
        )
        raise refuse(message)
    return value


def number(body: Json, name: str, where: str, *, low: int, high: int) -> None:
    """Check a number within bounds, if it is there."""
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"Invalid value at '{where}.{name}' (TYPE_FLOAT), {value!r}"
        raise refuse(message, f"{where}.{name}")
    if not low <= value <= high:
        message = f"Invalid value at '{where}.{name}': {value} is outside [{low}, {high}]."
        raise refuse(message, f"{where}.{name}")


def choice(value: object, allowed: Collection[str], where: str) -> str | None:
    """Return one of the allowed words; None when it is absent or null."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in allowed:
        message = f"Invalid value at '{where}', \"{value}\""
        raise refuse(message, where)
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return name if not first else first + "".join(part[:1].upper() + part[1:] for part in rest)
