"""The reservation's bound: no charge for at most so many tokens exceeds it, in any class, at any threshold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.money import AMOUNT_NANOS_MAX
from tollkeeper.domain.price import ModelPrices, PriceVersion, charge_for, price_ceiling
from tollkeeper.domain.rate_card import Rate, card_of
from tollkeeper.domain.usage import (
    FEE_DIMENSIONS,
    INPUT_DIMENSIONS,
    OUTPUT_DIMENSIONS,
    TOKEN_DIMENSIONS,
    Dimension,
    Usage,
)

INPUTS, OUTPUTS = sorted(INPUT_DIMENSIONS), sorted(OUTPUT_DIMENSIONS)

rates = st.lists(
    st.builds(
        Rate,
        st.sampled_from([each.value for each in Dimension]),
        st.integers(0, 10**9),
        st.sampled_from([0, 100, 200_000]),
    ),
    max_size=20,
    unique_by=lambda rate: (rate.dimension, rate.context_over),
)
counts = st.integers(0, 400_000)


@given(rates, st.dictionaries(st.sampled_from(INPUTS), counts), st.dictionaries(st.sampled_from(OUTPUTS), counts))
def test_no_charge_exceeds_the_ceiling_of_its_tokens(
    known: list[Rate], inputs: dict[str, int], outputs: dict[str, int]
) -> None:
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": tuple(known)}),))
    charge = charge_for(prices, Usage({**inputs, **outputs}), at_us=1, tier="standard")
    if charge.amount_nanos is None:
        return
    ceiling = price_ceiling(prices, sum(inputs.values()), sum(outputs.values()), at_us=1, tier="standard")
    assert ceiling is not None
    assert charge.amount_nanos <= ceiling


def test_a_tier_without_a_price_has_no_ceiling() -> None:
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": ()}),))
    assert price_ceiling(prices, 1, 1, at_us=1, tier="flex") is None
    assert price_ceiling(prices, 1, 1, at_us=-1, tier="standard") is None


def test_what_is_free_comes_to_nothing_and_what_has_no_rate_is_not_free() -> None:
    free, unknown = card_of((Rate("input", 0),)), card_of((Rate("image", 0),))
    assert (free.ceiling_nanos(1_000, 1_000), unknown.ceiling_nanos(1_000, 1_000)) == (0, len(TOKEN_DIMENSIONS))
    assert (free.output_tokens_within(0, 1_000), unknown.output_tokens_within(0, 1_000)) == (AMOUNT_NANOS_MAX, 0)


def test_the_dearest_input_rate_counts_and_long_prompts_pay_their_threshold() -> None:
    known = (Rate("input", 1000), Rate("cache_write_30m", 1250), Rate("input", 2000, 100), Rate("output", 5000))
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": known}),))
    slack = len(TOKEN_DIMENSIONS)
    assert price_ceiling(prices, 100, 10, at_us=1, tier="standard") == (100 * 1250 + 10 * 5000) // 1000 + slack
    assert price_ceiling(prices, 101, 10, at_us=1, tier="standard") == (101 * 2000 + 10 * 5000) // 1000 + slack


@given(
    rates, rates, st.dictionaries(st.sampled_from(INPUTS), counts), st.dictionaries(st.sampled_from(OUTPUTS), counts)
)
def test_no_charge_at_either_of_two_tiers_exceeds_their_ceiling(
    asked: list[Rate], other: list[Rate], inputs: dict[str, int], outputs: dict[str, int]
) -> None:
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": tuple(asked), "priority": tuple(other)}),))
    ceiling = card_of(tuple(asked), tuple(other)).ceiling_nanos(sum(inputs.values()), sum(outputs.values()))
    for tier in ("standard", "priority"):
        amount = charge_for(prices, Usage({**inputs, **outputs}), at_us=1, tier=tier).amount_nanos
        assert amount is None or amount <= ceiling


def test_another_tier_counts_for_the_ceiling_and_never_for_a_charge() -> None:
    asked, other = (Rate("input", 1000), Rate("output", 5000)), (Rate("input", 2000), Rate("output", 9000))
    card = card_of(asked, other)
    assert card.ceiling_nanos(100, 10) == 100 * 2 + 10 * 9 + len(TOKEN_DIMENSIONS)
    assert card.pick(Usage({"input": 1})) == {"input": asked[0], "output": asked[1]}
    assert card_of(asked).ceiling_nanos(100, 10) == 100 * 1 + 10 * 5 + len(TOKEN_DIMENSIONS)
    assert card_of(asked, other) is card


def test_a_short_prompts_output_is_not_bounded_by_the_price_of_long_ones() -> None:
    card = card_of((Rate("input", 1000), Rate("output", 5000), Rate("input", 2000, 100), Rate("output", 7000, 100)))
    assert card.ceiling_nanos(100, 10) == 100 * 1 + 10 * 5 + len(TOKEN_DIMENSIONS)
    assert card.ceiling_nanos(101, 10) == 101 * 2 + 10 * 7 + len(TOKEN_DIMENSIONS)


@given(rates, st.integers(0, 10**12), counts)
def test_what_fits_into_an_amount_is_the_most_that_does(known: list[Rate], nanos: int, inputs: int) -> None:
    card = card_of(tuple(known))
    fits = card.output_tokens_within(nanos, inputs)
    if fits:
        assert card.ceiling_nanos(inputs, fits) <= nanos or fits == AMOUNT_NANOS_MAX
    if fits < AMOUNT_NANOS_MAX:
        assert card.ceiling_nanos(inputs, fits + 1) > nanos


uses = st.dictionaries(st.sampled_from(sorted(FEE_DIMENSIONS)), st.integers(0, 50))


@given(
    rates,
    st.dictionaries(st.sampled_from(INPUTS), counts),
    st.dictionaries(st.sampled_from(OUTPUTS), counts),
    uses,
    st.sampled_from([100, 110, 180]),
)
def test_no_charge_with_fees_at_any_place_exceeds_the_ceiling(
    known: list[Rate], inputs: dict[str, int], outputs: dict[str, int], fees: dict[str, int], percent: int
) -> None:
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": tuple(known)}),))
    usage = Usage({**inputs, **outputs, **fees}, percent=percent)
    charge = charge_for(prices, usage, at_us=1, tier="standard")
    if charge.amount_nanos is None:
        return
    assert charge.amount_nanos == sum(line.amount_nanos for line in charge.lines)
    card = card_of(tuple(known)).at_percent(percent)
    most = card.fees_nanos({name: count for name, count in fees.items() if count})
    assert most is not None
    assert charge.amount_nanos <= card.ceiling_nanos(sum(inputs.values()), sum(outputs.values())) + most


def test_fees_without_a_price_have_no_ceiling() -> None:
    card = card_of((Rate("input", 1_000), Rate("web_search", 10**10), Rate("web_search", 2 * 10**10, 100)))
    assert card.fees_nanos({"web_search": 3}) == 3 * 2 * 10**7
    assert card.fees_nanos({"grounding": 1}) is None
    assert card.fees_nanos({}) == 0
