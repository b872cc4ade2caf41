"""Reading a whole JSON body from outside, where its decisive fields alone are not enough. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tollkeeper.domain.errors import InvalidRequest

T = TypeVar("T")
CONTAINERS_MAX = 300_000
"""Objects and lists of a body: Anthropic takes 100,000 messages, of which each may be an object with a list with a block
(platform.claude.com/docs/en/api/messages, read 2026-11-22)."""
COMMAS_MAX = 1_000_000
"""Between members and items; OpenAI takes 300,000 tokens as numbers (openai-openapi v2.3.0, 2026-08-21)."""
_STRINGS_MAX = CONTAINERS_MAX + 2 * COMMAS_MAX + 2
_OTHERS = bytes(set(range(256)) - set(b'"{[,'))
_STRING = re.compile(rb'"[^"]*"')
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
        InvalidRequest: it is not JSON, not UTF-8, nested too deeply, of too many parts, or has other fields; `param` names
            the field.
    """
    if len(body) > CONTAINERS_MAX:
        check_parts(body)
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


def written(fields: dict[str, Any]) -> bytes:
    """Write a body that was read with `load`.

    Raises:
        InvalidRequest: it holds a number beyond what JSON's readers take, which would go out as no JSON.
    """
    try:
        return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise InvalidRequest("The body holds a number that JSON cannot carry.") from None


def check_parts(body: bytes) -> None:
    """Pass when a body has no more parts than can be read without holding up everybody else.

    Raises:
        InvalidRequest: it has.
    """
    if _has_few_parts(body):
        return
    if b"\\" in body:  # rare: a long text of many braces or commas, as code has them
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    left = body.translate(None, _OTHERS)
    if left.count(b'"') > 2 * _STRINGS_MAX or not _has_few_parts(_STRING.sub(b"", left)):
        raise InvalidRequest(
            f"The body has too many parts: at most {CONTAINERS_MAX} objects and lists and {COMMAS_MAX} commas between "
            "members and items are taken."
        )


def _has_few_parts(body: bytes) -> bool:
    return body.count(b"{") + body.count(b"[") <= CONTAINERS_MAX and body.count(b",") <= COMMAS_MAX


def with_model(body: bytes, model: str) -> bytes:
    """Return a body in which its one member `model`, not escaped, has another value."""
    name = msgspec.json.encode(model)
    return _MODEL_MEMBER.sub(lambda found: found[1] + name, body, count=1)
