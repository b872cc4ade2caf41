"""What is known of models besides their prices: what their makers state, and the price catalogue where they state nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS
from tollkeeper.domain.model_card import KnownModel
from tollkeeper.domain.model_facts import NOTHING, facts_of
from tollkeeper.prices.book import CompiledBook

if TYPE_CHECKING:
    from tollkeeper.domain.model_card import KnownModels

_MAKERS = frozenset(CATALOGUE_PROVIDERS.values())
_UNKNOWN = KnownModel(NOTHING)


class CatalogueModels:
    """Knows models by the provider that they are listed under. Another server's model of the same name may be cut down."""

    def __init__(self, book: CompiledBook) -> None:
        self._book = book

    def known(self, catalogue: str, model: str) -> KnownModel:
        """See `KnownModels`."""
        listed = self._book.model(catalogue, model) if catalogue else None
        if listed is None and catalogue not in _MAKERS:
            return _UNKNOWN
        facts = facts_of(model) if catalogue in _MAKERS else NOTHING
        if facts.context_window is None and listed is not None:
            facts = msgspec.structs.replace(facts, context_window=listed.context_window)
        return KnownModel(facts, None if listed is None else listed.is_deprecated)


if TYPE_CHECKING:

    def _is_the_port(models: CatalogueModels) -> KnownModels:
        return models
