"""Reads the request of any route: what it asks for, by its path, its query and its body. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args
from urllib.parse import parse_qs

import msgspec

from tollkeeper.gateway.wire import anthropic, gemini, gemini_embeddings, media, openai, responses
from tollkeeper.gateway.wire.call import Call, Operation
from tollkeeper.gateway.wire.media_body import MediaOperation
from tollkeeper.gateway.wire.openai_body import OpenAIOperation
from tollkeeper.gateway.wire.translation import Dialect

_OPERATIONS: dict[str, tuple[Operation, Dialect]] = {
    "/v1/chat/completions": ("chat.completions", "openai"),
    "/v1/completions": ("completions", "openai"),
    "/v1/embeddings": ("embeddings", "openai"),
    "/v1/messages": ("messages", "anthropic"),
    "/v1/responses": ("responses", "openai"),
    "/v1/moderations": ("moderations", "openai"),
    "/v1/images/generations": ("images.generations", "openai"),
    "/v1/images/edits": ("images.edits", "openai"),
    "/v1/images/variations": ("images.variations", "openai"),
    "/v1/audio/speech": ("audio.speech", "openai"),
    "/v1/audio/transcriptions": ("audio.transcriptions", "openai"),
    "/v1/audio/translations": ("audio.translations", "openai"),
}
_QUERY_FIELDS_MAX = 32
_PLAIN: dict[Operation, OpenAIOperation] = {each: each for each in get_args(OpenAIOperation)}
_MEDIA: dict[Operation, MediaOperation] = {each: each for each in get_args(MediaOperation)}
_NO_HEADERS: Mapping[bytes, bytes] = {}
_GEMINI_PREFIXES = ("/v1beta/models/", "/v1/models/")
_GEMINI_METHODS: dict[str, tuple[Operation, bool]] = {
    "generateContent": ("generate_content", False),
    "streamGenerateContent": ("generate_content", True),
    "embedContent": ("embeddings", False),
    "batchEmbedContents": ("embeddings", False),
}


class Asked(msgspec.Struct, frozen=True):
    """What a path asks for. A path of Gemini's names the model and the method, which says whether the answer is a stream."""

    operation: Operation
    dialect: Dialect
    model: str = ""
    is_stream: bool = False
    method: str = ""


_OF_PATH = {path: Asked(*found) for path, found in _OPERATIONS.items()}
ROUTES: dict[str, Operation] = {
    **{path: operation for path, (operation, _) in _OPERATIONS.items()},
    **{f"/v1beta/models/{{model}}:{method}": operation for method, (operation, _) in _GEMINI_METHODS.items()},
}
"""For people: the paths that are served, with what they ask for."""


def asked_of(path: str) -> Asked | None:
    """Return what a path asks for; None when that is no call of a model."""
    asked = _OF_PATH.get(path)
    if asked is not None:
        return asked
    for prefix in _GEMINI_PREFIXES:
        if path.startswith(prefix):
            model, colon, method = path[len(prefix) :].rpartition(":")
            if colon and method in _GEMINI_METHODS:
                operation, is_stream = _GEMINI_METHODS[method]
                return Asked(operation, "gemini", model, is_stream, method)
    return None


def parse(asked: Asked, body: bytes, query: bytes = b"", headers: Mapping[bytes, bytes] = _NO_HEADERS) -> Call:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    operation = asked.operation
    plain = _PLAIN.get(operation)
    if plain is not None and asked.dialect == "openai":
        return openai.parse(plain, body)
    if operation == "messages":
        return anthropic.parse(body)
    if operation == "generate_content":
        is_array = query_value(query, "alt") != "sse"
        return gemini.parse(body, asked.model, is_stream=asked.is_stream, is_array=is_array)
    if asked.dialect == "gemini":
        return gemini_embeddings.parse(body, asked.model, is_batch=asked.method == "batchEmbedContents")
    if operation == "responses":
        return responses.parse(body)
    return media.parse(_MEDIA[operation], body, headers.get(b"content-type", b""))


def query_value(query: bytes, name: str) -> str:
    """Return a value of a query string, "" when it is not there or the query is no sensible one."""
    if not query:
        return ""
    try:
        found = parse_qs(query.decode("latin-1"), max_num_fields=_QUERY_FIELDS_MAX).get(name)
    except ValueError:
        return ""
    return found[0] if found else ""
