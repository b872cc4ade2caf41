"""Four replicas with the real clock, the real exchange and a real PostgreSQL keep one rate together."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from tests.fakes.ports import make_key

from tollkeeper.domain.errors import RateExceeded
from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.limits.rates import Rates
from tollkeeper.limits.shares import Shares
from tollkeeper.store.engine import Store
from tollkeeper.store.rate_demands import StoreRateDemands

LIMIT, REPLICAS, SECONDS = 1200, 4, 6.0


class Counted(StoreRateDemands):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.exchanges = 0

    async def exchange(self, holder, demands):
        self.exchanges += 1
        return await super().exchange(holder, demands)


@pytest.mark.parametrize("is_moving", [False, True], ids=["even", "moving"])
async def test_four_replicas_on_postgresql_keep_a_rate(postgres_url: str, is_moving: bool) -> None:
    stores = [Store.open(postgres_url) for _ in range(REPLICAS)]
    key = make_key(rates=(RateRule("r", "project", "p", "p", "", LIMIT),))
    demands = [Counted(store) for store in stores]
    rates = [Rates() for _ in range(REPLICAS)]
    shares = [Shares(each, demands[at], holder=f"h{at}", replicas=lambda: REPLICAS) for at, each in enumerate(rates)]
    admitted = refused = 0

    async def clients(at: int) -> None:
        """Send 150 calls a second; when the load moves, all four times as many to one replica for a second."""
        nonlocal admitted, refused
        sent = 0
        while (elapsed_s := monotonic_s() - started_s) < SECONDS:
            due = int(elapsed_s * 150)
            if is_moving:
                due = sum(600 for second in range(int(elapsed_s)) if second % REPLICAS == at)
                due += int(elapsed_s % 1 * 600) if int(elapsed_s) % REPLICAS == at else 0
            while sent < due:
                sent += 1
                try:
                    rates[at].admit(key, ("m",), 1).release(1)
                    admitted += 1
                except RateExceeded:
                    refused += 1
            await asyncio.sleep(0.005)

    for store in stores:
        await store.read(lambda connection: connection.scalar(select(1)))  # a replica's pulse keeps it connected
    for each in shares:
        each.start()
    await asyncio.sleep(0.1)
    started_s = monotonic_s()
    await asyncio.gather(*(clients(at) for at in range(REPLICAS)))
    elapsed_s = monotonic_s() - started_s
    for each in shares:
        await each.aclose()
    for store in stores:
        await store.aclose()
    ideal = LIMIT + LIMIT * elapsed_s / 60
    print(f"admitted {admitted}, one bucket {ideal:.0f}, {sum(each.exchanges for each in demands)} exchanges")
    assert refused > 1000
    assert -0.1 * LIMIT <= admitted - ideal <= 0.05 * LIMIT  # what is claimed elsewhere at the end would still go
