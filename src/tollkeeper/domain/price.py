"""Dated prices and what a usage costs by them: `ModelPrices`, `PriceRow`, `PriceBook`, `charge_for`. Integers only.

A price is found by (provider, model, time, service tier, input size). What is not found is unpriced, never free and
never another tier's price.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from tollkeeper.domain.money import PICOS_PER_NANO, amount_nanos
from tollkeeper.domain.rate_card import Rate, at_percent, card_of
from tollkeeper.domain.usage import REPORTED, Charge, ChargeLine, CostState, Usage, is_token

STANDARD_TIER = "standard"
BATCH_TIER = "batch"
PRICE_TIERS = (STANDARD_TIER, BATCH_TIER, "flex", "priority", "ultrafast", "fast_mode")
"""The tiers that a catalogue may price. `fast_mode` is Anthropic's `speed: fast`, which is not its priority tier."""

_WHOLE = 100  # percent
_TIER_OF_WORD = {"": STANDARD_TIER, "default": STANDARD_TIER, "auto": STANDARD_TIER, "fast": "priority"}


class DailyWindow(msgspec.Struct, frozen=True, array_like=True):
    """A time of day in UTC, seconds since midnight, [from_s, to_s); past midnight when to_s <= from_s.

    `weekdays` is a set of bits, Monday = 1, Sunday = 64.
    """

    from_s: int
    to_s: int
    weekdays: int = 127


class PriceVersion(msgspec.Struct, frozen=True, array_like=True):
    """The prices of a model from `valid_from_us` on (microseconds since 1970 UTC), within `windows` if there are any."""

    valid_from_us: int
    tiers: dict[str, tuple[Rate, ...]]
    windows: tuple[DailyWindow, ...] = ()


class ModelPrices(msgspec.Struct, frozen=True):
    """All known prices of one model at one provider. The last version that applies at a time wins."""

    provider: str
    model: str
    versions: tuple[PriceVersion, ...]

    def rates(self, at_us: int, tier: str) -> tuple[Rate, ...] | None:
        """Return the rates of a tier at a time; None when no price is known."""
        if self.versions:
            latest = self.versions[-1]
            if not latest.windows and latest.valid_from_us <= at_us:  # the usual case, on the path of every call
                return latest.tiers.get(tier)
        version = self.version_at(at_us)
        return version.tiers.get(tier) if version is not None else None

    def version_at(self, at_us: int) -> PriceVersion | None:
        """Return the version that is in force at a time."""
        for version in reversed(self.versions):
            if version.valid_from_us <= at_us and (not version.windows or _within(version.windows, at_us)):
                return version
        return None


class PriceRow(msgspec.Struct, frozen=True):
    """An own price, as it is stored: append only. A later row supersedes it; nothing ever edits it.

    `model_pattern` is a model's name, or a beginning of names followed by `*`. `organization_id` is "" when the price
    holds for everybody. Times are microseconds since 1970 UTC. `note` is where the price comes from, for people.
    """

    id: str  # price_<base62>
    organization_id: str
    provider: str  # the provider's name in the catalogue, or any other name
    model_pattern: str
    dimension: str
    tier: str
    context_over: int
    price_pico: int
    valid_from_us: int
    note: str = ""
    created_at_us: int = 0


class PriceBook(Protocol):
    """Finds a model's prices. Implementations answer from memory and never raise for what they do not know."""

    def find(self, provider: str, model: str) -> ModelPrices | None: ...


def price_tier(served: str | None, requested: str | None, *, is_batch: bool = False) -> str:
    """Return the price book's tier for the words on the wire: what served decides, what was asked only stands in for it.

    A batch is known by its route: OpenAI calls the tier of a batch line "default". OpenAI's "fast" is served and priced
    as "priority" (developers.openai.com/api/docs/pricing, read 2026-11-21). Every other word comes back as itself, so
    that it ends unpriced; that includes OpenAI's "scale", which is prepaid capacity and has no price per token.
    """
    if is_batch:
        return BATCH_TIER
    if not served and not requested:
        return STANDARD_TIER
    word = (served if served else requested) or ""
    word = word.strip().lower()
    return _TIER_OF_WORD.get(word, word)


def charge_for(
    prices: ModelPrices | None,
    usage: Usage,
    *,
    at_us: int,
    tier: str,
    find: Callable[[str], ModelPrices | None] | None = None,
) -> Charge:
    """Price a usage line by line.

    `tier` is one of the price book's tiers; a tier, or a dimension with a quantity, that has no rate makes the whole
    charge unpriced: half a price would pass for the whole. `find` returns the prices of other models that took part.
    """
    if prices is None:
        return Charge(CostState.UNPRICED, None, reason="no price is known for this model")
    rates = prices.rates(at_us, tier)
    if rates is None:
        return Charge(CostState.UNPRICED, None, reason=f"no price is known for service tier '{tier}'")
    picked = card_of(rates).pick(usage)
    lines: list[ChargeLine] = []
    total = 0
    for dimension, quantity in usage.quantities.items():
        if not quantity:
            continue
        rate = picked.get(dimension) or _other_rate(dimension, picked, usage, find=find, at_us=at_us, tier=tier)
        if rate is None:
            return Charge(CostState.UNPRICED, None, reason=f"no price is known for '{dimension}'")
        if usage.percent != _WHOLE and is_token(dimension):
            rate = at_percent(rate, usage.percent)
        amount = amount_nanos(quantity, rate.price_pico)
        total += amount
        lines.append(ChargeLine(dimension, quantity, rate.price_pico, amount, rate.source))
    state = CostState.ESTIMATED if usage.is_estimated else CostState.COMPUTED
    return Charge(state, total, tuple(lines))


def charge_reported(nanos: int, provider: str) -> Charge:
    """Return the charge of a call whose provider says what it bills for it: one line, fees and discounts included."""
    line = ChargeLine(REPORTED, 1, nanos * PICOS_PER_NANO, nanos, f"reported by {provider}")
    return Charge(CostState.REPORTED, nanos, (line,))


def price_ceiling(
    prices: ModelPrices, input_tokens_max: int, output_tokens_max: int, *, at_us: int, tier: str
) -> int | None:
    """Return nano-USD that no charge for at most so many tokens exceeds; None when the tier has no price."""
    rates = prices.rates(at_us, tier)
    return None if rates is None else card_of(rates).ceiling_nanos(input_tokens_max, output_tokens_max)


def _other_rate(
    dimension: str,
    picked: dict[str, Rate],
    usage: Usage,
    *,
    find: Callable[[str], ModelPrices | None] | None,
    at_us: int,
    tier: str,
) -> Rate | None:
    """Return the rate of what has none under its own name: an image of any size, or another model's tokens by its prices."""
    name, at, model = dimension.partition("@")
    if not at:
        return picked.get(dimension.partition(":")[0])
    prices = find(model) if find is not None else None
    rates = prices.rates(at_us, tier) if prices is not None else None
    if rates is None:
        return None
    own = {each.removesuffix(f"@{model}"): n for each, n in usage.quantities.items() if each.endswith(f"@{model}")}
    return card_of(rates).pick(Usage(own)).get(name)


def _within(windows: tuple[DailyWindow, ...], at_us: int) -> bool:
    days, second = divmod(at_us // 1_000_000, 86_400)
    weekday_bit = 1 << ((days + 3) % 7)  # 1970-01-01 was a Thursday
    yesterday_bit = 1 << ((days + 2) % 7)
    for window in windows:
        if window.from_s < window.to_s:
            if window.weekdays & weekday_bit and window.from_s <= second < window.to_s:
                return True
        elif (window.weekdays & weekday_bit and second >= window.from_s) or (
            window.weekdays & yesterday_bit and second < window.to_s
        ):
            return True
    return False
