"""Tests that the compiled catalogue is what genai-prices says: every price, tier, time, threshold and name.

The oracle is genai-prices' own calculation. A charge may differ from it by its rounding alone: half a nano-USD a line.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint
from genai_prices_oracle import CONTEXTS, COUNTS, PROVIDERS, their_nanos

from tollkeeper.domain.price import charge_for
from tollkeeper.domain.rate_card import Rate
from tollkeeper.domain.usage import Usage
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.catalogue import PATH

BOOK = CompiledBook.load()
SCRIPT = Path(__file__).parents[2] / "scripts" / "compile-prices"
ROUNDED = {"openrouter", "huggingface_together"}
WITHOUT_TOKENS = {"requests_kcount", "output_reasoning_mtok", "output_citation_mtok"}
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday: of weekends the data knows nothing (see test_additions)
ADDED = {"gpt-4o-mini-search-preview", "gpt-5-search-api-2025-10-14", "dall-e-3"}  # models that only the additions have
THOROUGH = ("anthropic", "deepseek", "google", "groq", "mistral", "moonshotai", "openai", "perplexity", "x-ai", "zai")


def models() -> Iterator[tuple[str, ModelInfo]]:
    for provider in PROVIDERS.values():
        for model in provider.models:
            yield provider.id, model


def script() -> ModuleType:
    loader = SourceFileLoader("compile_prices", str(SCRIPT))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    is_writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = is_writing
    return module


def test_the_file_is_what_the_script_compiles_from_the_pinned_data() -> None:
    assert PATH.read_text(encoding="utf-8") == script().compile_catalogue(), "run scripts/compile-prices"


def test_a_price_finer_than_a_pico_dollar_stops_the_compilation() -> None:
    module = script()
    from decimal import Decimal

    assert module.pico(Decimal("0.138"), 10**6, is_rounded=False) == 138_000
    with pytest.raises(AssertionError):
        module.pico(Decimal("0.1380001"), 10**6, is_rounded=False)
    assert module.pico(Decimal("0.0833333333"), 10**6, is_rounded=True) == 83_333


def test_a_variant_that_is_no_known_tier_stops_the_compilation() -> None:
    module = script()
    from genai_prices.types import ClauseEquals, PriceVariant

    for when in ({"service_tier": "nightly"}, {"processing": "batch", "service_tier": "flex"}):
        variant = PriceVariant(when=when, prices=ModelPrice(input_mtok=1))  # type: ignore[arg-type]
        with pytest.raises(AssertionError):
            module._check_variants(ModelInfo("m", ClauseEquals("m"), prices=ModelPrice(), price_variants=[variant]))


def moments(model: ModelInfo) -> list[int]:
    """Return the times around which the model's prices can change, in microseconds."""
    found = {NOW}
    conditions = [] if isinstance(model.prices, ModelPrice) else [c.constraint for c in model.prices]
    conditions += [variant.constraint for variant in model.price_variants or []]
    days = {c.start_date for c in conditions if isinstance(c, StartDateConstraint)} | {NOW.date()}
    found |= {datetime.combine(day, datetime.min.time(), UTC) for day in days}
    seconds = {
        time.hour * 3600 + time.minute * 60
        for c in conditions
        if isinstance(c, TimeOfDateConstraint)
        for time in (c.start_time, c.end_time)
    }
    midnights = [int(at.timestamp()) for at in found]
    exact = {midnight + second for midnight in midnights for second in seconds | {0}}
    return sorted(at * 1_000_000 for second in exact for at in (second - 1, second))


def thresholds(model: ModelInfo) -> set[int]:
    prices = [model.prices] if isinstance(model.prices, ModelPrice) else [c.prices for c in model.prices]
    prices += [variant.prices for variant in model.price_variants or []]
    values = [value for price in prices for value in price.__dict__.values() if isinstance(value, TieredPrices)]
    return {tier.start for value in values for tier in value.tiers}


def usages(model: ModelInfo, chance: random.Random) -> list[Usage]:
    """Return random usages, and some with exactly as many input tokens as a threshold, one fewer and one more."""
    dimensions = [*COUNTS]
    drawn = [
        Usage({d: chance.choice((0, 1, 7, chance.randrange(60_000))) for d in chance.sample(dimensions, 4)})
        for _ in range(5)
    ]
    for start in thresholds(model):
        for total in (start - 1, start, start + 1):
            cached = chance.randrange(total)
            drawn.append(Usage({"input": total - cached, "cache_read": cached, "output": chance.randrange(9000)}))
    return drawn


def is_theirs(rate: Rate) -> bool:
    return rate.source.startswith("genai-prices")


def rounding(usage: Usage) -> Fraction:
    """Return by how much nano-USD the compiled prices may differ: an hour's price has no exact price of a second."""
    return Fraction(usage.quantities.get("seconds", 0), 2000)


@pytest.mark.parametrize("provider", THOROUGH)
def test_every_charge_equals_genai_prices_at_every_time_tier_and_threshold(provider: str) -> None:
    chance = random.Random(20261121)
    compared = unsold = 0
    for model in PROVIDERS[provider].models:
        prices = next(m.prices for m in BOOK.catalogue_models(provider) if m.id == model.id)
        for at_us in moments(model):
            for tier in CONTEXTS:
                rates = prices.rates(at_us, tier)
                if rates is None:
                    unsold += 1
                    continue
                known = {rate.dimension for rate in rates if is_theirs(rate)}
                added = {rate.dimension for rate in rates} - known
                for usage in usages(model, chance):
                    charge = charge_for(prices, usage, at_us=at_us, tier=tier)
                    used = {d for d, quantity in usage.quantities.items() if quantity}
                    if used & added:
                        continue
                    if used <= known:
                        assert charge.amount_nanos is not None
                        exact = sum((Fraction(x.quantity * x.price_pico, 1000) for x in charge.lines), Fraction(0))
                        theirs = their_nanos(provider, model, usage, at_us, tier)
                        assert abs(exact - theirs) <= rounding(usage), (model.id, at_us, tier, usage)
                        assert abs(charge.amount_nanos - exact) <= Fraction(len(charge.lines), 2)
                        compared += 1
                    else:
                        assert charge.amount_nanos is None
    assert compared >= {"openai": 3000, "anthropic": 300}.get(provider, 30)
    assert unsold


def test_every_model_of_every_provider_has_the_price_of_the_source_now() -> None:
    chance = random.Random(7)
    at_us = int(NOW.timestamp()) * 1_000_000
    compared = 0
    for provider, model in models():
        compiled = next(m for m in BOOK.catalogue_models(provider) if m.id == model.id)
        rates = compiled.prices.rates(at_us, "standard")
        if not rates:  # nothing here has a price per token alone
            continue
        dimensions = {rate.dimension for rate in rates if is_theirs(rate)}
        usage = Usage({dimension: chance.randrange(1, 9_000) for dimension in dimensions})
        lines = charge_for(compiled.prices, usage, at_us=at_us, tier="standard").lines
        assert len(lines) == len(usage.quantities)
        ours = sum((Fraction(line.quantity * line.price_pico, 1000) for line in lines), Fraction(0))
        theirs = their_nanos(provider, model, usage, at_us, "standard")
        if provider in ROUNDED:
            assert abs(ours - theirs) <= Fraction(usage.input_total + usage.output_total, 2000)  # half a pico-USD each
        else:
            assert abs(ours - theirs) <= rounding(usage), (provider, model.id)
        compared += bool(lines)
    assert compared > 2_100  # the others have no price per token: free models, minutes, characters, pages


def test_a_tier_is_sold_exactly_when_the_source_has_prices_for_it() -> None:
    at_us = int(NOW.timestamp()) * 1_000_000
    for provider, model in models():
        compiled = next(m for m in BOOK.catalogue_models(provider) if m.id == model.id)
        for tier, context in CONTEXTS.items():
            stated = [
                key
                for variant in model.price_variants or []
                if variant.when == context and (variant.constraint is None or variant.constraint.active(NOW))
                for key in variant.prices.__dict__
                if key.endswith("_mtok") or (key == "input_audio_hours" and provider != "groq")
            ]
            if provider == "google" and tier in {"flex", "priority"} and not stated:
                continue  # see test_additions
            is_sold = compiled.prices.rates(at_us, tier) is not None
            assert is_sold == (context is None or bool(stated)), (provider, model.id, tier)
        assert compiled.prices.rates(at_us, "ultrafast") is None
        assert compiled.prices.rates(at_us, "nonsense") is None


def test_what_tokens_alone_do_not_pay_for_is_unpriced() -> None:
    at_us = int(NOW.timestamp()) * 1_000_000
    seen = 0
    for provider, model in models():
        price = model.get_prices(NOW)
        if WITHOUT_TOKENS & {key for key, value in price.__dict__.items() if value is not None}:
            prices = BOOK.find(provider, model.id)
            assert (
                charge_for(prices, Usage({"input": 5, "output": 5}), at_us=at_us, tier="standard").amount_nanos is None
            )
            seen += 1
    assert seen >= 5


def names() -> Iterator[tuple[str, str]]:
    """Yield names that a wire may carry: every id, every name and prefix in a clause, and made-up neighbours of them."""
    for position, (provider, model) in enumerate(models()):
        if provider not in THOROUGH and position % 5:  # the source takes a millisecond for a long list of models
            continue
        words = {model.id, *re.findall(r"='([^']+)'", str(model.match))}
        for word in words:
            plain = (
                word.strip("^$").replace("\\", "").replace("d{8}", "20260102").replace("d{4}-d{2}-d{2}", "2026-01-02")
            )
            yield provider, plain
            for suffix in ("-20251211", "-2025-12-11", "-latest", "x"):
                yield provider, plain + suffix
        yield provider, model.id.upper()
        yield provider, "x" + model.id


def test_every_name_resolves_to_the_model_that_the_source_finds() -> None:
    everybody = list(PROVIDERS.values())
    compared = found_none = 0
    for provider, name in names():
        theirs = PROVIDERS[provider].find_model(name, all_providers=everybody)
        ours = BOOK.model(provider, name)
        if ours is not None and ours.id in ADDED:
            continue
        assert (ours.id if ours else None) == (theirs.id if theirs else None), (provider, name)
        compared += 1
        found_none += theirs is None
    assert compared > 5_000
    assert found_none > 1_000


def test_a_model_of_a_fallback_provider_is_sold_at_its_standard_price_only() -> None:
    at_us = int(NOW.timestamp()) * 1_000_000
    azure = BOOK.find("azure", "gpt-5.6-sol-2026-09-09")
    openai = BOOK.find("openai", "gpt-5.6-sol")
    assert azure is not None
    assert openai is not None
    assert azure.rates(at_us, "standard") == openai.rates(at_us, "standard")
    assert openai.rates(at_us, "flex") is not None
    assert azure.rates(at_us, "flex") is None
    assert azure.provider == "azure"
