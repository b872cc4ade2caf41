"""What genai-prices itself makes of a usage: the independent answer that the compiled catalogue is held against."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider

from tollkeeper.domain.usage import Usage

PROVIDERS: dict[str, Provider] = {provider.id: provider for provider in providers}

CONTEXTS = {
    "standard": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast_mode": {"speed": "fast"},
}

# Our disjoint dimension -> all of their overlapping counts that such a unit is part of.
COUNTS = {
    "input": ["input_tokens"],
    "output": ["output_tokens"],
    "cache_read": ["input_tokens", "cache_read_tokens"],
    "cache_write_5m": ["input_tokens", "cache_write_tokens", "cache_write_5m_tokens"],
    "cache_write_30m": ["input_tokens", "cache_write_tokens"],
    "cache_write_1h": ["input_tokens", "cache_write_tokens", "cache_write_1h_tokens"],
    "input_audio": ["input_tokens", "input_audio_tokens"],
    "cache_read_audio": ["input_tokens", "cache_read_tokens", "input_audio_tokens", "cache_audio_read_tokens"],
    "output_audio": ["output_tokens", "output_audio_tokens"],
    "input_image": ["input_tokens", "input_image_tokens"],
    "cache_read_image": ["input_tokens", "cache_read_tokens", "input_image_tokens", "cache_image_read_tokens"],
    "output_image": ["output_tokens", "output_image_tokens"],
    "web_search": ["web_searches"],
    "grounding": ["web_searches"],
    "file_search": ["storage_searches"],
    "characters": ["input_characters"],
    "seconds": ["audio_seconds", "input_audio_seconds"],
}


def their_nanos(provider: str, model: ModelInfo, usage: Usage, at_us: int, tier: str) -> Fraction:
    """Return the exact price in nano-USD, unrounded, but for what no dimension here carries."""
    counts = dict.fromkeys((count for counts in COUNTS.values() for count in counts), 0)  # nothing is left to infer
    for dimension, quantity in usage.quantities.items():
        for count in COUNTS[dimension]:
            counts[count] += quantity
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    price = model.calc_price(
        TheirUsage(**counts), PROVIDERS[provider], genai_request_timestamp=at, price_context=CONTEXTS[tier]
    )
    return Fraction(price.total_price) * 10**9
