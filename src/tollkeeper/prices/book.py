"""The price book in memory: the compiled catalogue with own prices over it. It answers without I/O and never raises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tollkeeper.domain.deployment import Catalogue
from tollkeeper.domain.price import ModelPrices, PriceBook, PriceRow
from tollkeeper.prices.catalogue import NAME_LENGTH_MAX, CatalogueFile, CatalogueModel
from tollkeeper.prices.own_rows import overlay, rows_for

FOUND_MAX = 4096
"""How many answers are kept. Names come from outside, so the oldest answer goes when there are more."""


class CompiledBook:
    """Prices by provider and model, and which models a provider has.

    A model's name resolves as genai-prices resolves it, dated names included. Every price's source names the model of
    the catalogue that it was taken from, so a name that resolved to a near relative shows in the charge.
    """

    def __init__(self, catalogue: CatalogueFile, rows: Iterable[PriceRow] = (), *, organization_id: str = "") -> None:
        self._catalogue = catalogue
        self._rows: dict[str, list[PriceRow]] = {}
        for row in rows:
            if row.organization_id in {"", organization_id}:
                self._rows.setdefault(row.provider, []).append(row)
        self._found: dict[tuple[str, str], ModelPrices | None] = {}

    @classmethod
    def load(cls) -> CompiledBook:
        """Read the catalogue that the package carries."""
        return cls(CatalogueFile.open())

    @property
    def source(self) -> str:
        """The catalogue's name and version, as the sources of its prices begin."""
        return self._catalogue.source

    def with_own_rows(self, rows: Iterable[PriceRow], *, organization_id: str = "") -> CompiledBook:
        """Return a book with these own rows instead of this book's, over the same catalogue.

        Rows of other organizations than `organization_id` are left out; those for everybody always count.
        """
        return CompiledBook(self._catalogue, rows, organization_id=organization_id)

    def find(self, provider: str, model: str) -> ModelPrices | None:
        """Return all prices of a model by any of its names; None when neither catalogue nor own rows have it."""
        key = (provider, model)
        try:
            return self._found[key]
        except KeyError:
            prices = self._find(provider, model)
        if len(self._found) >= FOUND_MAX:
            del self._found[next(iter(self._found))]
        if len(model) <= NAME_LENGTH_MAX:
            self._found[key] = prices
        return prices

    def model(self, provider: str, model: str) -> CatalogueModel | None:
        """Return what the catalogue knows of a model by any of its names, without own prices."""
        return self._catalogue.resolve(provider, model)

    def has(self, provider: str, model: str) -> bool:
        """Tell whether the provider itself serves the model: not one that it resells on another platform."""
        found = self._catalogue.resolve(provider, model, with_fallbacks=False)
        return found is not None and not found.is_resold

    def models(self, provider: str) -> list[str]:
        """List names of the models that the provider itself serves; each resolves to its model."""
        return [model.listed for model in self._catalogue.models(provider) if model.listed and not model.is_resold]

    def catalogue_models(self, provider: str) -> list[CatalogueModel]:
        return self._catalogue.models(provider)

    def providers(self) -> list[str]:
        """List the catalogue's providers and those of own rows only."""
        return sorted({*self._catalogue.providers(), *self._rows})

    def pricing_urls(self, provider: str) -> list[str]:
        entry = self._catalogue.header.providers.get(provider)
        return list(entry.pricing_urls) if entry is not None else []

    def own_rows(self, provider: str) -> list[PriceRow]:
        return list(self._rows.get(provider, ()))

    def _find(self, provider: str, model: str) -> ModelPrices | None:
        known = self._catalogue.resolve(provider, model)
        base = known.prices if known is not None else None
        if provider not in self._rows or len(model) > NAME_LENGTH_MAX:
            return base
        names = [model.lower(), *([known.id.lower()] if known is not None else [])]
        rows = rows_for(self._rows[provider], names)
        if not rows:
            return base
        return overlay(base, rows, provider=provider, model=known.id if known is not None else model)


if TYPE_CHECKING:
    _book: PriceBook = CompiledBook.load()
    _catalogue: Catalogue = CompiledBook.load()
