"""An OpenAI chat-completions client served by Gemini's `generateContent` and `streamGenerateContent?alt=sse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollkeeper.gateway.wire.gemini_target.errors import read_error
from tollkeeper.gateway.wire.gemini_target.naming import created_s
from tollkeeper.gateway.wire.openai_to_gemini.answer import openai_answer
from tollkeeper.gateway.wire.openai_to_gemini.errors import openai_error
from tollkeeper.gateway.wire.openai_to_gemini.request import gemini_request
from tollkeeper.gateway.wire.openai_to_gemini.rules import RULES
from tollkeeper.gateway.wire.openai_to_gemini.stream import Stream
from tollkeeper.gateway.wire.translation import Dialect, TranslatedStream, Translation

__all__ = ["TRANSLATION"]


class _OpenAIToGemini:
    source: Dialect = "openai"
    target: Dialect = "gemini"
    rules = RULES

    def request(self, fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
        return gemini_request(fields, model=model, output_tokens=output_tokens)

    def answer(self, body: bytes, *, model: str, request_id: str) -> bytes:
        return openai_answer(body, model=model, request_id=request_id, created_s=created_s(request_id))

    def error(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        return openai_error(read_error(status, body), request_id)

    def stream(
        self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]
    ) -> TranslatedStream:
        return Stream(model=model, wants_usage=wants_usage, request_id=request_id, cost_usd=cost_usd)


TRANSLATION: Translation = _OpenAIToGemini()
