"""What the limits ask of the store: leases on budgets, exchanged in batches, and signs of life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tollkeeper.domain.lease import Answer, Ask, Pulse


class LeaseStore(Protocol):
    """Where budgets are kept. `holder` names the replica: the name of its journal slot, never two at once."""

    async def exchange(self, holder: str, asks: Sequence[Ask]) -> list[Answer]:
        """Do every ask in one transaction and answer in their order; the same asks again change nothing.

        Raises:
            StoreUnavailable: it is not known whether they were done; ask the same again.
        """
        ...

    async def pulse(self, holder: str, *, is_beating: bool) -> Pulse:
        """Read what a replica must hear; with `is_beating` also note that it is alive, which reopens its suspended leases.

        Raises:
            StoreUnavailable: nothing was noted.
        """
        ...

    async def reclaim(self, holder: str, *, is_exact: bool) -> int:
        """End what a dead process of this name held, after its journal was replayed; returns how many leases ended.

        `is_exact` says that the journal was whole: what was not used goes back. Else the leases go into quarantine.
        Calls at once end either way: their replica is dead.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        ...
