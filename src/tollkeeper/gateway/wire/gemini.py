"""The Gemini dialect, requests: what a call asks, what it says of its own cost, and the body that goes upstream. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import gemini_input
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, Call
from tollkeeper.gateway.wire.gemini_answer import is_grounded_by_prompt
from tollkeeper.gateway.wire.gemini_body import GeminiBody, canonical, read_fields
from tollkeeper.gateway.wire.json_body import load
from tollkeeper.gateway.wire.unseen import Unseen

_CLIENTS_TOOLS = frozenset({"functionDeclarations"})
"""What the client runs itself; every other kind of tool is Google's."""
_SEARCH_TOOLS = frozenset({"googleSearch", "googleSearchRetrieval"})
_COUNTED_TOOLS = _CLIENTS_TOOLS | _SEARCH_TOOLS | {"codeExecution", "urlContext", "fileSearch"}
"""Whose costs the answer states: queries, or the tokens that they put into the prompt. Others have fees that it does not (Google
Maps, say): ai.google.dev/gemini-api/docs/pricing, read 2026-11-22."""
_OPEN_TIERS = frozenset({"", "auto", "unspecified", "service_tier_unspecified"})


class GeminiCall(Call):
    """A call in this dialect. `is_array` says that a stream is asked for as a JSON array and not as events."""

    __slots__ = ("_is_array", "fields")
    dialect = "gemini"
    operation = "generate_content"

    def __init__(self, body: bytes, fields: GeminiBody, model: str, *, is_stream: bool, is_array: bool) -> None:
        self.body, self.fields, self.model = body, fields, model
        self.is_stream, self._is_array = is_stream, is_stream and is_array
        self.choices = fields.config.candidate_count or 1
        self.is_ambiguous = False
        tier = (fields.service_tier or "").strip().lower()
        self.service_tier = None if tier in _OPEN_TIERS else tier

    @property
    def is_array(self) -> bool:  # type: ignore[override]  # which is never set
        return self._is_array

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def end_user(self) -> str:
        return ""

    @property
    def metadata(self) -> dict[str, str]:
        return {}

    def output_limit(self, kind: ProviderKind) -> int | None:  # noqa: ARG002  # everywhere the same
        """See `Call`. What a model thinks is within the limit (ai.google.dev/gemini-api/docs/thinking, read 2026-11-22)."""
        return self.fields.config.max_output_tokens or None

    @property
    def is_output_fixed(self) -> bool:
        return self.fields.config.max_output_tokens is not None

    @property
    def extra_output_tokens(self) -> int:
        return 0

    @property
    def is_tier_open(self) -> bool:
        return self.service_tier is None

    @property
    def has_cached_content(self) -> bool:
        return self.fields.has_cached_content

    def may_cause_fees(self, model: str) -> bool:
        """See `Call`. A search is one fee where each prompt has its price; where each query has one, nothing bounds them."""
        bounded = _CLIENTS_TOOLS | _SEARCH_TOOLS if is_grounded_by_prompt(model) else _CLIENTS_TOOLS
        return self._has_tools_beyond(bounded)

    def has_uncounted_fees(self, model: str) -> bool:  # noqa: ARG002  # it is the call that has the tools
        return self._has_tools_beyond(_COUNTED_TOOLS)

    def fees_max(self, model: str) -> Mapping[str, int]:
        return {"grounding": self.reads_max(model)}

    def reads_max(self, model: str) -> int:  # noqa: ARG002
        return 1 if self._has_tools_beyond(_CLIENTS_TOOLS) else 0

    def _has_tools_beyond(self, known: frozenset[str]) -> bool:
        if not self.fields.tools:
            return False
        return any(not isinstance(tool, dict) or not canonical(tool).keys() <= known for tool in self.fields.tools)

    def unseen(self) -> Unseen:
        return gemini_input.unseen_of(self)

    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:
        return gemini_input.texts_in(canonical(fields))

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:  # noqa: ARG002
        if output_tokens is None:
            return self.body
        fields: dict[str, Any] = load(self.body)
        name = next(
            (each for each in ("generationConfig", "generation_config") if fields.get(each)), "generationConfig"
        )
        fields[name] = {**(fields.get(name) or {}), "maxOutputTokens": output_tokens}
        return msgspec.json.encode(fields)


def parse(body: bytes, model: str, *, is_stream: bool, is_array: bool) -> GeminiCall:
    """Read a request's body; the rest is in its path.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    if not model or len(model) > MODEL_NAME_LENGTH_MAX or not model.isprintable():
        raise InvalidRequest("The path must name a model: /v1beta/models/{model}:generateContent.", param="model")
    return GeminiCall(body, read_fields(body), model, is_stream=is_stream, is_array=is_array)
