"""The Gemini dialect, requests: the fields that a call is decided by, read and checked. Pure.

Names come in camel case or as in the protocol buffers, with underscores: both are taken, never both at once.
Wire shapes: https://ai.google.dev/api/generate-content (read 2026-11-22), `google-genai` 3.3 types (2026-11).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.call import OUTPUT_TOKENS_MAX
from tollkeeper.gateway.wire.json_body import checked, load_unambiguous, named
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX

CANDIDATES_MAX = 128
_NEEDED = ("contents",)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_DECISIVE = (
    b'contents"', b'onfig"', b'utputTokens"', b'utput_tokens"', b'Count"', b'_count"', b'tools"', b'achedContent"',
    b'ached_content"', b'erviceTier"', b'ervice_tier"',
)  # fmt: skip
"""How names that decide end. One that may stand twice, or is hidden by an escape, has the body read as a whole."""
_UNDERSCORE = re.compile(r"_([a-z0-9])")


class GenerationConfig(msgspec.Struct):
    """What bounds the output."""

    candidate_count: Annotated[int, msgspec.Meta(ge=1, le=CANDIDATES_MAX)] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)] | None = None


class GeminiBody(msgspec.Struct):
    """A request for content, as far as it is consulted; what is no text is looked at when it is needed."""

    config: GenerationConfig
    tools: list[Any]
    service_tier: str | None
    has_cached_content: bool


def read_fields(body: bytes) -> GeminiBody:
    """Return the fields of a body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing, has a wrong type or stands twice; `param` names it.
    """
    return checked(body, _read)


def _read(body: bytes) -> GeminiBody:
    members = canonical(_decode_members(body))
    for name in _NEEDED:
        if name not in members:
            raise InvalidRequest(f"Missing required parameter: '{name}'.", param=name)
    if _may_be_ambiguous(body):
        _check_once(body)
    tier = _text(members.get("serviceTier"), "serviceTier")
    return GeminiBody(
        _config(members.get("generationConfig")),
        _list(members.get("tools"), "tools"),
        tier,
        _is_stated(members.get("cachedContent")),
    )


def canonical(members: dict[str, Any]) -> dict[str, Any]:
    """Return members by their names in camel case.

    Raises:
        InvalidRequest: one stands in both ways of writing.
    """
    found: dict[str, Any] = {}
    for name, value in members.items():
        camel = _UNDERSCORE.sub(lambda each: each[1].upper(), name) if "_" in name else name
        if camel in found:
            raise InvalidRequest(f"'{camel}' stands twice in the body.", param=camel)
        found[camel] = value
    return found


def _may_be_ambiguous(body: bytes) -> bool:
    for name in _DECISIVE:  # on the path of every call: no generator
        if body.count(name) > 1:
            return True
    return body.find(b"\\u00") >= 0 and _ESCAPED_LETTER.search(body) is not None


def _check_once(body: bytes) -> None:
    if load_unambiguous(body) is None:
        raise InvalidRequest("A name stands twice in one object of the body.")


def _config(raw: msgspec.Raw | None) -> GenerationConfig:
    if not _is_stated(raw):
        return GenerationConfig()
    try:
        members = canonical(_decode_members(raw or b"{}"))
        stated = {
            "candidate_count": members.get("candidateCount"),
            "max_output_tokens": members.get("maxOutputTokens"),
        }
        decoded = {name: msgspec.json.decode(value) for name, value in stated.items() if value and _is_stated(value)}
        return msgspec.convert(decoded, GenerationConfig)
    except msgspec.ValidationError as error:
        inner = named(error)
        raise InvalidRequest(f"generationConfig: {inner.message}", param="generationConfig") from None


def _list(raw: msgspec.Raw | None, name: str) -> list[Any]:
    if not _is_stated(raw):
        return []
    found = msgspec.json.decode(raw or b"[]")
    if not isinstance(found, list):
        raise InvalidRequest(f"Invalid type for '{name}': expected `array`.", param=name)
    return found


def _text(raw: msgspec.Raw | None, name: str) -> str | None:
    if not _is_stated(raw):
        return None
    found = msgspec.json.decode(raw or b'""')
    if not isinstance(found, str) or len(found) > SERVICE_TIER_LENGTH_MAX or not found.isprintable():
        raise InvalidRequest(f"Invalid value for '{name}'.", param=name)
    return found


def _is_stated(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(memoryview(raw)[:4]) != b"null"
