"""Leases of background jobs: one process at a time has a job, and another takes over when it dies."""

from __future__ import annotations

from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store import job_leases
from tollkeeper.store.engine import Store


class Leases:
    """The leases of one process. Replicas need clocks that agree to a few seconds: a lease ends by the wall clock."""

    def __init__(self, store: Store) -> None:
        self._store, self._holder = store, new_id("proc")

    async def take(self, name: str, *, lease_s: float) -> bool:
        """Take a job's lease or make it last longer; False while another process has it.

        Raises:
            StoreUnavailable: the database is out of reach.
        """
        lease_us = int(lease_s * 1_000_000)
        return await self._store.write(
            lambda c: job_leases.take_lease(c, name, holder=self._holder, now_us=now_us(), lease_us=lease_us)
        )

    async def end(self) -> None:
        """Leave every job to the others.

        Raises:
            StoreUnavailable: the database is out of reach; the leases run out by themselves.
        """
        await self._store.write(lambda c: job_leases.end_leases(c, holder=self._holder))
