"""What the database keeps of rates: one bucket for all, weights of each, exactly, on both engines."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import select, update
from tests.rates.cluster import MemoryDemands, Time

from tollkeeper.domain.rate_limit import RATE_MAX
from tollkeeper.domain.rate_share import DEBT_ONE, Demand, Supply, UnitDemand
from tollkeeper.kit import clock
from tollkeeper.store import rate_demands
from tollkeeper.store.engine import Store
from tollkeeper.store.rate_demands import StoreRateDemands
from tollkeeper.store.schema_limits import rate_demand


def demand(rule: str = "r", *, limit: int = 600, weight: int = 1, taken: int = 0, need: int = 0) -> Demand:
    unit = UnitDemand(limit, weight, taken * DEBT_ONE, need * DEBT_ONE)
    return Demand("org_a", rule, unit, UnitDemand())


async def debt(store: Store, rule: str = "r") -> int:
    query = select(rate_demand.c.requests).where(rate_demand.c.rate_limit_id == rule, rate_demand.c.holder == "")
    return int(await store.read(lambda c: c.scalar(query)) or 0)


async def test_it_divides_as_the_model_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random exchanges of three replicas give what the model of the simulation gives, to the last digit."""
    time, dice = Time(), random.Random(3)

    async def now_us(_: object) -> int:
        return time.ns // 1000

    monkeypatch.setattr(rate_demands, "_now_us", now_us)
    model, real = MemoryDemands(time), StoreRateDemands(store)
    claims: dict[tuple[str, str], Supply] = {}
    for _ in range(60):
        time.ns += dice.choice([0, 10**6, 10**9, 5 * 10**9])
        holder = dice.choice("abc")
        asked = []
        for rule in dice.sample(["r", "s", "t"], dice.randrange(1, 4)):
            before = claims.get((rule, holder))
            units = [
                UnitDemand(
                    limit, dice.randrange(50), dice.randrange(30) * DEBT_ONE - claim, dice.randrange(3) * DEBT_ONE
                )
                for limit, claim in (
                    (600, before.requests.claim if before else 0),
                    (9_973, before.tokens.claim if before else 0),
                )
            ]
            asked.append(Demand("org_a", rule, *units))
        expected, found = model.answer(holder, asked), await real.exchange(holder, asked)
        assert found == expected
        claims |= {(each.rate_limit_id, holder): supply for each, supply in zip(asked, found, strict=True)}


async def test_what_is_claimed_counts_as_taken(store: Store) -> None:
    real = StoreRateDemands(store)
    (first,) = await real.exchange("a", [demand(limit=60, weight=100)])
    assert first.requests.claim == 2 * DEBT_ONE  # two seconds of it
    (second,) = await real.exchange("b", [demand(limit=60, weight=100)])
    assert second.requests.weights == 200
    assert second.requests.claim + second.requests.free <= 58 * DEBT_ONE + 60 * 5_000_000  # a little flowed out
    await real.exchange("a", [demand(limit=60, weight=0, taken=-2)])
    assert await debt(store) < 3 * DEBT_ONE


async def test_exchanges_at_once_count_everything_once(store: Store) -> None:
    real = StoreRateDemands(store)
    rules = [f"r{number}" for number in range(20)]

    async def replica(name: str) -> None:
        for _ in range(5):
            shuffled = random.Random(name).sample(rules, len(rules))
            await real.exchange(name, [demand(rule, limit=1, weight=0, taken=3) for rule in shuffled])

    await asyncio.gather(*(replica(f"h{number}") for number in range(6)))
    for rule in rules:
        assert 6 * 5 * 3 * DEBT_ONE - 60 * 10**6 <= await debt(store, rule) <= 6 * 5 * 3 * DEBT_ONE


async def test_an_old_demand_weighs_nothing_and_its_debt_flows_out(store: Store) -> None:
    real = StoreRateDemands(store)
    await real.exchange("a", [demand(weight=500, taken=300)])
    await _age(store, 4_000_000)
    (supply,) = await real.exchange("b", [demand(weight=10)])
    assert supply.requests.weights == 10
    assert supply.requests.claim + supply.requests.free >= (600 - 300) * DEBT_ONE  # 40 less what "a" had claimed: 20
    await _age(store, 10**12)
    (supply,) = await real.exchange("b", [demand(weight=10)])
    assert supply.requests.claim + supply.requests.free == 600 * DEBT_ONE


async def test_the_largest_figures_stay_within_64_bits(store: Store) -> None:
    real = StoreRateDemands(store)
    for _ in range(4):
        (supply,) = await real.exchange("a", [demand(limit=RATE_MAX, weight=1, taken=RATE_MAX * 600)])
    assert supply.requests.claim < 0
    await _age(store, 10**15)
    (supply,) = await real.exchange("a", [demand(limit=RATE_MAX, weight=1, taken=RATE_MAX)])
    assert -(10**9) * DEBT_ONE < supply.requests.claim + supply.requests.free <= 0
    (supply,) = await real.exchange("a", [demand(limit=RATE_MAX, weight=1, taken=-RATE_MAX * 6000)])
    assert supply.requests.claim + supply.requests.free == RATE_MAX * DEBT_ONE


async def test_old_rows_are_removed(store: Store) -> None:
    real = StoreRateDemands(store)
    await real.exchange("a", [demand("old")])
    await _age(store, 2 * 3_600_000_000)
    await real.exchange("a", [demand("new")])
    assert await real.prune() == 2
    assert await real.prune() == 0
    assert await debt(store, "new") > 0


async def _age(store: Store, by_us: int) -> None:
    assert by_us < clock.now_us()
    await store.write(lambda c: c.execute(update(rate_demand).values(told_at_us=rate_demand.c.told_at_us - by_us)))
