"""The simulator's own prices, in integer pico-USD per token, and what a quantity of tokens costs in nano-USD.

Pico-USD per token: $1 per million tokens is 1,000,000 pico-USD per token. No float takes part.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tollkeeper_simulator.price_list import LIST

Tier = Literal["default", "flex", "priority"]
Dimension = Literal["input", "cache_read", "cache_write_30m", "output", "input_audio", "output_audio"]

_COLUMNS: tuple[Dimension, ...] = ("input", "cache_read", "cache_write_30m", "output", "input_audio", "output_audio")
_PICO_PER_USD_PER_MILLION = 1_000_000
_PICO_PER_NANO = 1_000


@dataclass(frozen=True, slots=True)
class Rates:
    """What one token of each dimension costs, pico-USD; a dimension that is missing is not sold."""

    pico: dict[Dimension, int]

    def of(self, dimension: Dimension) -> int:
        """Return the unit price. An AssertionError means that we were about to bill what is not on the list."""
        assert dimension in self.pico, f"no price for {dimension}"
        return self.pico[dimension]


@dataclass(frozen=True, slots=True)
class TierPrices:
    """One model at one service tier: its rates, and those beyond its long-context threshold if it has one."""

    usual: Rates
    long: Rates | None = None
    long_over_tokens: int | None = None

    def at(self, input_tokens: int) -> Rates:
        """Return the rates for a whole request with this much input."""
        if self.long is not None and self.long_over_tokens is not None and input_tokens > self.long_over_tokens:
            return self.long
        return self.usual


def amount_nano(quantity: int, unit_price_pico: int) -> int:
    """Return `quantity` × price in nano-USD, rounded once, half to even."""
    assert quantity >= 0, "a negative quantity was about to be billed"
    nano, rest = divmod(quantity * unit_price_pico, _PICO_PER_NANO)
    half = _PICO_PER_NANO // 2
    if rest > half or (rest == half and nano % 2 == 1):
        nano += 1
    return nano


def _pico(usd_per_million: str) -> int:
    exact = Decimal(usd_per_million) * _PICO_PER_USD_PER_MILLION
    assert exact == exact.to_integral_value(), f"{usd_per_million} is finer than a pico-USD per token"
    return int(exact)


def _read(text: str) -> dict[str, dict[Tier, TierPrices]]:
    usual: dict[tuple[str, str], Rates] = {}
    long: dict[tuple[str, str], tuple[int, Rates]] = {}
    for row in text.split("\n"):
        if not row.strip():
            continue
        model, tier, *cells = row.split()
        cell_of = zip(_COLUMNS, cells, strict=False)
        rates = Rates({dimension: _pico(cell) for dimension, cell in cell_of if cell != "-"})
        name, _, over = tier.partition(">")
        assert name in {"default", "flex", "priority"}, f"unknown tier in the price list: {row}"
        if over:
            long[model, name] = (int(over), rates)
        else:
            usual[model, name] = rates
    prices: dict[str, dict[Tier, TierPrices]] = {}
    tiers: tuple[Tier, ...] = ("default", "flex", "priority")
    for model, _ in usual:
        by_tier = prices[model] = {}
        for each in tiers:
            if (model, each) in usual:
                over_tokens, rates_long = long.get((model, each), (None, None))
                by_tier[each] = TierPrices(usual[model, each], rates_long, over_tokens)
    return prices


PRICES: dict[str, dict[Tier, TierPrices]] = _read(LIST)
"""Model id (without date) -> service tier -> prices."""


def rates_for(model: str, tier: Tier, input_tokens: int) -> Rates:
    """Return what a request is billed at; KeyError when the model or the tier is not for sale."""
    return PRICES[model][tier].at(input_tokens)


def tier_served(model: str, tier: Tier, input_tokens: int) -> Tier:
    """Return the tier that serves the request: OpenAI sells some models' priority tier without long context.

    A priority request beyond the default tier's long-context threshold then runs, and is billed, at `default`.
    """
    wanted, default = PRICES[model][tier], PRICES[model]["default"]
    beyond = default.long_over_tokens is not None and input_tokens > default.long_over_tokens
    if tier == "priority" and beyond and wanted.long is None:
        return "default"
    return tier
