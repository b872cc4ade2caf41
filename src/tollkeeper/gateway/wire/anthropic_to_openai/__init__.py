"""An Anthropic Messages client served by OpenAI, or by a provider that speaks its dialect: the request out, answers back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.anthropic_to_openai import answer, errors, request
from tollkeeper.gateway.wire.anthropic_to_openai.rules import RULES
from tollkeeper.gateway.wire.anthropic_to_openai.stream import Stream
from tollkeeper.gateway.wire.translation import Dialect, FieldRule, TranslatedStream, Translation


class _AnthropicToOpenAI(msgspec.Struct, frozen=True):
    """See `Translation`. Answers are read alike for all kinds of providers; requests differ in a few fields."""

    kind: ProviderKind

    source: Dialect = "anthropic"
    target: Dialect = "openai"

    @property
    def rules(self) -> Mapping[str, FieldRule]:
        return RULES

    def request(self, fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
        return request.request(fields, model=model, output_tokens=output_tokens, kind=self.kind)

    def answer(self, body: bytes, *, model: str, request_id: str) -> bytes:
        return answer.answer(body, model=model, request_id=request_id)

    def error(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        return errors.error(status, body, request_id)

    def stream(
        self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]
    ) -> TranslatedStream:
        return Stream(model=model, wants_usage=wants_usage, request_id=request_id, cost_usd=cost_usd)


def for_kind(kind: ProviderKind) -> Translation:
    """Return the translation for a provider of this kind: openai, deepseek, xai or openai_compatible."""
    return _AnthropicToOpenAI(kind)


TRANSLATION: Translation = for_kind("openai")
