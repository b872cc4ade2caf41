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
from tollkeeper_simulator.prices import PRICES, Tier, amount_nano, rates_for, tier_served

WHEN = datetime(2026, 11, 21, tzinfo=UTC)
MILLION = 1_000_000
SOLD = [(model, tier) for model, tiers in PRICES.items() for tier in tiers]
LONG = [(model, tier) for model, tiers in PRICES.items() for tier, prices in tiers.items() if prices.long]


def theirs(model: str, tier: Tier, usage: TheirUsage) -> Decimal:
    """Return genai-prices' price in USD."""
    context = {} if tier == "default" else {"service_tier": tier}
    return calc_price(
        usage, model_ref=model, provider_id="openai", genai_request_timestamp=WHEN, price_context=context
    ).total_price


def ours(model: str, tier: Tier, usage: Usage) -> Decimal:
    rates = rates_for(model, tier, usage.input_tokens)
    return sum((Decimal(q) * rates.of(d) for d, q in usage.quantities().items() if q), Decimal(0)) / 10**12


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
