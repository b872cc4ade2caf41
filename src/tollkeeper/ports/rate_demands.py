"""What dividing rates asks of the store: say what was asked for and taken here, hear what that leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tollkeeper.domain.rate_share import Demand, Supply


class RateDemands(Protocol):
    """Where the replicas tell each other what they need of each rate."""

    async def exchange(self, holder: str, demands: Sequence[Demand]) -> list[Supply]:
        """Note what a replica tells, and answer in the same order how things stand with that in them.

        Raises:
            StoreUnavailable: it is not known whether it was noted.
        """
        ...

    async def prune(self) -> int:
        """Remove what nobody has told of for an hour; returns how many rows.

        Raises:
            StoreUnavailable: nothing was removed.
        """
        ...
