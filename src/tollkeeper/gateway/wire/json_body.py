"""Reading a whole JSON body from outside, where its decisive fields alone are not enough. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tollkeeper.domain.errors import InvalidRequest

T = TypeVar("T")
_MODEL_MEMBER = re.compile(rb'("model"\s*:\s*)"(?:[^"\\]|\\.)*"')


def load(body: bytes, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Read the whole body.

    Raises:
        InvalidRequest: it is nested too deeply, or holds a number that no parser takes.
    """
    try:
        return json.loads(body, object_pairs_hook=hook)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except ValueError as error:
        raise InvalidRequest(f"The body cannot be read: {error}.") from None


class _TwiceError(Exception):
    """A name stands twice in one object, where parsers differ on which one counts."""


def load_unambiguous(body: bytes) -> dict[str, Any] | None:
    """Read a body that has been parsed before; None when a name stands twice in one object, anywhere in it."""
    try:
        fields: dict[str, Any] = load(body, _once)
    except _TwiceError:
        return None
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _TwiceError
    return fields


def named(error: msgspec.ValidationError) -> InvalidRequest:
    """Turn a validation error into one that names the field, as providers do."""
    text, _, path = str(error).partition(" - at `$.")
    param = path.rstrip("`").partition(".")[0].partition("[")[0] or None
    if text.startswith("Object missing required field"):
        param = text.split("`")[1]
        return InvalidRequest(f"Missing required parameter: '{param}'.", param=param)
    where = f" for '{param}'" if param else ""
    return InvalidRequest(f"Invalid type{where}: {text[:1].lower()}{text[1:]}.", param=param)


def checked(body: bytes, decode: Callable[[bytes], T]) -> T:
    """Return what `decode` reads of a body from outside.

    Raises:
        InvalidRequest: it is not JSON, not UTF-8, nested too deeply, or has other fields; `param` names the field.
    """
    try:
        if not body.isascii():
            body.decode()
        return decode(body)
    except msgspec.ValidationError as error:
        raise named(error) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not valid UTF-8 (at byte {error.start}).") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def with_model(body: bytes, model: str) -> bytes:
    """Return a body in which its one member `model`, not escaped, has another value."""
    name = msgspec.json.encode(model)
    return _MODEL_MEMBER.sub(lambda found: found[1] + name, body, count=1)
