"""The price books that are in force: the compiled catalogue with the own prices of the store over it, kept up to date."""

from __future__ import annotations

import asyncio
import logging

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.price import PriceBook, PriceRow
from tollkeeper.kit import clock
from tollkeeper.kit.tasks import TaskGroup
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
        self._turn = asyncio.Lock()
        self._tasks = TaskGroup()
        self._follower: asyncio.Task[None] | None = None
        self._is_behind = False
        self.loaded_at_us = 0

    def of(self, organization_id: str) -> PriceBook:
        """See `ports.prices.Prices`."""
        return self._own.get(organization_id, self._shared)

    async def reload(self) -> None:
        """Read all own prices. Reloads take turns: each reads what was written before it began to read.

        Raises:
            StoreUnavailable: the books stay as they were.
        """
        async with self._turn:  # a slow read must not put its older rows over a newer one's
            rows: list[PriceRow] = await self._store.read(prices.list_all_prices)
            owners = {row.organization_id for row in rows} - {""}
            shared = [row for row in rows if not row.organization_id]
            self._shared = self._catalogue.with_own_rows(shared)
            self._own = {owner: self._catalogue.with_own_rows(rows, organization_id=owner) for owner in owners}
            self.loaded_at_us = clock.now_us()

    def follow(self) -> None:
        """Reload in the background after a change was noticed, however long it takes until the store answers."""
        self._is_behind = True
        if self._follower is None or self._follower.done():
            self._follower = self._tasks.start(self._catch_up(), "price books")

    async def aclose(self) -> None:
        """Stop following."""
        await self._tasks.cancel()

    async def _catch_up(self) -> None:
        while self._is_behind:
            self._is_behind = False
            try:
                await self.reload()
            except StoreUnavailable as error:
                self._is_behind = True
                _log.warning("own prices could not be read again: %s", error.message)
                await asyncio.sleep(_TRY_AGAIN_S)
