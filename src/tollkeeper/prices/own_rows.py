"""Own prices over the catalogue's: which row is in force for a model at a time, and the versions that follow from it.

Rules, in this order: a row for an organization beats one for everybody, an exact name beats a pattern, a longer pattern
a shorter one, a later `valid_from_us` an earlier one, a later row of the list an earlier one. From its threshold up, the
row in force replaces the catalogue's prices of its dimension and tier; a dimension that follows another (it has no
price of its own) goes on following it. A tier that exists in own rows only prices cache reads as input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tollkeeper.domain.price import ModelPrices, PriceRow, PriceVersion
from tollkeeper.domain.rate_card import Rate
from tollkeeper.domain.usage import Dimension

_Slot = tuple[str, str, int]  # dimension, tier, threshold


def rows_for(rows: Iterable[PriceRow], names: Sequence[str]) -> list[PriceRow]:
    """Return the rows that concern a model by any of its names, the strongest last."""
    ranked = []
    for position, row in enumerate(rows):
        strength = _strength(row.model_pattern, names)
        if strength is not None:
            ranked.append((bool(row.organization_id), strength, row.valid_from_us, position, row))
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])]


def overlay(base: ModelPrices | None, rows: Sequence[PriceRow], *, provider: str, model: str) -> ModelPrices:
    """Merge own rows, the strongest last, into a model's prices. `base` is None for a model of own rows only."""
    catalogue = base.versions if base is not None else ()
    starts = sorted({row.valid_from_us for row in rows} | {version.valid_from_us for version in catalogue})
    versions: list[PriceVersion] = []
    for start_us in starts:
        in_force = {(row.dimension, row.tier, row.context_over): row for row in rows if row.valid_from_us <= start_us}
        beneath = _versions_at(catalogue, start_us)
        if not beneath and in_force:
            beneath = [PriceVersion(start_us, {})]
        versions += [
            PriceVersion(start_us, _tiers(version.tiers, in_force), version.windows) if in_force else version
            for version in beneath
        ]
    return ModelPrices(provider, model, tuple(versions))


def _strength(pattern: str, names: Sequence[str]) -> tuple[bool, int] | None:
    """Return (is exact, length) of a pattern that concerns one of the names, None when it concerns none of them."""
    lower = pattern.lower()
    if lower.endswith("*"):
        beginning = lower[:-1]
        return (False, len(beginning)) if any(name.startswith(beginning) for name in names) else None
    for nearness, name in enumerate(reversed(names)):
        if lower == name:
            return True, nearness
    return None


def _versions_at(versions: Sequence[PriceVersion], at_us: int) -> list[PriceVersion]:
    """Return the versions that can apply from `at_us` on: the last one without windows, and all later ones."""
    begun = [version for version in versions if version.valid_from_us <= at_us]
    for position in range(len(begun) - 1, -1, -1):
        if not begun[position].windows:
            return begun[position:]
    return begun


def _tiers(beneath: dict[str, tuple[Rate, ...]], rows: dict[_Slot, PriceRow]) -> dict[str, tuple[Rate, ...]]:
    tiers = dict(beneath)
    for tier in {slot[1] for slot in rows}:
        own: dict[str, list[Rate]] = {}
        for (dimension, row_tier, over), row in sorted(rows.items()):
            if row_tier == tier:
                own.setdefault(dimension, []).append(Rate(dimension, row.price_pico, over, row.id))
        tiers[tier] = _merged(beneath.get(tier), own)
    return tiers


def _merged(beneath: tuple[Rate, ...] | None, own: dict[str, list[Rate]]) -> tuple[Rate, ...]:
    merged: dict[str, list[Rate]] = {}
    follows = {rate.dimension: rate.follows for rate in beneath or () if rate.follows}
    if beneath is None:
        follows = {Dimension.CACHE_READ.value: Dimension.INPUT.value}
    for rate in beneath or ():
        merged.setdefault(rate.dimension, []).append(rate)
    for dimension, rates in own.items():
        lowest = rates[0].context_over
        merged[dimension] = [rate for rate in merged.get(dimension, ()) if rate.context_over < lowest] + rates
    for follower, head in follows.items():
        if follower not in own and head in own:
            merged[follower] = [_as_follower(rate, follower) for rate in merged[head]]
    return tuple(rate for rates in merged.values() for rate in rates)


def _as_follower(rate: Rate, dimension: str) -> Rate:
    return Rate(dimension, rate.price_pico, rate.context_over, f"{rate.source} (as {rate.dimension})", rate.dimension)
