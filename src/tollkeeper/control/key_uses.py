"""When administration keys were used, written down at most once a minute each; other keys are noted with their usage."""

from __future__ import annotations

from contextlib import suppress

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.kit.clock import now_us
from tollkeeper.store import api_keys
from tollkeeper.store.engine import Store

USE_INTERVAL_US = 60_000_000


class AdminKeyUses:
    """Remembers what was written for which key; there are few of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted_us: dict[str, int] = {}

    async def note(self, key: ApiKey) -> None:
        """Note that a key was used now. A store out of reach is no reason to refuse what was asked for."""
        now = now_us()
        if now - self._noted_us.get(key.id, 0) < USE_INTERVAL_US:
            return
        self._noted_us[key.id] = now
        with suppress(StoreUnavailable):
            await self._store.write(lambda connection: api_keys.note_use(connection, key.organization_id, key.id))
