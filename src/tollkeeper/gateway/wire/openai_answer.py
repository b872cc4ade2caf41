"""The OpenAI dialect, answers: the usage that an answer or a chunk states, and the text that it adds. Pure.

Wire shapes: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21), `openai` 3.51 type stubs (2026-11).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.reported_cost import CostFields, copy_cost, reported_nanos, without_cost
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX, collect_texts, printable

TOKENS_MAX = 2**31  # in a usage; more than any model takes
Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]
_NOT_OUTPUT = frozenset({"role", "id", "type", "index"})


class PromptDetails(msgspec.Struct):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None
    image_tokens: Tokens | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None


class WireUsage(CostFields, kw_only=True):
    """`usage` of chat, completions and embeddings, DeepSeek's, xAI's and OpenRouter's variants included."""

    prompt_tokens: Tokens
    completion_tokens: Tokens = 0
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Tokens | None = None


class Answer(msgspec.Struct):
    """A whole answer, or one chunk of a stream, as far as it is metered."""

    model: str = ""
    usage: WireUsage | None = None
    service_tier: str | None = None
    choices: list[msgspec.Raw] | None = None


_decode_answer = msgspec.json.Decoder(Answer).decode


def parse_answer(data: bytes) -> Answer | None:
    """Read an answer or a chunk; None when it is no JSON object (then there is no usage to be had from it)."""
    try:
        return _decode_answer(data)
    except msgspec.ValidationError:
        return _salvage(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def _salvage(data: bytes) -> Answer | None:
    """Read what can be read of an answer that has other types than OpenAI's: its usage above all."""
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    model, tier, choices = fields.get("model"), fields.get("service_tier"), fields.get("choices")
    stated = fields.get("usage")
    try:
        usage = msgspec.convert(without_cost(stated), WireUsage | None, strict=False)
    except msgspec.ValidationError:
        usage = None
    if usage is not None:
        copy_cost(stated, usage)
    return Answer(
        model=model if isinstance(model, str) else "",
        usage=usage,
        service_tier=tier if isinstance(tier, str) else None,
        choices=[msgspec.Raw(b"{}")] if choices else None,
    )


def usage_of(wire: WireUsage, service_tier: str | None) -> Usage:
    """Bring a stated usage into disjoint classes.

    Prompt tokens include cached, written, audio and image tokens; completion tokens include reasoning and audio
    (OpenAI, DeepSeek), except for xAI chat, where reasoning is outside: then total = prompt + completion + reasoning.
    """
    plain, completion = wire.prompt_tokens, wire.completion_tokens
    quantities = {"input": plain}
    inputs, outputs = wire.prompt_tokens_details, wire.completion_tokens_details
    parts: tuple[tuple[str, int | None], ...]
    if inputs is not None:
        parts = (
            ("cache_read", inputs.cached_tokens or wire.prompt_cache_hit_tokens),
            ("cache_write_30m", inputs.cache_write_tokens),
            ("input_audio", inputs.audio_tokens),
            ("input_image", inputs.image_tokens),
        )
    else:
        parts = (("cache_read", wire.prompt_cache_hit_tokens),)
    for name, stated in parts:
        if stated:
            count = min(stated, plain)  # a part is never more than what is left of the whole
            quantities[name] = count
            plain -= count
    quantities["input"] = plain
    reasoning = 0
    if outputs is not None:
        reasoning = outputs.reasoning_tokens or 0
        if reasoning and wire.total_tokens == wire.prompt_tokens + completion + reasoning:
            completion += reasoning
        if outputs.audio_tokens:
            quantities["output_audio"] = min(outputs.audio_tokens, completion)
            completion -= quantities["output_audio"]
    quantities["output"] = completion
    tier = printable(service_tier, SERVICE_TIER_LENGTH_MAX) if service_tier else None
    if wire.cost_in_usd_ticks or wire.cost:
        return Usage(quantities, reasoning, tier, reported_nanos=reported_nanos(wire))
    return Usage(quantities, reasoning, tier)


def delta_texts(data: bytes) -> list[str]:
    """Return the texts that a chunk (or an answer) adds to the output: content, refusals, reasoning, tool arguments."""
    try:
        chunk = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return []
    found: list[str] = []
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            collect_texts(choice.get("delta") or choice.get("message") or choice.get("text"), found, skip=_NOT_OUTPUT)
    return found
