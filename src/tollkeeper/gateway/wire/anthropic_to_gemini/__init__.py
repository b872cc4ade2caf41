"""An Anthropic Messages client served by Gemini's `generateContent` and `streamGenerateContent?alt=sse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollkeeper.gateway.wire.anthropic_to_gemini.answer import anthropic_answer
from tollkeeper.gateway.wire.anthropic_to_gemini.errors import anthropic_error
from tollkeeper.gateway.wire.anthropic_to_gemini.request import gemini_request
from tollkeeper.gateway.wire.anthropic_to_gemini.rules import RULES
from tollkeeper.gateway.wire.anthropic_to_gemini.stream import Stream
from tollkeeper.gateway.wire.gemini_target.errors import read_error
from tollkeeper.gateway.wire.translation import Dialect, TranslatedStream, Translation

__all__ = ["TRANSLATION"]


class _AnthropicToGemini:
    source: Dialect = "anthropic"
    target: Dialect = "gemini"
    rules = RULES

    def request(self, fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
        return gemini_request(fields, model=model, output_tokens=output_tokens)

    def answer(self, body: bytes, *, model: str, request_id: str) -> bytes:
        return anthropic_answer(body, model=model, request_id=request_id)

    def error(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        return anthropic_error(read_error(status, body), request_id)

    def stream(
        self,
        *,
        model: str,
        wants_usage: bool,  # noqa: ARG002  # Anthropic's clients are always told
        request_id: str,
        cost_usd: Callable[[], str | None],  # noqa: ARG002  # and their usage has no cost
    ) -> TranslatedStream:
        return Stream(model=model, request_id=request_id)


TRANSLATION: Translation = _AnthropicToGemini()
