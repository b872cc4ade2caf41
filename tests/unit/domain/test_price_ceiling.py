"""The reservation's bound: no charge for at most so many tokens exceeds it, in any class, at any threshold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.price import ModelPrices, PriceVersion, charge_for, price_ceiling
from tollkeeper.domain.rate_card import Rate
from tollkeeper.domain.usage import Dimension, Usage

INPUTS = [each.value for each in Dimension if not each.value.startswith("output")]
OUTPUTS = [each.value for each in Dimension if each.value.startswith("output")]

rates = st.lists(
    st.builds(Rate, st.sampled_from([*INPUTS, *OUTPUTS]), st.integers(0, 10**9), st.sampled_from([0, 100, 200_000])),
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


def test_the_dearest_input_rate_counts_and_long_prompts_pay_their_threshold() -> None:
    known = (Rate("input", 1000), Rate("cache_write_30m", 1250), Rate("input", 2000, 100), Rate("output", 5000))
    prices = ModelPrices("p", "m", (PriceVersion(0, {"standard": known}),))
    slack = len(Dimension)
    assert price_ceiling(prices, 100, 10, at_us=1, tier="standard") == (100 * 1250 + 10 * 5000) // 1000 + slack
    assert price_ceiling(prices, 101, 10, at_us=1, tier="standard") == (101 * 2000 + 10 * 5000) // 1000 + slack
