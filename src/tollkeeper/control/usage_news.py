"""Whether an organization has new calls: what pages that stay open ask again and again, answered by one look for all of them."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Administration
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.store import usage_lists

LOOKS_EVERY_S = 0.9
ORGANIZATIONS_MAX = 10_000


class _Seen(msgspec.Struct):
    at_s: float
    newest: bytes


class UsageNews:
    """One per process."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration
        self._seen: dict[str, _Seen] = {}

    async def newest(self, organization_id: str) -> bytes:
        """Return the id of an organization's newest recorded call, b"" before the first; at most a second old.

        Raises:
            StoreUnavailable: the database is out of reach.
        """
        seen = self._seen.get(organization_id)
        if seen is not None and monotonic_s() - seen.at_s < LOOKS_EVERY_S:
            return seen.newest
        if len(self._seen) >= ORGANIZATIONS_MAX:
            self._seen.clear()
        looking = self._seen[organization_id] = _Seen(monotonic_s(), seen.newest if seen else b"")
        looking.newest = await self._administration.store.read(
            lambda connection: usage_lists.newest_call(connection, organization_id)
        )
        return looking.newest
