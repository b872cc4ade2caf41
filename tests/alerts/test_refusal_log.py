"""Refused calls are kept off the path: in batches, bounded in memory and per key, through faults of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from sqlalchemy import func, select

from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.limits import refusal_log
from tollkeeper.limits.refusal_log import KEPT_PER_DAY_MAX, KEPT_PER_MINUTE_MAX, BatchedRefusalLog
from tollkeeper.store.engine import Store
from tollkeeper.store.refused_calls import RefusedCalls, find_refusal, prune_refusals
from tollkeeper.store.schema_alerts import refused_call

DAY_US = 86_400_000_000
LOOKED_AT = ({"kind": "budget", "budget_id": "bud_1", "scope_name": "검색", "limit": 5, "is_decisive": True},)


def refused(key: str = "key_1", *, model: str = "gpt-4o-mini", organization_id: str = "org_1") -> RefusedCall:
    call_id = uuid7()
    return RefusedCall(
        call_id, organization_id, "proj_1", key, model, now_us(), 429, "insufficient_quota", "Used up.", LOOKED_AT
    )


async def find(store: Store, call: RefusedCall, *, organization_id: str = "org_1") -> RefusedCall | None:
    return await store.read(lambda c: find_refusal(c, organization_id, call.call_id))


class FakeStore:
    """Takes refusals; `is_away` refuses them all, `has_bug` fails as our own code would."""

    def __init__(self) -> None:
        self.batches: list[list[RefusedCall]] = []
        self.is_away = False
        self.has_bug = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def insert_refusals(self, refused: Sequence[RefusedCall]) -> None:
        self.meanwhile()
        if self.is_away:
            raise StoreUnavailable("away")
        if self.has_bug:
            raise ValueError("a bug")
        self.batches.append(list(refused))

    @property
    def taken(self) -> list[RefusedCall]:
        return [each for batch in self.batches for each in batch]


def running(store: FakeStore | RefusedCalls, **options: int) -> BatchedRefusalLog:
    log = BatchedRefusalLog(store, interval_s=0.01, **options)
    log.start()
    return log


async def test_what_is_noted_is_written_in_one_batch_and_in_order() -> None:
    store = FakeStore()
    log = running(store)
    noted = [refused(f"key_{number}") for number in range(50)]
    for each in noted:
        log.note(each)
    await asyncio.sleep(0.05)
    assert store.batches == [noted]
    assert log.figures() == refusal_log.RefusalFigures(0, 50, 0)
    await log.aclose()


async def test_closing_writes_what_waits() -> None:
    store = FakeStore()
    log = BatchedRefusalLog(store, interval_s=60)
    log.start()
    one = refused()
    log.note(one)
    await log.aclose()
    assert store.taken == [one]


async def test_while_the_store_is_away_the_oldest_are_dropped_and_counted() -> None:
    store = FakeStore()
    store.is_away = True
    log = running(store, waiting_max=10)
    noted = [refused(f"key_{number}") for number in range(25)]
    for each in noted:
        log.note(each)
        await asyncio.sleep(0.001)
    assert (log.figures().waiting, log.figures().dropped) == (10, 15)
    store.is_away = False
    await log.aclose()
    assert store.taken == noted[-10:]


async def test_what_comes_during_a_failed_write_stays_behind_it() -> None:
    store = FakeStore()
    log = BatchedRefusalLog(store, interval_s=0.01, waiting_max=3)
    noted = [refused(f"key_{number}") for number in range(4)]
    late = noted[2:]

    def note_late() -> None:
        store.is_away = bool(late)
        while late:
            log.note(late.pop(0))

    store.meanwhile = note_late
    for each in noted[:2]:
        log.note(each)
    log.start()
    await asyncio.sleep(0.1)
    await log.aclose()
    assert store.taken == noted[1:]
    assert log.figures().dropped == 1


async def test_one_key_cannot_fill_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(refusal_log, "monotonic_s", lambda: clock[0])
    store = FakeStore()
    log = BatchedRefusalLog(store)
    flood, other = refused("key_flood"), refused("key_other")
    for _ in range(KEPT_PER_MINUTE_MAX + 5):
        log.note(flood)
    log.note(other)
    assert (log.figures().waiting, log.figures().dropped) == (KEPT_PER_MINUTE_MAX + 1, 5)
    clock[0] += 60
    log.note(flood)
    assert log.figures().waiting == KEPT_PER_MINUTE_MAX + 2, "in the next minute it is kept again"


async def test_one_key_that_goes_on_for_days_cannot_fill_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(refusal_log, "monotonic_s", lambda: clock[0])
    log = BatchedRefusalLog(FakeStore())
    flood = refused("key_flood")
    for _ in range(60):
        for _ in range(KEPT_PER_MINUTE_MAX):
            log.note(flood)
        clock[0] += 60
    assert log.figures().waiting == KEPT_PER_DAY_MAX
    clock[0] += 86_400
    log.note(flood)
    assert log.figures().waiting == KEPT_PER_DAY_MAX + 1


async def test_a_bug_does_not_come_back_with_the_same_batch() -> None:
    store = FakeStore()
    store.has_bug = True
    log = running(store)
    log.note(refused())
    await asyncio.sleep(0.03)
    store.has_bug = False
    later = refused()
    log.note(later)
    await log.aclose()
    assert store.taken == [later]
    assert log.figures().dropped == 1


async def test_refused_calls_are_found_again_as_they_were(store: Store) -> None:
    calls = [refused(f"key_{number}") for number in range(2_500)]
    log = running(RefusedCalls(store))
    for each in calls:
        log.note(each)
    await log.aclose(30)
    for each in (calls[0], calls[1_234], calls[-1]):
        assert await find(store, each) == each
        assert await find(store, each, organization_id="org_2") is None
    assert await store.read(lambda c: c.scalar(select(func.count()).select_from(refused_call))) == 2_500


async def test_a_repeated_batch_changes_nothing_and_hostile_texts_are_stored(store: Store) -> None:
    rows = RefusedCalls(store)
    hostile = refused(model="a\x00b\ud800")
    await rows.insert_refusals([hostile])
    await rows.insert_refusals([msgspec.structs.replace(hostile, message="another"), refused()])
    found = await find(store, hostile)
    assert found is not None
    assert (found.model, found.message) == ("ab", "Used up.")


async def test_old_ones_are_forgotten(store: Store) -> None:
    at_us = now_us()
    old = msgspec.structs.replace(refused(), call_id=((at_us - 3 * DAY_US) // 1000).to_bytes(6, "big") + uuid7()[6:])
    young = refused()
    await RefusedCalls(store).insert_refusals([old, young])
    assert await store.write(lambda c: prune_refusals(c, before_us=at_us - 2 * DAY_US)) == 1
    assert await find(store, old) is None
    assert await find(store, young) == young
