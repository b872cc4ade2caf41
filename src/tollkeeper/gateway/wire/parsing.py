"""Reads the request of any route: what it asks for, by its path, its query and its body. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from tollkeeper.gateway.wire import anthropic, gemini, openai
from tollkeeper.gateway.wire.call import Call, Operation
from tollkeeper.gateway.wire.translation import Dialect

_OPERATIONS: dict[str, tuple[Operation, Dialect]] = {
    "/v1/chat/completions": ("chat.completions", "openai"),
    "/v1/completions": ("completions", "openai"),
    "/v1/embeddings": ("embeddings", "openai"),
    "/v1/messages": ("messages", "anthropic"),
}
_QUERY_FIELDS_MAX = 32
_GEMINI_PREFIXES = ("/v1beta/models/", "/v1/models/")
_GEMINI_METHODS = {"generateContent": False, "streamGenerateContent": True}


class Asked(msgspec.Struct, frozen=True):
    """What a path asks for. A path of Gemini's names the model and says whether the answer is a stream."""

    operation: Operation
    dialect: Dialect
    model: str = ""
    is_stream: bool = False


_OF_PATH = {path: Asked(*found) for path, found in _OPERATIONS.items()}
ROUTES: dict[str, Operation] = {
    **{path: operation for path, (operation, _) in _OPERATIONS.items()},
    **{f"/v1beta/models/{{model}}:{method}": "generate_content" for method in _GEMINI_METHODS},
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
                return Asked("generate_content", "gemini", model, _GEMINI_METHODS[method])
    return None


def parse(asked: Asked, body: bytes, query: bytes = b"") -> Call:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    operation = asked.operation
    if operation == "messages":
        return anthropic.parse(body)
    if operation == "generate_content":
        is_array = query_value(query, "alt") != "sse"
        return gemini.parse(body, asked.model, is_stream=asked.is_stream, is_array=is_array)
    return openai.parse(operation, body)


def query_value(query: bytes, name: str) -> str:
    """Return a value of a query string, "" when it is not there or the query is no sensible one."""
    if not query:
        return ""
    try:
        found = parse_qs(query.decode("latin-1"), max_num_fields=_QUERY_FIELDS_MAX).get(name)
    except ValueError:
        return ""
    return found[0] if found else ""
