"""The price books that are in force: the compiled catalogue with the own prices of the store over it, kept up to date."""

from __future__ import annotations

import asyncio
import logging

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.price import PriceBook, PriceRow
from tollkeeper.kit import clock
from tollkeeper.prices.book import CompiledBook
from tollkeeper.store import prices
from tollkeeper.store.engine import Store

_log = logging.getLogger(__name__)
_TRY_AGAIN_S = 1.0


class LivePrices:
    """Satisfies `ports.prices.Prices`: one book for everybody, and one for each organization with prices of its own."""

    def __init__(self, store: Store, catalogue: CompiledBook) -> None:
        self._store, self._catalogue = store, catalogue
        self._shared: CompiledBook = catalogue
        self._own: dict[str, CompiledBook] = {}
        self.loaded_at_us = 0

    def of(self, organization_id: str) -> PriceBook:
        """See `ports.prices.Prices`."""
        return self._own.get(organization_id, self._shared)

    async def reload(self) -> None:
        """Read all own prices.

        Raises:
            StoreUnavailable: the books stay as they were.
        """
        rows: list[PriceRow] = await self._store.read(prices.list_all_prices)
        owners = {row.organization_id for row in rows} - {""}
        shared = [row for row in rows if not row.organization_id]
        self._shared = self._catalogue.with_own_rows(shared)
        self._own = {owner: self._catalogue.with_own_rows(rows, organization_id=owner) for owner in owners}
        self.loaded_at_us = clock.now_us()

    async def follow(self) -> None:
        """Reload after a change was noticed, however long it takes until the store answers."""
        while True:
            try:
                await self.reload()
            except StoreUnavailable as error:
                _log.warning("own prices could not be read again: %s", error.message)
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return
