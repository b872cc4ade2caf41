"""What the data plane asks of the books: hold the money for a call, and settle it; durable before it returns."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import UsageRecord


class Ledger(Protocol):
    """Reservations and settlements. A reservation has one end; whoever made it settles it."""

    async def reserve(self, reservation: Reservation) -> None:
        """Write the reservation down before anything is forwarded.

        Raises:
            LimitsUnavailable: it cannot be written, so the call must not go out.
        """
        ...

    def settle(self, record: UsageRecord) -> None:
        """End the reservation of `record.call_id` with what the call cost.

        Never raises for the world's faults: a journal that cannot be written stops admission and ends the process.
        """
        ...


class UsageStore(Protocol):
    """Where settled records go for good."""

    async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
        """Insert records with their rollups in one transaction; records already there change nothing.

        `slot` names the writing replica, so that replicas do not contend for rollup rows. Returns how many were new.

        Raises:
            StoreUnavailable: try again later; nothing was changed.
        """
        ...
