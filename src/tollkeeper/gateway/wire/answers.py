"""Whole answers of providers, in whichever dialect: what is metered of them. Pure."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire import anthropic_answer, gemini_answer, openai_answer
from tollkeeper.gateway.wire.translation import Dialect


class Stated(msgspec.Struct):
    """What a whole answer states of itself; `texts` are those of its output when it states no usage.

    `body` is the answer as its client gets it, where that is another one, of this `content_type` if it is another too.
    """

    model: str
    usage: Usage | None
    texts: list[str]
    body: bytes | None = None
    content_type: bytes = b""


def read_answer(dialect: Dialect, body: bytes) -> Stated:
    """Read a whole answer that is no error, whatever it holds."""
    if dialect == "anthropic":
        return _read_anthropic(body)
    if dialect == "gemini":
        return _read_gemini(body)
    return _read_openai(body)


def _read_openai(body: bytes) -> Stated:
    answer = openai_answer.parse_answer(body)
    if answer is None:
        return Stated("", None, [body.decode("utf-8", "replace")])
    if answer.usage is None:
        return Stated(answer.model, None, openai_answer.delta_texts(body))
    return Stated(answer.model, openai_answer.usage_of(answer.usage, answer.service_tier), [])


def _read_gemini(body: bytes) -> Stated:
    answer = gemini_answer.parse_answer(body)
    if answer is None:
        return Stated("", None, [body.decode("utf-8", "replace")])
    if answer.usage_metadata is not None and answer.is_embedding:
        if answer.usage_metadata.prompt_token_count is None:  # all that there is to count: none is not stated
            return Stated(answer.model_version, None, [])
        return Stated(answer.model_version, gemini_answer.embedding_usage_of(answer.usage_metadata), [])
    if answer.usage_metadata is None:
        return Stated(answer.model_version, None, gemini_answer.delta_texts(body))
    usage = gemini_answer.usage_of(answer.usage_metadata)
    if queries := gemini_answer.queries_of(answer):
        usage = gemini_answer.with_grounding(usage, queries, answer.model_version)
    return Stated(answer.model_version, usage, [])


def _read_anthropic(body: bytes) -> Stated:
    message = anthropic_answer.parse_answer(body)
    if message is None:
        return Stated("", None, [body.decode("utf-8", "replace")])
    if message.usage is None:
        return Stated(message.model, None, anthropic_answer.delta_texts(body))
    return Stated(message.model, anthropic_answer.usage_of(message.usage), [])
