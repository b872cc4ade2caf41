"""Tests of pricing a usage: thresholds, tiers, time, and everything that must end unpriced."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.price import DailyWindow, ModelPrices, PriceVersion, charge_for, price_tier
from tollkeeper.domain.rate_card import Rate, card_of
from tollkeeper.domain.usage import CostState, Dimension, Usage

US = 1_000_000
DAY_S = 86_400
MONDAY_S = 4 * DAY_S  # 1970-01-05


def of(*rates: Rate, tier: str = "standard", valid_from_us: int = 0) -> ModelPrices:
    return ModelPrices("p", "m", (PriceVersion(valid_from_us, {tier: rates}),))


def expected_rate(rates: tuple[Rate, ...], dimension: str, input_total: int) -> Rate | None:
    """The rule once more, as plainly as it can be said: of the thresholds that are passed, the highest one."""
    mine = sorted((rate for rate in rates if rate.dimension == dimension), key=lambda rate: rate.context_over)
    passed = [rate for rate in mine if rate.context_over == 0 or rate.context_over < input_total]
    return passed[-1] if passed else None


def test_a_charge_has_a_line_for_each_dimension_and_is_their_sum() -> None:
    prices = of(Rate("input", 2_500_000, 0, "book"), Rate("output", 10_000_000, 0, "book"))
    charge = charge_for(prices, Usage({"input": 1000, "output": 500}), at_us=0, tier="standard")
    assert charge.state is CostState.COMPUTED
    assert [
        (line.dimension, line.quantity, line.price_pico, line.amount_nanos, line.source) for line in charge.lines
    ] == [
        ("input", 1000, 2_500_000, 2_500_000, "book"),
        ("output", 500, 10_000_000, 5_000_000, "book"),
    ]
    assert charge.amount_nanos == 7_500_000


def test_each_line_is_rounded_once_and_the_sum_is_not_rounded_again() -> None:
    prices = of(Rate("input", 1), Rate("output", 1))
    charge = charge_for(prices, Usage({"input": 501, "output": 501}), at_us=0, tier="standard")
    assert charge.amount_nanos == 2  # 0.501 + 0.501 would be 1.002


def test_an_estimated_usage_is_charged_as_estimated() -> None:
    charge = charge_for(of(Rate("input", 1000)), Usage({"input": 3}, is_estimated=True), at_us=0, tier="standard")
    assert (charge.state, charge.amount_nanos) == (CostState.ESTIMATED, 3)


def test_unknown_model_tier_and_dimension_are_unpriced_and_say_so() -> None:
    prices = of(Rate("input", 1000))
    usage = Usage({"input": 1, "output": 1})
    for charge, word in (
        (charge_for(None, usage, at_us=0, tier="standard"), "model"),
        (charge_for(prices, usage, at_us=0, tier="flex"), "'flex'"),
        (charge_for(prices, usage, at_us=0, tier="standard"), "'output'"),
        (charge_for(of(Rate("input", 1), valid_from_us=5), usage, at_us=4, tier="standard"), "'standard'"),
    ):
        assert (charge.state, charge.amount_nanos, charge.lines) == (CostState.UNPRICED, None, ())
        assert word in charge.reason


def test_an_explicit_zero_needs_no_price() -> None:
    charge = charge_for(of(Rate("input", 1000)), Usage({"input": 1, "output": 0}), at_us=0, tier="standard")
    assert charge.amount_nanos == 1


def test_a_price_of_zero_is_a_known_price() -> None:
    charge = charge_for(of(Rate("input", 0)), Usage({"input": 9}), at_us=0, tier="standard")
    assert (charge.state, charge.amount_nanos, len(charge.lines)) == (CostState.COMPUTED, 0, 1)


@pytest.mark.parametrize(("extra", "expected"), [(0, 100), (1, 200)])
def test_the_whole_input_cached_or_not_selects_the_long_context_price(extra: int, expected: int) -> None:
    prices = of(
        *(Rate(d, 100_000) for d in ("input", "cache_read", "cache_write_30m", "input_audio")),
        *(Rate(d, 200_000, 272_000) for d in ("input", "cache_read", "cache_write_30m", "input_audio")),
        Rate("output", 100_000),
        Rate("output", 200_000, 272_000),
    )
    usage = Usage(
        {"input": 1 + extra, "cache_read": 271_000, "cache_write_30m": 900, "input_audio": 99, "output": 1_000_000}
    )
    charge = charge_for(prices, usage, at_us=0, tier="standard")
    assert {line.price_pico for line in charge.lines} == {expected * 1000}


def test_the_highest_threshold_passed_wins_whatever_the_order_of_rates() -> None:
    rates = (Rate("input", 3, 300), Rate("input", 1), Rate("input", 4, 400), Rate("input", 2, 200))
    for total, price in ((200, 1), (201, 2), (300, 2), (301, 3), (400, 3), (401, 4)):
        assert card_of(rates).pick(Usage({"input": total}))["input"].price_pico == price
        charge = charge_for(of(*rates), Usage({"input": total}), at_us=0, tier="standard")
        assert charge.lines[0].price_pico == price


def test_below_the_only_threshold_there_is_no_price() -> None:
    prices = of(Rate("input", 5, 100))
    assert charge_for(prices, Usage({"input": 100}), at_us=0, tier="standard").amount_nanos is None
    assert card_of(prices.versions[0].tiers["standard"]).pick(Usage({"input": 100})) == {}


dimensions = st.sampled_from([dimension.value for dimension in Dimension])
rates = st.lists(
    st.builds(Rate, dimensions, st.integers(0, 10**8), st.sampled_from([0, 100, 200, 272_000]), st.just("s")),
    max_size=20,
    unique_by=lambda rate: (rate.dimension, rate.context_over),
).map(tuple)


@given(rates, st.dictionaries(dimensions, st.integers(0, 300_000), max_size=6))
@settings(max_examples=200, deadline=None, database=None)
def test_a_charge_is_the_sum_of_exact_lines_or_unpriced(found: tuple[Rate, ...], quantities: dict[str, int]) -> None:
    usage = Usage(quantities)
    charge = charge_for(of(*found), usage, at_us=0, tier="standard")
    chosen = {d: expected_rate(found, d, usage.input_total) for d, quantity in quantities.items() if quantity}
    if None in chosen.values():
        assert charge.amount_nanos is None
        return
    exact = [Fraction(quantities[d] * rate.price_pico, 1000) for d, rate in chosen.items() if rate is not None]
    assert [line.amount_nanos for line in charge.lines] == [round(value) for value in exact]
    assert charge.amount_nanos == sum(round(value) for value in exact)
    assert abs(charge.amount_nanos - sum(exact, Fraction(0))) <= Fraction(len(exact), 2)


def test_the_last_version_that_has_begun_applies() -> None:
    prices = ModelPrices(
        "p",
        "m",
        (PriceVersion(0, {"standard": (Rate("input", 1),)}), PriceVersion(100, {"standard": (Rate("input", 2),)})),
    )
    assert [prices.rates(at, "standard")[0].price_pico for at in (0, 99, 100, 10**18)] == [1, 1, 2, 2]  # type: ignore[index]


def test_a_tier_that_ends_with_a_version_is_not_taken_from_an_earlier_one() -> None:
    prices = ModelPrices(
        "p", "m", (PriceVersion(0, {"standard": (), "flex": (Rate("input", 1),)}), PriceVersion(100, {"standard": ()}))
    )
    assert prices.rates(50, "flex") is not None
    assert prices.rates(100, "flex") is None


@pytest.mark.parametrize(
    ("window", "second", "is_inside"),
    [
        (DailyWindow(3600, 14_400), 3599, False),
        (DailyWindow(3600, 14_400), 3600, True),
        (DailyWindow(3600, 14_400), 14_399, True),
        (DailyWindow(3600, 14_400), 14_400, False),
        (DailyWindow(82_800, 3600), 0, True),
        (DailyWindow(82_800, 3600), 3600, False),
        (DailyWindow(82_800, 3600), 82_799, False),
        (DailyWindow(82_800, 3600), 82_800, True),
        (DailyWindow(0, 86_400, weekdays=1), 0, True),  # Mondays
        (DailyWindow(0, 86_400, weekdays=1), -1, False),  # the Sunday before
        (DailyWindow(0, 86_400, weekdays=1), DAY_S, False),  # Tuesday
        (DailyWindow(82_800, 3600, weekdays=1), DAY_S + 10, True),  # Tuesday, in Monday's window
        (DailyWindow(82_800, 3600, weekdays=1), 10, False),  # Monday, in Sunday's window
        (DailyWindow(0, 86_400, weekdays=64), -1, True),
    ],
)
def test_a_window_holds_from_its_first_second_to_before_its_last(
    window: DailyWindow, second: int, is_inside: bool
) -> None:
    prices = ModelPrices(
        "p",
        "m",
        (
            PriceVersion(0, {"standard": (Rate("input", 1),)}),
            PriceVersion(0, {"standard": (Rate("input", 2),)}, (window,)),
        ),
    )
    found = prices.rates((MONDAY_S + second) * US, "standard")
    assert found is not None
    assert found[0].price_pico == (2 if is_inside else 1)


@pytest.mark.parametrize(
    ("served", "requested", "tier"),
    [
        (None, None, "standard"),
        ("", "", "standard"),
        ("default", None, "standard"),
        ("default", "flex", "standard"),  # what served decides
        ("standard", None, "standard"),
        ("auto", None, "standard"),
        (None, "auto", "standard"),
        (None, "flex", "flex"),
        ("flex", "default", "flex"),
        ("priority", None, "priority"),
        (None, "fast", "priority"),
        ("Priority", None, "priority"),
        ("ultrafast", None, "ultrafast"),
        ("batch", None, "batch"),
        ("scale", None, "scale"),  # prepaid: not the standard price by accident
        ("on_demand_offpeak", None, "on_demand_offpeak"),
    ],
)
def test_words_on_the_wire_become_tiers(served: str | None, requested: str | None, tier: str) -> None:
    assert price_tier(served, requested) == tier


@pytest.mark.parametrize("served", [None, "default", "flex", "nonsense"])
def test_a_batch_is_priced_by_its_route(served: str | None) -> None:
    assert price_tier(served, "priority", is_batch=True) == "batch"
