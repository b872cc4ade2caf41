"""What replicas tell each other of deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tollkeeper.domain.deployment_health import HealthReport


class HealthReports(Protocol):
    """Where they tell it."""

    async def exchange(self, holder: str, reports: Sequence[HealthReport]) -> list[HealthReport]:
        """Note what a replica tells; return what the others were told by providers to leave alone now.

        Raises:
            StoreUnavailable: it is not known whether it was noted.
        """
        ...

    async def prune(self) -> int:
        """Remove what nobody has told of for a day; returns how many rows.

        Raises:
            StoreUnavailable: nothing was removed.
        """
        ...
