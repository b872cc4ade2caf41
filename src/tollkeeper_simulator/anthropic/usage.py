"""Anthropic's `usage` objects, made from the quantities that are billed.

Field meanings: the anthropic Python package 2.12 and platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-11-21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollkeeper_simulator import clock
from tollkeeper_simulator.bill import Usage

if TYPE_CHECKING:
    from tollkeeper_simulator.anthropic.reply import Reply
    from tollkeeper_simulator.anthropic.request import MessageRequest
    from tollkeeper_simulator.dialect import Json, Work


def usage_of(request: MessageRequest, said: Reply, work: Work) -> Usage:
    """Return what a request costs, and remember its marked prefixes."""
    scope = f"{request.model.name}|{work.caller.api_key_id}"
    cached = work.state.block_cache.look_up(
        scope, request.prompt.blocks, least=request.model.cached_tokens_min, now_s=clock.now_s()
    )
    return Usage(
        input_tokens=request.prompt.size + sum(block.found_tokens for block in said.searches),
        cached_tokens=cached.read,
        cache_write_5m_tokens=cached.written_5m,
        cache_write_1h_tokens=cached.written_1h,
        input_image_tokens=request.prompt.image_tokens,
        output_tokens=said.output_tokens,
        reasoning_tokens=said.thinking_tokens,
        web_searches=len(said.searches),
    )


def whole_usage(usage: Usage, request: MessageRequest, *, serves_priority: bool) -> Json:
    """Return the `usage` of a whole message."""
    return {
        **delta_usage(usage),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "service_tier": "priority" if serves_priority else "standard",
        "speed": "fast" if request.tier == "fast" else "standard",
        "inference_geo": "not_available" if not request.model.adapts else "us" if request.percent > 100 else "global",
    }


def start_usage(usage: Usage, found_tokens: int, request: MessageRequest, *, serves_priority: bool) -> Json:
    """Return the `usage` of `message_start`: the prompt before any search, and the first token of the answer."""
    first = Usage(
        input_tokens=usage.input_tokens - found_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_5m_tokens=usage.cache_write_5m_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=min(1, usage.output_tokens),
    )
    return whole_usage(first, request, serves_priority=serves_priority)


def delta_usage(usage: Usage) -> Json:
    """Return the `usage` of `message_delta`: cumulative, without the split of cache writes and without tiers."""
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    shown: Json = {
        "input_tokens": usage.input_tokens - usage.cached_tokens - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
    if usage.web_searches:
        shown["server_tool_use"] = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0}
    return shown
