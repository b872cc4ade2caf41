"""How background jobs fare: when they last ended well, when they are due, and for how long they have been late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import update
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.bootstrap.metrics import ProcessFigures
from tollkeeper.control.leases import Leases
from tollkeeper.jobs.schedule import Job, Schedule
from tollkeeper.kit.clock import now_us
from tollkeeper.observability.figures import Figures
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import job_lease


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


class _CountedLeases(Leases):
    asked = 0

    async def take(self, name: str, *, lease_s: float) -> bool:
        taken = await super().take(name, lease_s=lease_s)
        self.asked += 1
        return taken


def value(figures: Figures, name: str, job: str) -> int | None:
    return next((row.value for row in figures[name] if row.labels == (job,)), None)


@ONLY_SQLITE
async def test_a_job_that_ends_well_is_not_late_and_one_that_fails_is(store: Store) -> None:
    async def fail() -> None:
        raise ValueError("a bug")

    async def succeed() -> None:
        await asyncio.sleep(0.01)

    began_us = now_us()
    schedule = Schedule(Leases(store), [Job("good", 60.0, succeed), Job("bad", 0.01, fail)])
    schedule.start()
    good, bad = schedule.figures
    await until(lambda: bad.failures >= 3 and good.succeeded_us > 0)
    figures = await ProcessFigures(store, None, schedule.figures).collect()
    await schedule.aclose()
    assert value(figures, "tollkeeper_job_failures_total", "good") == 0
    assert (value(figures, "tollkeeper_job_failures_total", "bad") or 0) >= 3
    assert value(figures, "tollkeeper_job_lag_seconds", "good") == 0
    assert (value(figures, "tollkeeper_job_lag_seconds", "bad") or 0) > 0
    assert good.duration_us >= 10_000
    assert began_us < good.succeeded_us <= now_us()
    assert good.due_us == good.succeeded_us + 60_000_000
    assert value(figures, "tollkeeper_job_last_success_timestamp_seconds", "bad") is None


@ONLY_SQLITE
async def test_a_job_that_another_process_has_is_nobodys_lag_here(store: Store) -> None:
    async def run() -> None:
        pass

    holder, refused = Leases(store), _CountedLeases(store)
    assert await holder.take("busy", lease_s=60)
    schedule = Schedule(refused, [Job("busy", 60.0, run)], lease_s=0.3)
    schedule.start()
    await until(lambda: refused.asked >= 2)
    figures = await ProcessFigures(store, None, schedule.figures).collect()
    assert value(figures, "tollkeeper_job_lag_seconds", "busy") is None
    assert value(figures, "tollkeeper_job_failures_total", "busy") == 0
    await holder.end()
    await until(lambda: schedule.figures[0].succeeded_us > 0)
    await schedule.aclose()


@ONLY_SQLITE
async def test_a_job_that_another_process_has_taken_over_is_late_here_no_more(store: Store) -> None:
    async def run() -> None:
        pass

    schedule = Schedule(Leases(store), [Job("taken", 0.01, run)], lease_s=0.3)
    schedule.start()
    (figures,) = schedule.figures
    await until(lambda: figures.succeeded_us > 0)
    assert figures.due_us
    far = 2**60
    await store.write(lambda c: c.execute(update(job_lease).values(holder="another", expires_at_us=far)))
    await until(lambda: figures.due_us == 0)
    shown = await ProcessFigures(store, None, schedule.figures).collect()
    await schedule.aclose()
    assert value(shown, "tollkeeper_job_lag_seconds", "taken") is None
    assert value(shown, "tollkeeper_job_last_success_timestamp_seconds", "taken") is not None


async def test_a_process_tells_of_its_database_and_of_itself(store: Store) -> None:
    figures = await ProcessFigures(store, None, ()).collect()
    assert figures["tollkeeper_database_up"][0].value == 1
    assert figures["process_cpu_seconds_total"][0].value > 0
    assert figures["process_resident_memory_bytes"][0].value > 1 << 20
    assert figures["process_open_fds"][0].value > 2
    assert figures["tollkeeper_build_info"][0].value == 1


async def test_a_database_that_is_away_is_told_and_stops_no_scrape(tmp_path) -> None:
    away = Store.open(f"sqlite:///{tmp_path}/no/such/folder/t.db")
    figures = await ProcessFigures(away, None, ()).collect()
    await away.aclose()
    assert figures["tollkeeper_database_up"][0].value == 0
