"""Checks of a client's decoded body that only translations to Gemini make: known fields, bounds, choices, lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tollkeeper.gateway.wire.translation import FieldRule
from tollkeeper.gateway.wire.translation_reading import as_list, as_object, as_text, missing, refused, wrong_type

JsonObject = dict[str, Any]

TOKENS_MAX = 10_000_000
NAME_LENGTH_MAX = 64  # of an unknown field, in a message


def check_fields(fields: JsonObject, rules: Mapping[str, FieldRule]) -> None:
    """See that every top-level field is one that can be said to Gemini.

    Raises:
        InvalidRequest: a field is unknown, or set although it is refused.
    """
    for name, value in fields.items():
        rule = rules.get(name)
        if rule is None:
            raise refused("is not a field that can be translated for Gemini models.", name[:NAME_LENGTH_MAX])
        if rule.how == "refused" and value not in (None, False, [], {}):
            raise refused(f"cannot be used with Gemini models: {rule.note}.", name)


def check_names(found: JsonObject, at: str, known: tuple[str, ...]) -> None:
    """Raise InvalidRequest for a member that is not among the known."""
    for name in found:
        if name not in known:
            raise refused("cannot be translated for Gemini models.", f"{at}.{name[:NAME_LENGTH_MAX]}")


def as_number(value: Any, at: str, *, least: int, most: int) -> int | float:
    """Raise InvalidRequest for what is no number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(value, at, "a number")
    if not least <= value <= most:
        raise refused(f"must be from {least} to {most}.", at)
    return value


def as_count(value: Any, at: str, *, least: int = 1, most: int = TOKENS_MAX) -> int:
    """Raise InvalidRequest for what is no integer from `least` to `most`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(value, at, "an integer")
    if not least <= value <= most:
        raise refused(f"must be from {least} to {most}.", at)
    return value


def as_choice(value: Any, at: str, choices: tuple[str, ...]) -> str:
    """Raise InvalidRequest for what is none of the choices."""
    if value is None:
        raise missing(at)
    text = as_text(value, at)
    if text not in choices:
        raise refused(f"must be one of {', '.join(choices)}.", at)
    return text


def objects(value: Any, at: str) -> Iterator[tuple[JsonObject, str]]:
    """Yield the objects of a list, each with its place.

    Raises:
        InvalidRequest: it is no list, or one of them no object.
    """
    for number, item in enumerate(as_list(value, at)):
        place = f"{at}[{number}]"
        yield as_object(item, place), place


def texts(value: Any, at: str, *, most: int) -> list[str]:
    """Return a list of at most `most` texts.

    Raises:
        InvalidRequest: it is none.
    """
    found = [as_text(item, f"{at}[{number}]") for number, item in enumerate(as_list(value, at))]
    if len(found) > most:
        raise refused(f"may hold at most {most} texts.", at)
    return found
