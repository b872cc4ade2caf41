"""The `usage` objects of OpenAI, DeepSeek and xAI, made from the quantities that are billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.openai import families

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, State
    from tollkeeper_simulator.openai.catalogue import Model
    from tollkeeper_simulator.openai.prompt import Prompt


def prompt_usage(prompt: Prompt, model: Model, state: State, api_key_id: str) -> Usage:
    """Return what a prompt costs, and remember it in the prompt cache."""
    read = written = 0
    if model.caches:
        read, written = state.cache.look_up(f"{model.name}|{api_key_id}", prompt.tokens, **families.cache_rule(model))
    return Usage(
        input_tokens=len(prompt.tokens),
        cached_tokens=read,
        cache_write_tokens=written if model.bills_cache_writes else 0,
        input_audio_tokens=prompt.audio_tokens,
        input_image_tokens=prompt.image_tokens,
    )


def with_output(usage: Usage, output: int, *, reasoning: int = 0, audio: int = 0) -> Usage:
    """Return `usage` with the answer's tokens; `output` includes the other two."""
    return msgspec.structs.replace(usage, output_tokens=output, reasoning_tokens=reasoning, output_audio_tokens=audio)


def chat_usage(usage: Usage) -> Json:
    """Return the `usage` of a chat answer (developers.openai.com/api/reference, read 2026-11-21)."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio_tokens,
            "text_tokens": usage.input_tokens - usage.input_audio_tokens - usage.input_image_tokens,
            "image_tokens": usage.input_image_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
            "text_tokens": usage.output_tokens - usage.reasoning_tokens - usage.output_audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def deepseek_usage(usage: Usage) -> Json:
    """Return DeepSeek's: OpenAI's, with the prompt as cache hits and misses (api-docs.deepseek.com, read 2026-11-21)."""
    return {
        **plain_usage(usage),
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "prompt_cache_hit_tokens": usage.cached_tokens,
        "prompt_cache_miss_tokens": usage.input_tokens - usage.cached_tokens,
    }


def xai_usage(usage: Usage, cost_ticks: int) -> Json:
    """Return xAI's: reasoning is not in `completion_tokens`, and the cost is stated (docs.x.ai, read 2026-11-21)."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens - usage.reasoning_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "text_tokens": usage.input_tokens - usage.input_image_tokens,
            "audio_tokens": 0,
            "image_tokens": usage.input_image_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "num_sources_used": usage.web_searches,
        "cost_in_usd_ticks": cost_ticks,
    }


def plain_usage(usage: Usage) -> Json:
    """Return the three counts that a legacy completion has."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
