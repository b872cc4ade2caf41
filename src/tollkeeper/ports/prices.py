"""What the data plane asks about prices: the price book of an organization, from memory."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.price import PriceBook


class Prices(Protocol):
    """Holds the price books; what it holds is at most 1 s behind the store."""

    def of(self, organization_id: str) -> PriceBook:
        """Return the book of an organization: the catalogue, the operator's own prices, then the organization's."""
        ...
