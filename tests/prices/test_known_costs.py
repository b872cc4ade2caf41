"""Tests of what known calls cost, each written as arithmetic: quantity x USD per 1M tokens, from the published lists.

Sources, read 2026-11-21: developers.openai.com/api/docs/pricing; platform.claude.com/docs/en/about-claude/pricing;
ai.google.dev/gemini-api/docs/pricing; docs.x.ai/docs/models; api-docs.deepseek.com/quick_start/pricing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from tollkeeper.domain.price import charge_for, price_tier
from tollkeeper.domain.usage import CostState, Usage
from tollkeeper.prices.book import CompiledBook

BOOK = CompiledBook.load()
NOW = "2026-11-21T12:00:00"  # a Saturday, off-peak everywhere
K = 1000

# (provider, model, tier, quantities, [(tokens, "USD per 1M"), ...])
CASES = [
    # OpenAI: input / cache write / cache read / output
    ("openai", "gpt-6-astra", "standard", {"input": 9 * K, "output": 700}, [(9 * K, "10"), (700, "50")]),
    (
        "openai",
        "gpt-6-astra",
        "standard",
        {"cache_write_30m": 4 * K, "cache_read": 15 * K},
        [(4 * K, "12.5"), (15 * K, "1")],
    ),
    ("openai", "gpt-6.1-sol", "standard", {"input": 1 * K, "output": 500}, [(1 * K, "2"), (500, "10")]),
    ("openai", "gpt-6.1-sol", "standard", {"cache_write_30m": 777, "cache_read": 333}, [(777, "2.5"), (333, ".1")]),
    ("openai", "gpt-6.1-terra", "standard", {"input": 3, "output": 5}, [(3, "1"), (5, "5")]),
    ("openai", "gpt-6.1-terra", "standard", {"cache_write_30m": 3, "cache_read": 7}, [(3, "1.25"), (7, ".05")]),
    ("openai", "gpt-6-luna", "standard", {"input": 12_345, "output": 678}, [(12_345, ".1"), (678, ".5")]),
    ("openai", "gpt-6-luna", "standard", {"cache_write_30m": 11, "cache_read": 13}, [(11, ".125"), (13, ".01")]),
    ("openai", "gpt-5.6-sol", "standard", {"input": 1 * K, "output": 1 * K}, [(1 * K, "4"), (1 * K, "20")]),
    (
        "openai",
        "gpt-5.6-sol",
        "standard",
        {"input": 1 * K, "cache_read": 15 * K, "cache_write_30m": 4 * K, "output": 1 * K},
        [(1 * K, "4"), (15 * K, ".4"), (4 * K, "5"), (1 * K, "20")],
    ),
    ("openai", "gpt-5.6-terra", "standard", {"input": 10, "cache_read": 20}, [(10, "2"), (20, ".2")]),
    ("openai", "gpt-5.6-terra", "standard", {"cache_write_30m": 30, "output": 40}, [(30, "2.5"), (40, "12")]),
    ("openai", "gpt-5.6-luna", "standard", {"input": 10, "cache_read": 20}, [(10, ".2"), (20, ".02")]),
    ("openai", "gpt-5.6-luna", "standard", {"cache_write_30m": 30, "output": 40}, [(30, ".25"), (40, "1.2")]),
    (
        "openai",
        "gpt-5.5",
        "standard",
        {"input": 10, "cache_read": 20, "output": 30},
        [(10, "5"), (20, ".5"), (30, "30")],
    ),
    (
        "openai",
        "gpt-5.4",
        "standard",
        {"input": 10, "cache_read": 20, "output": 30},
        [(10, "2.5"), (20, ".25"), (30, "15")],
    ),
    (
        "openai",
        "gpt-5",
        "standard",
        {"input": 10, "cache_read": 21, "output": 30},
        [(10, "1.25"), (21, ".125"), (30, "10")],
    ),
    (
        "openai",
        "gpt-4.1",
        "standard",
        {"input": 10, "cache_read": 20, "output": 30},
        [(10, "2"), (20, ".5"), (30, "8")],
    ),
    (
        "openai",
        "gpt-4o",
        "standard",
        {"input": 10, "cache_read": 20, "output": 30},
        [(10, "2.5"), (20, "1.25"), (30, "10")],
    ),
    ("openai", "gpt-4o-mini", "standard", {"input": 5 * K, "output": 500}, [(5 * K, ".15"), (500, ".6")]),
    ("openai", "gpt-4o-2024-08-06", "standard", {"input": 100}, [(100, "2.5")]),
    ("openai", "gpt-4o-2024-05-13", "standard", {"input": 100, "output": 9}, [(100, "5"), (9, "15")]),
    ("openai", "text-embedding-3-small", "standard", {"input": 8 * K}, [(8 * K, ".02")]),
    ("openai", "text-embedding-3-large", "standard", {"input": 8 * K}, [(8 * K, ".13")]),
    (
        "openai",
        "gpt-audio",
        "standard",
        {"input": 10, "input_audio": 20, "output_audio": 30},
        [(10, "2.5"), (20, "32"), (30, "64")],
    ),
    (
        "openai",
        "gpt-image-2",
        "standard",
        {"input": 10, "input_image": 20, "output_image": 30},
        [(10, "5"), (20, "8"), (30, "30")],
    ),
    # OpenAI: tiers
    ("openai", "gpt-5.6-sol", "flex", {"input": 1 * K, "output": 1 * K}, [(1 * K, "2"), (1 * K, "10")]),
    ("openai", "gpt-5.6-sol", "batch", {"cache_read": 1 * K, "output": 1 * K}, [(1 * K, ".2"), (1 * K, "10")]),
    ("openai", "gpt-5.6-sol", "priority", {"cache_write_30m": 1 * K, "output": 1 * K}, [(1 * K, "10"), (1 * K, "40")]),
    ("openai", "gpt-5.5", "priority", {"input": 1 * K, "output": 1 * K}, [(1 * K, "12.5"), (1 * K, "75")]),
    ("openai", "gpt-4.1", "priority", {"input": 1 * K, "output": 1 * K}, [(1 * K, "3.5"), (1 * K, "14")]),
    ("openai", "gpt-4o", "priority", {"input": 1 * K, "cache_read": 9}, [(1 * K, "4.25"), (9, "2.125")]),
    ("openai", "gpt-4o", "batch", {"input": 1 * K, "output": 1 * K}, [(1 * K, "1.25"), (1 * K, "5")]),
    ("openai", "gpt-4o", "batch", {"cache_read": 1 * K}, [(1 * K, "1.25")]),  # no cached discount in old batches
    ("openai", "gpt-5.4", "flex", {"cache_read": 1 * K}, [(1 * K, ".13")]),  # as published, rounded up from .125
    ("openai", "o3", "flex", {"input": 1 * K, "cache_read": 1 * K}, [(1 * K, "1"), (1 * K, ".25")]),
    # OpenAI: long context, the whole request, input and cache 2x, output 1.5x above 272,000
    ("openai", "gpt-5.6-sol", "standard", {"input": 272_000, "output": 1 * K}, [(272_000, "4"), (1 * K, "20")]),
    ("openai", "gpt-5.6-sol", "standard", {"input": 272_001, "output": 1 * K}, [(272_001, "8"), (1 * K, "30")]),
    ("openai", "gpt-5.6-sol", "standard", {"input": 1, "cache_read": 272_000}, [(1, "8"), (272_000, ".8")]),
    ("openai", "gpt-5.6-sol", "flex", {"input": 272_001, "output": 1}, [(272_001, "4"), (1, "15")]),
    ("openai", "gpt-5.4", "standard", {"input": 272_001, "output": 10}, [(272_001, "5"), (10, "22.5")]),
    # Anthropic: input / 5m write / 1h write / read / output
    (
        "anthropic",
        "claude-fable-5-2",
        "standard",
        {"input": 1, "cache_write_5m": 2, "cache_write_1h": 3, "cache_read": 5, "output": 7},
        [(1, "8"), (2, "10"), (3, "16"), (5, ".2"), (7, "40")],
    ),
    (
        "anthropic",
        "claude-opus-5-5",
        "standard",
        {"input": 100, "cache_write_5m": 1 * K, "cache_write_1h": 2 * K, "cache_read": 5 * K, "output": 500},
        [(100, "4"), (1 * K, "5"), (2 * K, "8"), (5 * K, ".2"), (500, "20")],
    ),
    ("anthropic", "claude-opus-5", "standard", {"input": 11, "cache_write_1h": 13}, [(11, "5"), (13, "10")]),
    ("anthropic", "claude-opus-4-5", "standard", {"cache_read": 11, "output": 13}, [(11, ".5"), (13, "25")]),
    ("anthropic", "claude-sonnet-5-5", "standard", {"cache_write_5m": 11, "cache_read": 13}, [(11, "2.5"), (13, ".1")]),
    ("anthropic", "claude-sonnet-5", "standard", {"cache_write_1h": 11, "cache_read": 13}, [(11, "4"), (13, ".2")]),
    (
        "anthropic",
        "claude-sonnet-4-6",
        "standard",
        {"input": 201_000, "output": 13},
        [(201_000, "3"), (13, "15")],
    ),  # flat
    ("anthropic", "claude-haiku-5-5", "standard", {"input": 100_000, "output": 9}, [(100_000, ".1"), (9, ".5")]),
    ("anthropic", "claude-haiku-5-5", "standard", {"input": 100_001, "output": 9}, [(100_001, ".5"), (9, "2.5")]),
    ("anthropic", "claude-haiku-4-5-20251001", "standard", {"input": 9, "output": 9}, [(9, "1"), (9, "5")]),
    ("anthropic", "claude-opus-5-5", "batch", {"input": 10, "cache_write_1h": 10}, [(10, "2"), (10, "4")]),
    ("anthropic", "claude-opus-5-5", "fast_mode", {"input": 10, "output": 10}, [(10, "8"), (10, "40")]),
    # Gemini
    ("google", "gemini-2.5-pro", "standard", {"input": 200_000, "output": 10}, [(200_000, "1.25"), (10, "10")]),
    ("google", "gemini-2.5-pro", "standard", {"input": 200_001, "output": 10}, [(200_001, "2.5"), (10, "15")]),
    ("google", "gemini-2.5-pro", "standard", {"cache_read": 200_000}, [(200_000, ".125")]),
    ("google", "gemini-3.1-pro-preview", "standard", {"input": 200_001, "output": 10}, [(200_001, "4"), (10, "18")]),
    (
        "google",
        "gemini-3.8-flash",
        "standard",
        {"input": 10, "cache_read": 9, "output": 8},
        [(10, ".75"), (9, ".075"), (8, "3.75")],
    ),
    (
        "google",
        "gemini-4-argon",
        "standard",
        {"input": 10, "cache_read": 9, "output": 8},
        [(10, "2"), (9, ".1"), (8, "10")],
    ),
    ("google", "gemini-embedding-001", "standard", {"input": 10}, [(10, ".15")]),
    # xAI: 200,000 is included in the long context
    ("x-ai", "grok-4.7", "standard", {"input": 199_999, "output": 10}, [(199_999, "2"), (10, "6")]),
    ("x-ai", "grok-4.7", "standard", {"input": 200_000, "output": 10}, [(200_000, "4"), (10, "12")]),
    ("x-ai", "grok-4.6", "standard", {"cache_read": 1 * K}, [(1 * K, ".5")]),
    ("x-ai", "grok-4.3", "standard", {"input": 10, "output": 10}, [(10, "1.25"), (10, "2.5")]),
    # DeepSeek off-peak
    (
        "deepseek",
        "deepseek-flash",
        "standard",
        {"input": 10, "cache_read": 7, "output": 8},
        [(10, ".15"), (7, ".003"), (8, ".6")],
    ),
]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("provider", "model", "tier", "quantities", "terms"), CASES, ids=[f"{c[1]}-{c[2]}-{'+'.join(c[3])}" for c in CASES]
)
def test_a_known_call_costs_what_the_list_says(
    provider: str, model: str, tier: str, quantities: dict[str, int], terms: list[tuple[int, str]]
) -> None:
    charge = charge_for(BOOK.find(provider, model), Usage(quantities), at_us=at(NOW), tier=tier)
    nanos = [Fraction(tokens) * Fraction(price) * 1000 for tokens, price in terms]  # USD per 1M tokens = 1000 nano each
    assert [line.amount_nanos for line in charge.lines] == [round(value) for value in nanos]
    assert charge.amount_nanos == sum(round(value) for value in nanos)
    assert charge.state is CostState.COMPUTED


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    ("provider", "model", "when", "usd_per_million_input"),
    [
        ("openai", "o3", "2025-06-09T23:59:59", "10"),
        ("openai", "o3", "2025-06-10T00:00:00", "2"),
        ("openai", "gpt-5.6-sol", "2026-08-20T23:59:59", "5"),
        ("openai", "gpt-5.6-sol", "2026-08-21T00:00:00", "4"),
        ("deepseek", "deepseek-flash", "2026-11-20T00:59:59", ".15"),
        ("deepseek", "deepseek-flash", "2026-11-20T01:00:00", ".3"),
        ("deepseek", "deepseek-flash", "2026-11-20T03:59:59", ".3"),
        ("deepseek", "deepseek-flash", "2026-11-20T04:00:00", ".15"),
        ("deepseek", "deepseek-flash", "2026-11-20T09:59:59", ".3"),
        ("google", "gemini-3.8-flash", "2026-12-31T23:59:59", ".75"),
        ("google", "gemini-3.8-flash", "2027-01-01T00:00:00", "1.5"),
    ],
)
def test_the_time_of_a_call_selects_its_price(provider: str, model: str, when: str, usd_per_million_input: str) -> None:
    charge = charge_for(BOOK.find(provider, model), Usage({"input": 100_000}), at_us=at(when), tier="standard")
    assert charge.amount_nanos == Fraction(usd_per_million_input) * 10**8


@pytest.mark.parametrize(
    ("provider", "model", "served", "quantities"),
    [
        ("openai", "gpt-6.2-astra", None, {"input": 1}),  # documented, in no catalogue
        ("openai", "gpt-5.6-sol", "ultrafast", {"input": 1}),
        ("openai", "gpt-5.6-sol", "nonsense", {"input": 1}),
        ("openai", "gpt-4o", "flex", {"input": 1}),  # not sold as flex
        ("openai", "gpt-4o", None, {"input": 1, "cache_write_12h": 1}),  # not sold: its writes cost nothing extra
        ("openai", "text-embedding-3-small", None, {"input": 1, "output": 1}),
        ("openai", "whisper-1", None, {"input": 1}),  # sold by the minute
        ("perplexity", "sonar", None, {"input": 1, "output": 1}),  # pays a fee per request besides
        ("anthropic", "claude-opus-5", "priority", {"input": 1}),
        ("nobody", "gpt-4o", None, {"input": 1}),
        ("", "gpt-4o", None, {"input": 1}),
    ],
)
def test_what_nobody_knows_the_price_of_is_unpriced(
    provider: str, model: str, served: str | None, quantities: dict[str, int]
) -> None:
    tier = price_tier(served, None)
    charge = charge_for(BOOK.find(provider, model), Usage(quantities), at_us=at(NOW), tier=tier)
    assert (charge.state, charge.amount_nanos) == (CostState.UNPRICED, None)
    assert charge.reason


def test_a_tier_of_before_it_was_verified_is_unpriced() -> None:
    prices = BOOK.find("openai", "gpt-5.6-sol")
    assert charge_for(prices, Usage({"input": 1}), at_us=at("2026-10-11T23:59:59"), tier="flex").amount_nanos is None
    assert (
        charge_for(prices, Usage({"input": 1}), at_us=at("2026-10-12T00:00:00"), tier="flex").amount_nanos is not None
    )
