"""The simulator's own prices, in integer pico-USD per unit, and what a quantity of units costs in nano-USD.

Pico-USD per token: $1 per million tokens is 1,000,000 pico-USD per token. No float takes part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, cast, get_args

from tollkeeper_simulator import (
    price_list,
    price_list_anthropic,
    price_list_gemini,
    price_list_media,
    price_lists_compatible,
)
from tollkeeper_simulator.fee_list import BY_THE_PIECE, FEES

Provider = Literal["openai", "anthropic", "gemini", "deepseek", "xai"]
Tier = Literal["default", "flex", "priority", "fast", "peak"]
TokenClass = Literal[
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "output",
    "input_audio",
    "cache_read_audio",
    "output_audio",
    "input_image",
    "output_image",
]
Piece = Literal[
    "web_search", "file_search", "code_session", "grounded_prompt", "grounding_query", "second", "character", "image",
]  # fmt: skip
Dimension = TokenClass | Piece

TOKEN_CLASSES: tuple[TokenClass, ...] = get_args(TokenClass)
COUNTED_WITH: dict[Dimension, Dimension] = {
    "input_audio": "input",
    "input_image": "input",
    "cache_read_audio": "cache_read",
    "output_audio": "output",
    "output_image": "output",
}
"""Token class -> the class that it belongs to where a model has no price of its own for it."""

_TIERS: tuple[Tier, ...] = get_args(Tier)
_PICO_PER_USD = 10**12
_MILLION = 1_000_000
_PICO_PER_NANO = 1_000
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Rates:
    """What one unit of each dimension costs, pico-USD; what is missing is not sold. `image_pico` is by size and quality."""

    pico: dict[Dimension, int]
    image_pico: dict[str, int] = field(default_factory=dict)

    def of(self, dimension: Dimension, detail: str = "") -> int:
        """Return the unit price. An AssertionError means that we were about to bill what is not on the list."""
        if dimension == "image":
            assert detail in self.image_pico, f"no price for an image of {detail}"
            return self.image_pico[detail]
        assert dimension in self.pico, f"no price for {dimension}"
        return self.pico[dimension]

    def sells(self, dimension: Dimension) -> bool:
        """Whether there is a price for it."""
        return dimension in self.pico or (dimension == "image" and bool(self.image_pico))

    def at_percent(self, percent: int) -> Rates:
        """Return these rates with every token price at so many percent: a region's surcharge, a discount."""
        if percent == _PERCENT:
            return self
        return Rates({name: _share(name, pico, percent) for name, pico in self.pico.items()}, self.image_pico)


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


def _share(dimension: Dimension, pico: int, percent: int) -> int:
    if dimension not in TOKEN_CLASSES:
        return pico
    share, rest = divmod(pico * percent, _PERCENT)
    assert rest == 0, f"{percent} % of {pico} is finer than a pico-USD"
    return share


def _pico(usd: str, units: int) -> int:
    exact = Decimal(usd) * _PICO_PER_USD / units
    assert exact == exact.to_integral_value(), f"{usd} for {units} is finer than a pico-USD for one"
    return int(exact)


def _fees(model: str) -> tuple[dict[Dimension, int], dict[str, int]]:
    pieces: dict[Dimension, int] = {}
    images: dict[str, int] = {}
    for row in filter(None, FEES.split("\n")):
        start, what, usd = row.split()
        if not model.startswith(start):
            continue
        kind, _, detail = what.partition(":")
        assert kind in get_args(Piece), f"unknown piece in the list of fees: {row}"
        if detail:
            images.setdefault(detail, _pico(usd, 1))
        else:
            pieces.setdefault(cast("Piece", kind), _pico(usd, 1))
    if "grounded_prompt" in pieces:
        pieces.pop("grounding_query", None)
    return pieces, images


def _rates(model: str, columns: list[str], cells: list[str]) -> Rates:
    pieces, images = _fees(model)
    given = zip(columns, cells, strict=False)
    tokens: dict[Dimension, int] = {
        cast("TokenClass", name): _pico(cell, _MILLION) for name, cell in given if cell != "-"
    }
    assert set(tokens) <= set(TOKEN_CLASSES), f"unknown column in a price list: {columns}"
    return Rates({**tokens, **pieces}, images)


def _read(text: str) -> dict[str, dict[Tier, TierPrices]]:
    """Read a list: a line of column names, then a line for each model and tier."""
    usual: dict[tuple[str, str], Rates] = {}
    long: dict[tuple[str, str], tuple[int, Rates]] = {}
    names, *rows = filter(None, text.split("\n"))
    columns = names.split()[2:]
    for row in rows:
        model, tier, *cells = row.split()
        rates = _rates(model, columns, cells)
        name, _, over = tier.partition(">")
        assert name in _TIERS, f"unknown tier in the price list: {row}"
        if over:
            long[model, name] = (int(over), rates)
        else:
            usual[model, name] = rates
    prices: dict[str, dict[Tier, TierPrices]] = {}
    for model, _ in usual:
        by_tier = prices[model] = {}
        for each in _TIERS:
            if (model, each) in usual:
                over_tokens, rates_long = long.get((model, each), (None, None))
                by_tier[each] = TierPrices(usual[model, each], rates_long, over_tokens)
    return prices


_BY_PROVIDER: dict[Provider, dict[str, dict[Tier, TierPrices]]] = {
    "openai": _read(price_list.LIST),
    "anthropic": _read(price_list_anthropic.LIST),
    "gemini": _read(price_list_gemini.LIST),
    "deepseek": _read(price_lists_compatible.DEEPSEEK),
    "xai": _read(price_lists_compatible.XAI),
}

MODELS_OF: dict[Provider, tuple[str, ...]] = {provider: tuple(prices) for provider, prices in _BY_PROVIDER.items()}
"""Provider -> its models that sell tokens, by their plain names."""

PRICES: dict[str, dict[Tier, TierPrices]] = {
    **{model: prices for each in _BY_PROVIDER.values() for model, prices in each.items()},
    **_read(price_list_media.LIST),
    **{model: {"default": TierPrices(Rates(*_fees(model)))} for model in BY_THE_PIECE},
}
"""Model id (without date) of any provider -> service tier -> prices."""


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
