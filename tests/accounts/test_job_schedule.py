"""Background jobs run in one process at a time, go on elsewhere when it ends, and survive their own failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from sqlalchemy import update
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.control.leases import Leases
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.jobs.deliver_outbox import deliver_outbox
from tollkeeper.jobs.schedule import Job, Schedule
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import job_lease


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


class Counter:
    """Counts runs, and how many went on at the same time."""

    def __init__(self, *, takes_s: float = 0.0) -> None:
        self.runs, self.finished, self.at_once, self.at_once_max, self.takes_s = 0, 0, 0, 0, takes_s

    async def run(self) -> None:
        self.runs += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            await asyncio.sleep(self.takes_s)
            self.finished += 1
        finally:
            self.at_once -= 1


async def test_a_lease_has_one_holder_until_it_runs_out(store: Store) -> None:
    one, two = Leases(store), Leases(store)
    taken = await asyncio.gather(*[each.take("job", lease_s=60) for each in (one, two, one, two)])
    assert sorted(taken) == [False, False, True, True]
    holder, other = (one, two) if taken[0] else (two, one)
    assert await holder.take("job", lease_s=60)
    assert not await other.take("job", lease_s=60)
    assert await other.take("another job", lease_s=60)
    await store.write(lambda c: c.execute(update(job_lease).where(job_lease.c.name == "job").values(expires_at_us=0)))
    assert await other.take("job", lease_s=60)
    assert not await holder.take("job", lease_s=60)
    await other.end()
    assert await holder.take("job", lease_s=60)


async def test_one_of_several_processes_runs_the_job_and_another_takes_over(store: Store) -> None:
    counters = [Counter(), Counter()]
    schedules = [Schedule(Leases(store), [Job("count", 0.01, counter.run)], lease_s=0.6) for counter in counters]
    for schedule in schedules:
        schedule.start()
    try:
        await until(lambda: sum(counter.runs for counter in counters) >= 5)
        first = 0 if counters[0].runs else 1
        assert counters[1 - first].runs == 0
        await schedules[first].aclose()
        await until(lambda: counters[1 - first].runs >= 5)
    finally:
        for schedule in schedules:
            await schedule.aclose()


async def test_a_long_run_keeps_its_lease(store: Store) -> None:
    counter = Counter(takes_s=2.5)
    schedules = [Schedule(Leases(store), [Job("count", 0.01, counter.run)], lease_s=1.2) for _ in range(3)]
    for schedule in schedules:
        schedule.start()
    try:
        await until(lambda: counter.finished >= 2)
    finally:
        for schedule in schedules:
            await schedule.aclose()
    assert counter.at_once_max == 1
    assert counter.at_once == 0


@ONLY_SQLITE
async def test_a_run_whose_lease_is_lost_is_cut_off(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    counter = Counter(takes_s=60)
    schedule = Schedule(Leases(store), [Job("count", 0.01, counter.run)], lease_s=0.3)
    schedule.start()
    try:
        await until(lambda: counter.at_once == 1)
        far = 2**60
        await store.write(lambda c: c.execute(update(job_lease).values(holder="another", expires_at_us=far)))
        await until(lambda: counter.at_once == 0)
    finally:
        await schedule.aclose()
    assert "taken it over" in caplog.text


@ONLY_SQLITE
@pytest.mark.parametrize("failure", [ValueError("a bug"), StoreUnavailable("busy")])
async def test_a_failure_is_told_once_and_the_job_goes_on(
    store: Store, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise failure

    schedule = Schedule(Leases(store), [Job("failing", 0.01, run)])
    with caplog.at_level(logging.WARNING):
        schedule.start()
        await until(lambda: runs >= 3)
    await schedule.aclose()
    assert len([record for record in caplog.records if "failing" in record.getMessage()]) == 1


async def test_the_delivery_goes_on_until_nothing_is_due() -> None:
    class Piles:
        left = 120

        async def deliver_due(self) -> int:
            tried = min(self.left, 50)
            self.left -= tried
            return tried

    piles = Piles()
    await deliver_outbox(piles).run()  # type: ignore[arg-type]
    assert piles.left == 0
