"""Tests of what of a usage is tokens, and what is fees and units that no quota of tokens counts."""

from __future__ import annotations

import pytest

from tollkeeper.domain.price import charge_for, charge_reported
from tollkeeper.domain.rate_card import Rate, card_of
from tollkeeper.domain.usage import (
    FEE_DIMENSIONS,
    INPUT_DIMENSIONS,
    OUTPUT_DIMENSIONS,
    TOKEN_DIMENSIONS,
    UNIT_DIMENSIONS,
    CostState,
    Dimension,
    Usage,
    is_token,
    tokens_of,
)

MIXED = {
    "input": 1, "cache_read_audio": 2, "output": 4, "output_image": 8, "web_search": 100, "file_search": 100,
    "grounding": 100, "code_session": 100, "characters": 100, "seconds": 100, "image": 100, "image:high:1024x1024": 100,
    "input@claude-opus-5": 16, "output@claude-opus-5": 32,
}  # fmt: skip


def test_every_dimension_is_input_output_fee_or_unit() -> None:
    groups = (INPUT_DIMENSIONS, OUTPUT_DIMENSIONS, FEE_DIMENSIONS, UNIT_DIMENSIONS)
    assert sorted(each for group in groups for each in group) == sorted(each.value for each in Dimension)


def test_fees_and_units_are_no_tokens_and_another_models_tokens_are() -> None:
    assert Usage(MIXED).tokens == 63
    assert tokens_of(MIXED) == (1 + 2 + 16, 4 + 8 + 32)
    assert tokens_of({"a class of later": 5}) == (0, 5)  # what nobody knows counts


@pytest.mark.parametrize("dimension", ["input", "output_image", "output@m", "input@image:b", "of later"])
def test_tokens_are_told_by_name(dimension: str) -> None:
    assert is_token(dimension)


@pytest.mark.parametrize("dimension", ["web_search", "image", "image:low:256x256", "seconds", "image@m:high"])
def test_what_is_no_token_is_told_by_name(dimension: str) -> None:
    assert not is_token(dimension)


def test_only_the_models_own_input_passes_a_threshold() -> None:
    assert Usage({"input": 3, "cache_read": 2, "input@m": 50, "seconds": 99, "web_search": 9}).input_total == 5
    assert Usage({"output": 3, "output@m": 50, "characters": 99}).output_total == 3


def test_a_fee_bounds_no_token() -> None:
    card = card_of((Rate("input", 1000), Rate("output", 2000), Rate("web_search", 10**10), Rate("image", 10**10)))
    assert card.ceiling_nanos(10, 10) == 10 + 20 + len(TOKEN_DIMENSIONS)


def test_an_image_of_any_size_costs_what_an_image_costs_unless_its_size_has_a_price() -> None:
    from tollkeeper.domain.price import ModelPrices, PriceVersion

    rates = (Rate("image", 4_000), Rate("image:high:1024x1024", 9_000))
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": rates}),))
    usage = Usage({"image:high:1024x1024": 2, "image:low:1024x1024": 3, "image": 5})
    charge = charge_for(prices, usage, at_us=0, tier="standard")
    assert [line.amount_nanos for line in charge.lines] == [18, 12, 20]


def test_what_the_provider_reports_is_one_line() -> None:
    charge = charge_reported(21_200, "xai")
    assert (charge.state, charge.amount_nanos) == (CostState.REPORTED, 21_200)
    (line,) = charge.lines
    assert (line.dimension, line.quantity, line.price_pico, line.amount_nanos) == ("reported", 1, 21_200_000, 21_200)
    assert line.source == "reported by xai"
