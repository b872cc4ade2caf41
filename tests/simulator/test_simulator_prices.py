"""The price list against genai-prices, and the rounding against exact fractions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper_simulator.bill import Usage, lines_for
from tollkeeper_simulator.prices import MODELS_OF, PRICES, Provider, Tier, amount_nano, rates_for, tier_served

WHEN = datetime(2026, 11, 21, tzinfo=UTC)
MILLION = 1_000_000
PEAK = datetime(2026, 11, 20, 2, tzinfo=UTC)
OPENAI = {model: PRICES[model] for model in MODELS_OF["openai"]}
SOLD = [(model, tier) for model, tiers in OPENAI.items() for tier in tiers]
LONG = [(model, tier) for model, tiers in OPENAI.items() for tier, prices in tiers.items() if prices.long]
THEIR_NAMES: dict[Provider, str] = {"anthropic": "anthropic", "gemini": "google", "deepseek": "deepseek", "xai": "x-ai"}
OTHERS = [
    (provider, model, tier)
    for provider in THEIR_NAMES
    for model in MODELS_OF[provider]
    for tier in PRICES[model]
    if tier not in {"flex", "priority"}  # genai-prices has none of Gemini's
]
TOKENS = 1_000


def theirs(model: str, tier: Tier, usage: TheirUsage, provider: str = "openai") -> Decimal:
    """Return genai-prices' price in USD."""
    context = {"fast": {"speed": "fast"}, "default": {}, "peak": {}}.get(tier, {"service_tier": tier})
    when = PEAK if tier == "peak" else WHEN
    return calc_price(
        usage, model_ref=model, provider_id=provider, genai_request_timestamp=when, price_context=context
    ).total_price


def ours(model: str, tier: Tier, usage: Usage) -> Decimal:
    rates = rates_for(model, tier, usage.input_tokens)
    lines = lines_for(model, tier, usage)
    assert all(line.unit_price_pico == rates.of(line.dimension) for line in lines)
    return sum((Decimal(line.quantity) * line.unit_price_pico for line in lines), Decimal(0)) / 10**12


def test_the_list_has_the_models_that_matter() -> None:
    families = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "o3", "o4-mini", "gpt-5", "gpt-5.4")
    newest = ("gpt-5.6-sol", "gpt-6-astra", "gpt-6.1-sol", "text-embedding-3-small", "text-embedding-3-large")
    assert {*families, *newest} <= set(PRICES)
    assert len(PRICES) >= 40


@pytest.mark.parametrize(("model", "tier"), SOLD)
def test_base_prices_agree_with_genai_prices(model: str, tier: Tier) -> None:
    rates = rates_for(model, tier, 1).pico
    tokens = 1_000
    cached, written = tokens * ("cache_read" in rates), tokens * ("cache_write_30m" in rates)
    made = tokens * ("output" in rates)
    mine = Usage(input_tokens=3 * tokens, cached_tokens=cached, cache_write_tokens=written, output_tokens=made)
    other = TheirUsage(
        input_tokens=3 * tokens, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=made
    )
    assert ours(model, tier, mine) == theirs(model, tier, other)


@pytest.mark.parametrize(("provider", "model", "tier"), OTHERS)
@pytest.mark.parametrize("beyond", [None, 0, 1])
def test_other_providers_prices_agree_with_genai_prices(
    provider: Provider, model: str, tier: Tier, beyond: int | None
) -> None:
    over = PRICES[model][tier].long_over_tokens
    if beyond is not None and over is None:
        return
    entered = 6 * TOKENS if beyond is None else (over or 0) + beyond
    rates = rates_for(model, tier, entered).pico
    sells = {name: TOKENS * (name in rates) for name in ("cache_read", "cache_write_5m", "cache_write_1h", "output")}
    heard = TOKENS * ("input_audio" in rates)
    mine = Usage(
        input_tokens=entered,
        cached_tokens=sells["cache_read"],
        cache_write_5m_tokens=sells["cache_write_5m"],
        cache_write_1h_tokens=sells["cache_write_1h"],
        input_audio_tokens=heard,
        output_tokens=sells["output"],
    )
    other = TheirUsage(
        input_tokens=entered,
        cache_read_tokens=sells["cache_read"],
        cache_write_tokens=sells["cache_write_5m"] + sells["cache_write_1h"],
        cache_write_5m_tokens=sells["cache_write_5m"],
        cache_write_1h_tokens=sells["cache_write_1h"],
        input_audio_tokens=heard,
        cache_audio_read_tokens=0,
        output_tokens=sells["output"],
    )
    assert ours(model, tier, mine) == theirs(model, tier, other, THEIR_NAMES[provider])


@pytest.mark.parametrize(
    ("model", "field", "kind", "nano"),
    [
        ("claude-opus-5-5", "web_searches", "", 10_000_000),
        ("gemini-2.5-flash", "grounded_prompts", "", 35_000_000),
        ("gemini-3.8-flash", "grounding_queries", "", 14_000_000),
        ("grok-4.7", "web_searches", "", 5_000_000),
        ("whisper-1", "seconds", "", 100_000),
        ("tts-1", "characters", "", 15_000),
        ("dall-e-3", "images", "1024x1024/hd", 80_000_000),
        ("dall-e-3", "images", "1024x1792/standard", 80_000_000),
        ("dall-e-3", "images", "1024x1024/standard", 40_000_000),
    ],
)
def test_what_is_sold_by_the_piece_has_its_fee(model: str, field: str, kind: str, nano: int) -> None:
    (line,) = lines_for(model, "default", Usage(**{field: 3}, image_kind=kind))
    assert (line.quantity, line.amount_nano, line.detail) == (3, 3 * nano, kind)


def test_a_piece_that_is_not_on_the_list_is_never_billed() -> None:
    for usage in (
        Usage(grounded_prompts=1),
        Usage(images=1, image_kind="1x1/hd"),
        Usage(cache_write_5m_tokens=1, input_tokens=1),
    ):
        with pytest.raises(AssertionError):
            lines_for("gpt-4o", "default", usage)
    with pytest.raises(AssertionError):
        lines_for("gemini-2.5-flash", "default", Usage(grounding_queries=1))


def test_a_percentage_is_of_token_prices_alone() -> None:
    usage = Usage(input_tokens=10, cached_tokens=4, output_tokens=2, web_searches=1)
    prices = {
        line.dimension: line.unit_price_pico for line in lines_for("claude-opus-5-5", "default", usage, percent=110)
    }
    assert prices == {"input": 4_400_000, "cache_read": 220_000, "output": 22_000_000, "web_search": 10**10}


def test_kinds_of_tokens_are_billed_apart_only_where_they_have_a_price() -> None:
    usage = Usage(
        input_tokens=100,
        cached_tokens=30,
        input_audio_tokens=50,
        cached_audio_tokens=20,
        input_image_tokens=40,
        output_tokens=1,
    )
    flash = {line.dimension: line.quantity for line in lines_for("gemini-2.5-flash", "default", usage)}
    assert flash == {"input": 40, "cache_read": 10, "cache_read_audio": 20, "input_audio": 30, "output": 1}
    pro = {line.dimension: line.quantity for line in lines_for("gemini-2.5-pro", "default", usage)}
    assert pro == {"input": 70, "cache_read": 30, "output": 1}
    seen = Usage(input_tokens=100, input_image_tokens=40)
    embedded = {line.dimension: line.quantity for line in lines_for("gemini-embedding-2", "default", seen)}
    assert embedded == {"input": 60, "input_image": 40}


@pytest.mark.parametrize(("model", "tier"), LONG)
@pytest.mark.parametrize("input_tokens", [272_000, 272_001])
def test_long_context_prices_agree_with_genai_prices(model: str, tier: Tier, input_tokens: int) -> None:
    cached = 128 * ("cache_read" in rates_for(model, tier, 1).pico)
    mine = Usage(input_tokens=input_tokens, cached_tokens=cached, output_tokens=10)
    other = TheirUsage(input_tokens=input_tokens, cache_read_tokens=cached, output_tokens=10)
    assert ours(model, tier, mine) == theirs(model, tier, other)


def test_long_context_makes_the_whole_request_dearer() -> None:
    short, long = rates_for("gpt-5.4", "default", 272_000), rates_for("gpt-5.4", "default", 272_001)
    assert long.of("input") == 2 * short.of("input") == 5_000_000
    assert long.of("cache_read") == 2 * short.of("cache_read")
    assert 2 * long.of("output") == 3 * short.of("output")


@pytest.mark.parametrize("model", ["gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna", "gpt-6-astra", "gpt-6.1-terra"])
def test_cache_writes_cost_a_quarter_more_than_input(model: str) -> None:
    rates = rates_for(model, "default", 1)
    assert 4 * rates.of("cache_write_30m") == 5 * rates.of("input")


def test_audio_has_its_own_price() -> None:
    usage = Usage(input_tokens=30, input_audio_tokens=20, output_tokens=9, output_audio_tokens=5)
    lines = {line.dimension: (line.quantity, line.unit_price_pico) for line in lines_for("gpt-audio", "default", usage)}
    assert lines == {
        "input": (10, 2_500_000),
        "input_audio": (20, 32_000_000),
        "output": (4, 10_000_000),
        "output_audio": (5, 64_000_000),
    }


def test_a_long_priority_request_falls_back_to_default_where_priority_has_no_long_price() -> None:
    assert tier_served("gpt-5.4", "priority", 272_000) == "priority"
    assert tier_served("gpt-5.4", "priority", 272_001) == "default"
    assert tier_served("gpt-6-astra", "priority", 272_001) == "priority"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_amounts_are_exact_fractions_rounded_half_even(quantity: int, pico: int) -> None:
    # Fraction's own rounding is half even, so it is the oracle.
    assert amount_nano(quantity, pico) == round(Fraction(quantity * pico, 1_000))


@pytest.mark.parametrize(("pico", "nano"), [(500, 0), (1_500, 2), (2_500, 2), (501, 1), (499, 0)])
def test_halves_go_to_the_even_nano(pico: int, nano: int) -> None:
    assert amount_nano(1, pico) == nano


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    plain, cached, written, out = (draw(st.integers(0, 500_000)) for _ in range(4))
    return Usage(
        input_tokens=plain + cached + written, cached_tokens=cached, cache_write_tokens=written, output_tokens=out
    )


@given(usages(), st.sampled_from(["gpt-5.6-luna", "gpt-6-luna", "gpt-6.1-sol"]), st.sampled_from(["default", "flex"]))
def test_lines_are_disjoint_and_each_is_rounded_once(usage: Usage, model: str, tier: Tier) -> None:
    lines = lines_for(model, tier, usage)
    assert sum(line.quantity for line in lines) == usage.input_tokens + usage.output_tokens
    assert len({line.dimension for line in lines}) == len(lines)
    for line in lines:
        assert line.amount_nano == round(Fraction(line.quantity * line.unit_price_pico, 1_000))
