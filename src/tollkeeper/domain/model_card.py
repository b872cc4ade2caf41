"""What a list of models tells of each: limits, kinds of content, prices in force, whether it is deprecated, who serves it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tollkeeper.domain.deployment import Route
from tollkeeper.domain.model_facts import ModelFacts
from tollkeeper.domain.money import format_usd_per_million
from tollkeeper.domain.price import PriceBook, PriceVersion
from tollkeeper.domain.rate_card import Rate

JsonObject = dict[str, Any]


class KnownModel(msgspec.Struct, frozen=True, gc=False):
    """A model as far as it is known; `is_deprecated` is None for one that no catalogue has."""

    facts: ModelFacts
    is_deprecated: bool | None = None


class KnownModels(Protocol):
    """What is known of models, whoever asks."""

    def known(self, catalogue: str, model: str) -> KnownModel:
        """Return what is known of a model of a catalogue's provider; "" is a provider that no catalogue has."""


def versions_now(route: Route, book: PriceBook, at_us: int) -> tuple[PriceVersion | None, ...]:
    """Return the prices that are in force at a time, by deployment, in order; None where none are known."""
    found = [book.find(each.provider.price_list, each.model) for each in route.deployments]
    return tuple(None if prices is None else prices.version_at(at_us) for prices in found)


def describe(route: Route, versions: Sequence[PriceVersion | None], known: Sequence[KnownModel]) -> JsonObject:
    """Return what is told of a model; `versions` and `known` are of the route's deployments, in order.

    Of several, the limits are the least and the kinds of content those that all have, unknown where one is; the window is
    that of the deployments for long context, where there are any. `prices` are those of the first; a further provider that
    has others carries its own.
    """
    served = list(zip(route.deployments, (each.facts for each in known), strict=True))
    facts = [each for deployment, each in served if not deployment.is_for_long_context]
    longer = [each for deployment, each in served if deployment.is_for_long_context]
    deprecated = {each.is_deprecated for each in known}
    return {
        "context_window": _least([each.context_window for each in longer or facts]),
        "output_limit": _least([each.output_limit for each in facts]),
        "modalities": {"input": _shared([f.inputs for f in facts]), "output": _shared([f.outputs for f in facts])},
        "deprecated": deprecated.pop() if len(deprecated) == 1 else None,
        "prices_usd_per_million": prices_of(versions[0]),
        "providers": [
            {"name": each.provider.name, "model": each.model}
            | ({} if version is versions[0] else {"prices_usd_per_million": prices_of(version)})
            for each, version in zip(route.deployments, versions, strict=True)
        ],
    }


def prices_of(version: PriceVersion | None) -> JsonObject | None:
    """Return the prices of a million units as decimal strings, by tier and dimension; None when none are known.

    A dimension that costs what another one does is left out. A tier with prices for longer inputs has them beside, in
    `long_context`, by the number of input tokens that must be exceeded.
    """
    if version is None:
        return None
    found = {tier: _prices(rates) for tier, rates in version.tiers.items() if rates}
    return found or None


def _prices(rates: Sequence[Rate]) -> JsonObject:
    own = [rate for rate in rates if not rate.follows]
    prices: JsonObject = {rate.dimension: _shown(rate) for rate in own if not rate.context_over}
    thresholds = sorted({rate.context_over for rate in own if rate.context_over})
    if thresholds:
        prices["long_context"] = [
            {"over_tokens": over} | {rate.dimension: _shown(rate) for rate in own if rate.context_over == over}
            for over in thresholds
        ]
    return prices


def _shown(rate: Rate) -> str:
    return format_usd_per_million(rate.price_pico)


def _least(figures: Sequence[int | None]) -> int | None:
    known = [figure for figure in figures if figure is not None]
    return min(known) if known and len(known) == len(figures) else None


def _shared(kinds: Sequence[tuple[str, ...] | None]) -> list[str] | None:
    first = kinds[0]
    if first is None or None in kinds:
        return None
    return [kind for kind in first if all(kind in (other or ()) for other in kinds)]
