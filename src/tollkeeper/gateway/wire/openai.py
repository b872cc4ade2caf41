"""The OpenAI dialect, requests: what a call asks, and the body that goes upstream. Pure.

Fields that are not named in `openai_body` pass through untouched; they are never consulted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import openai_input, openai_terms
from tollkeeper.gateway.wire.call import END_USER_LENGTH_MAX, NO_FEES, Call
from tollkeeper.gateway.wire.json_body import load, with_model, written
from tollkeeper.gateway.wire.openai_body import Body, CompletionBody, EmbeddingBody, OpenAIOperation, read_fields
from tollkeeper.gateway.wire.openai_names import NAMES
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.gateway.wire.unseen import Unseen

_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
_OPENING = re.compile(rb"^\s*\{")
_INCLUDE_USAGE = b'{"stream_options":{"include_usage":true},'


class OpenAICall(Call):
    """A call in this dialect; `fields` are those that are consulted."""

    __slots__ = ("fields",)
    dialect = "openai"
    operation: OpenAIOperation

    def __init__(self, operation: OpenAIOperation, body: bytes, fields: Body, decisive: list[bytes]) -> None:
        self.operation, self.body, self.fields = operation, body, fields
        self.model = fields.model
        self.service_tier = fields.service_tier
        self.is_stream = fields.stream is True and operation != "embeddings"
        self.choices = max(fields.n or 1, fields.best_of or 1)
        if isinstance(fields, CompletionBody):
            self.choices *= _prompt_count(fields.prompt)
        self.is_ambiguous = NAMES.is_ambiguous(body, decisive)

    @property
    def wants_usage(self) -> bool:
        options = self.fields.stream_options
        return options is not None and options.include_usage is True

    @property
    def end_user(self) -> str:
        user = self.fields.user
        return printable(user, END_USER_LENGTH_MAX) if user else ""

    @property
    def metadata(self) -> dict[str, str]:
        return _strings(self.fields.metadata) if self.fields.metadata else {}

    def output_limit(self, kind: ProviderKind) -> int | None:
        limit = openai_terms.output_limit(self.fields, self.operation, kind)
        if limit is None and self.operation == "completions" and kind == "openai":
            return openai_terms.COMPLETION_TOKENS_UNSTATED
        return limit

    @property
    def wants_base64(self) -> bool:
        """Of embeddings: the client asks for their bytes in base64, and not for numbers."""
        return isinstance(self.fields, EmbeddingBody) and self.fields.encoding_format == "base64"

    @property
    def output_tokens_min(self) -> int:
        return self.fields.min_tokens or 0

    @property
    def is_output_fixed(self) -> bool:
        return openai_terms.is_output_fixed(self.fields, self.operation)

    @property
    def extra_output_tokens(self) -> int:
        return openai_terms.predicted_tokens_max(self.fields)

    @property
    def has_output(self) -> bool:
        return self.operation != "embeddings"

    @property
    def has_one_input(self) -> bool:
        return self.operation == "chat.completions"

    @property
    def is_chat(self) -> bool:
        return self.operation == "chat.completions"

    @property
    def is_tier_open(self) -> bool:
        return openai_terms.is_tier_open(self.service_tier)

    @property
    def has_cached_content(self) -> bool:
        return openai_terms.has_cached_content(self.fields)

    def may_cause_fees(self, model: str) -> bool:
        return openai_terms.may_cause_fees(self.fields, model)

    def fees_max(self, model: str) -> Mapping[str, int]:
        return self.certain_fees(model)

    def certain_fees(self, model: str) -> Mapping[str, int]:
        if "-search-" in model and openai_terms.SEARCHES_EACH_CALL.fullmatch(model) is not None:
            return openai_terms.ONE_SEARCH
        return NO_FEES

    def reads_max(self, model: str) -> int:
        """See `Call`. What a search finds is input, of no stated length."""
        return 1 if "-search-" in model else 0

    def unseen(self) -> Unseen:
        return openai_input.unseen_of(self)

    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:
        return openai_input.texts_in(self.operation, fields)

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:
        asks_for_usage = self.is_stream and not self.wants_usage
        if model == self.model and not asks_for_usage and output_tokens is None:
            return self.body
        added = {} if output_tokens is None else {_limit_name(self.operation, kind): output_tokens}
        states_options = asks_for_usage and b'"stream_options"' in self.body
        if self.is_ambiguous or states_options or (added and self._states_output_limit):
            return _rewritten(self.body, model, asks_for_usage=asks_for_usage, added=added)
        body = self.body
        if model != self.model:
            body = with_model(body, model)
        if asks_for_usage:
            body = _OPENING.sub(_INCLUDE_USAGE, body, count=1)
        if added:
            body = _OPENING.sub(msgspec.json.encode(added)[:-1] + b",", body, count=1)
        return body

    @property
    def _states_output_limit(self) -> bool:
        """A limit stands in the body, maybe as null."""
        return b'"max_tokens"' in self.body or b'"max_completion_tokens"' in self.body


def parse(operation: OpenAIOperation, body: bytes) -> OpenAICall:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    fields, decisive = read_fields(operation, body)
    call = OpenAICall(operation, body, fields, decisive)
    if fields.stream_options is not None and not call.is_stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    return call


def _limit_name(operation: OpenAIOperation, kind: ProviderKind) -> str:
    """Return how a limit is named. OpenAI's newer models refuse `max_tokens`; other servers may not know the newer name."""
    is_new = operation == "chat.completions" and kind in {"openai", "xai"}
    return "max_completion_tokens" if is_new else "max_tokens"


def _prompt_count(prompt: msgspec.Raw) -> int:
    """Return how many prompts there are: a text or a list of tokens is one, in a list of such each is one.

    Raises:
        InvalidRequest: they cannot be read.
    """
    if bytes(memoryview(prompt)[:1]) != b"[":
        return 1
    prompts = load(bytes(prompt))
    return 1 if all(isinstance(each, int) for each in prompts) else len(prompts)


def _strings(metadata: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if isinstance(value, str)}


def _rewritten(body: bytes, model: str, *, asks_for_usage: bool, added: dict[str, int]) -> bytes:
    fields = load(body)
    fields["model"] = model
    if asks_for_usage:
        fields["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}
    if added:
        fields = {name: value for name, value in fields.items() if name not in _LIMIT_NAMES} | added
    return written(fields)
