"""An OpenAI chat-completions client served by Anthropic: the request out, answers, errors and streams back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tollkeeper.gateway.wire.openai_to_anthropic import answer, errors, request
from tollkeeper.gateway.wire.openai_to_anthropic.rules import RULES
from tollkeeper.gateway.wire.openai_to_anthropic.stream import Stream
from tollkeeper.gateway.wire.translation import Dialect, FieldRule, TranslatedStream, Translation


class _OpenAIToAnthropic:
    """See `Translation`."""

    source: Dialect = "openai"
    target: Dialect = "anthropic"
    rules: Mapping[str, FieldRule] = RULES

    def request(self, fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
        return request.request(fields, model=model, output_tokens=output_tokens)

    def answer(self, body: bytes, *, model: str, request_id: str) -> bytes:
        return answer.answer(body, model=model, request_id=request_id)

    def error(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        return errors.error(status, body, request_id)

    def stream(
        self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]
    ) -> TranslatedStream:
        return Stream(model=model, wants_usage=wants_usage, request_id=request_id, cost_usd=cost_usd)


TRANSLATION: Translation = _OpenAIToAnthropic()
