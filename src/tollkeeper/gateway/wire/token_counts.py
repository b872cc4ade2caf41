"""Requests that ask only how many tokens an input has, `count_tokens` and `countTokens`: what they ask and how they go on. Pure.

Wire shapes: https://platform.claude.com/docs/en/api/messages-count-tokens, https://ai.google.dev/api/tokens (read 2026-11-22).
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import anthropic_input, gemini_input
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX
from tollkeeper.gateway.wire.gemini_body import canonical
from tollkeeper.gateway.wire.gemini_models import check_named, renamed
from tollkeeper.gateway.wire.json_body import checked, load_unambiguous
from tollkeeper.gateway.wire.unseen import Unseen

CountingDialect = Literal["anthropic", "gemini"]
ANTHROPIC_PATH = "/v1/messages/count_tokens"
ROUTES = (ANTHROPIC_PATH, "/v1beta/models/{model}:countTokens")
"""For people: the paths that are served."""
_GEMINI_PREFIXES, _GEMINI_METHOD = ("/v1beta/models/", "/v1/models/"), ":countTokens"
_WHOLE = "generateContentRequest"
_check_json = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class CountAsked(msgspec.Struct, frozen=True):
    """What a path asks for; Gemini's names the model."""

    dialect: CountingDialect
    model: str = ""


class CountRequest(msgspec.Struct, frozen=True):
    """A request to count. `fields` is its decoded body, as it was named; `inner` is what is counted of it."""

    dialect: CountingDialect
    model: str
    body: bytes
    fields: dict[str, Any]
    inner: dict[str, Any]

    def path_at(self, model: str) -> str:
        """Return where the request goes at a provider of its dialect, below the base URL."""
        if self.dialect == "anthropic":
            return "/messages/count_tokens"
        return f"/models/{quote(model, safe='')}{_GEMINI_METHOD}"

    def body_for(self, model: str) -> bytes:
        """Return the body for a provider of its dialect: the client's bytes, but for another name of the model."""
        if model == self.model:
            return self.body
        if self.dialect == "anthropic":
            return msgspec.json.encode({**self.fields, "model": model})
        fields = renamed(canonical(self.fields), model)
        if self.inner is not self.fields and isinstance(fields.get(_WHOLE), dict):
            fields = {**fields, _WHOLE: renamed(fields[_WHOLE], model)}
        return msgspec.json.encode(fields)

    def texts(self) -> tuple[list[str], int]:
        """Return every text of the input, and how many tokens came as numbers already."""
        if self.dialect == "anthropic":
            return anthropic_input.texts_in(self.inner)
        return gemini_input.texts_in(self.inner)

    def unseen(self) -> Unseen:
        """Return what the input has besides text."""
        if self.dialect == "anthropic":
            return anthropic_input.unseen_in(self.inner)
        return gemini_input.unseen_in(self.inner)

    def answer(self, tokens: int) -> bytes:
        """Return the answer in the dialect."""
        return msgspec.json.encode({"input_tokens" if self.dialect == "anthropic" else "totalTokens": tokens})


def count_asked(path: str) -> CountAsked | None:
    """Return what a path asks to count; None when it asks for something else."""
    if path == ANTHROPIC_PATH:
        return CountAsked("anthropic")
    if path.endswith(_GEMINI_METHOD):
        for prefix in _GEMINI_PREFIXES:
            if path.startswith(prefix):
                return CountAsked("gemini", path[len(prefix) : -len(_GEMINI_METHOD)])
    return None


def parse(asked: CountAsked, body: bytes) -> CountRequest:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a name stands twice, a needed field is missing or has a wrong type; `param` names
            the field.
    """
    checked(body, _check_json)
    fields = load_unambiguous(body)
    if fields is None:
        raise InvalidRequest("A name stands twice in one object of the body.")
    if asked.dialect == "anthropic":
        model, inner = fields.get("model"), fields
        _need_list(fields, "messages")
    else:
        model, members = asked.model, canonical(fields)
        check_named(members, asked.model)
        whole = members.get(_WHOLE)
        inner = canonical(whole) if isinstance(whole, dict) else members
        check_named(inner, asked.model, f"{_WHOLE}.model")
        _need_list(inner, "contents")
    if not isinstance(model, str) or not 1 <= len(model) <= MODEL_NAME_LENGTH_MAX or not model.isprintable():
        raise InvalidRequest("'model' must be a name of printable characters.", param="model")
    return CountRequest(asked.dialect, model, body, fields, inner)


def _need_list(fields: dict[str, Any], name: str) -> None:
    if name not in fields:
        raise InvalidRequest(f"Missing required parameter: '{name}'.", param=name)
    if not isinstance(fields[name], list):
        raise InvalidRequest(f"Invalid type for '{name}': expected `array`.", param=name)
