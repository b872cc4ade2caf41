"""Reads the compiled catalogue: the file stays in memory as bytes, and a model is decoded when it is first asked for.

The file's first line is a header, every other line a model; `scripts/compile-prices` writes it and says what the parts
mean. Models stand by provider, and within a provider in the order in which they are tried against a name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tollkeeper.domain.price import DailyWindow, ModelPrices, PriceVersion
from tollkeeper.domain.rate_card import Rate
from tollkeeper.domain.usage import Dimension
from tollkeeper.prices.matching import is_match, with_dashed_date

PATH = Path(__file__).with_name("catalogue.jsonl")
NAME_LENGTH_MAX = 256

_DIMENSIONS = {dimension.value: dimension.value for dimension in Dimension}  # one string object for each name


class CatalogueProvider(msgspec.Struct, frozen=True):
    """A provider of the catalogue. `fallbacks` are the providers whose models it resells at their standard prices."""

    name: str
    models: int
    pricing_urls: list[str] = []
    fallbacks: list[str] = []


class CatalogueHeader(msgspec.Struct, frozen=True):
    catalogue: str
    version: str
    licence: str
    source: str
    data_sha256: str
    additions_sha256: str
    models_sha256: str
    providers: dict[str, CatalogueProvider]


class CatalogueModel(msgspec.Struct, frozen=True):
    """A model with its prices. `fees` are the kinds of prices that the data has besides those per token."""

    provider: str
    id: str
    prices: ModelPrices
    listed: str  # a name that resolves to the model, "" when there is none
    context_window: int | None
    is_deprecated: bool
    is_resold: bool  # priced at this provider, but served by another API of it
    fees: list[str]


class _MatchLine(msgspec.Struct):
    match: list[Any]


class _VersionLine(msgspec.Struct, rename={"valid_from": "from"}):
    tiers: dict[str, dict[str, list[Any]]]
    valid_from: str = ""
    windows: list[list[int]] = []


class _ModelLine(msgspec.Struct):
    provider: str
    id: str
    versions: list[_VersionLine]
    listed: str | None = None
    context_window: int | None = None
    is_deprecated: bool = False
    is_resold: bool = False
    fees: list[str] = []
    sources: dict[str, str] = {}


class CatalogueFile:
    """The catalogue's models by provider and name. Nothing here depends on the time."""

    def __init__(self, data: bytes) -> None:
        header, *self._lines = data.splitlines()
        self.header = msgspec.json.decode(header, type=CatalogueHeader)
        self.source = f"{self.header.catalogue} {self.header.version}"
        self._first: dict[str, int] = {}
        position = 0
        for provider, entry in self.header.providers.items():
            self._first[provider] = position
            position += entry.models
        assert position == len(self._lines), "the catalogue's header counts other models than there are"
        self._clauses: dict[str, list[list[Any]]] = {}  # provider -> the match clause of each model
        self._decoded: dict[int, CatalogueModel] = {}  # no larger than the file

    @classmethod
    def open(cls, path: Path = PATH) -> CatalogueFile:
        return cls(path.read_bytes())

    def providers(self) -> list[str]:
        return list(self._first)

    def resolve(self, provider: str, name: str, *, with_fallbacks: bool = True) -> CatalogueModel | None:
        """Return the model that genai-prices would find for a name at a provider, by the same order of trials.

        A model found at a fallback provider is sold at its standard price only: the data knows no other tier there.
        """
        if provider not in self._first or len(name) > NAME_LENGTH_MAX:
            return None
        lower = name.lower()
        dashed = with_dashed_date(lower)
        for spelling in (lower,) if dashed == lower else (lower, dashed):
            found = self._match(provider, spelling)
            if found is not None:
                return self._decode(found)
            for fallback in self.header.providers[provider].fallbacks if with_fallbacks else ():
                found = self._match(fallback, spelling)
                if found is not None:
                    return _standard_only(self._decode(found), provider)
        return None

    def models(self, provider: str) -> list[CatalogueModel]:
        """Decode all models of a provider, in the file's order."""
        if provider not in self._first:
            return []
        first = self._first[provider]
        return [self._decode(first + offset) for offset in range(self.header.providers[provider].models)]

    def _match(self, provider: str, lower: str) -> int | None:
        clauses = self._clauses.get(provider)
        if clauses is None:
            clauses = self._clauses[provider] = self._decode_clauses(provider)
        for offset, clause in enumerate(clauses):
            if is_match(clause, lower):
                return self._first[provider] + offset
        return None

    def _decode_clauses(self, provider: str) -> list[list[Any]]:
        first = self._first[provider]
        lines = self._lines[first : first + self.header.providers[provider].models]
        decoder = msgspec.json.Decoder(_MatchLine)
        return [decoder.decode(line).match for line in lines]

    def _decode(self, position: int) -> CatalogueModel:
        model = self._decoded.get(position)
        if model is None:
            line = msgspec.json.decode(self._lines[position], type=_ModelLine)
            model = self._decoded[position] = _model(line, f"{self.source} {line.id}")
        return model


def _model(line: _ModelLine, source: str) -> CatalogueModel:
    versions = tuple(_version(version, source, line.sources) for version in line.versions)
    return CatalogueModel(
        provider=line.provider,
        id=line.id,
        prices=ModelPrices(line.provider, line.id, versions),
        listed=line.id if line.listed is None else line.listed,
        context_window=line.context_window,
        is_deprecated=line.is_deprecated,
        is_resold=line.is_resold,
        fees=line.fees,
    )


def _version(line: _VersionLine, source: str, sources: dict[str, str]) -> PriceVersion:
    valid_from_us = 0
    if line.valid_from:
        valid_from_us = int(datetime.fromisoformat(line.valid_from).replace(tzinfo=UTC).timestamp()) * 1_000_000
    tiers = {tier: _rates(groups, sources.get(f"{tier} tier", source), sources) for tier, groups in line.tiers.items()}
    return PriceVersion(valid_from_us, tiers, tuple(DailyWindow(*window) for window in line.windows))


def _rates(groups: dict[str, list[Any]], source: str, sources: dict[str, str]) -> tuple[Rate, ...]:
    rates: list[Rate] = []
    for key, (base, *thresholds) in groups.items():
        heads, _, followers = key.partition(" > ")
        dimensions = [(name, "") for name in heads.split()] + [(name, heads) for name in followers.split()]
        for name, follows in dimensions:
            dimension = _DIMENSIONS.get(name, name)  # an image's has its quality and size
            said = f"{source} (as {follows})" if follows else sources.get(name, source)
            rates.append(Rate(dimension, base, 0, said, follows))
            rates += [Rate(dimension, price, over, said, follows) for over, price in thresholds]
    return tuple(rates)


def _standard_only(model: CatalogueModel, provider: str) -> CatalogueModel:
    versions = tuple(
        PriceVersion(version.valid_from_us, {"standard": version.tiers["standard"]}, version.windows)
        for version in model.prices.versions
    )
    prices = ModelPrices(provider, model.id, versions)
    return msgspec.structs.replace(model, provider=provider, prices=prices)
