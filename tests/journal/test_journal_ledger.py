"""The ledger and its flusher: every settled call reaches the store once, in time, and the journal shrinks behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from journal_fakes import MemoryStore, record, reservation, settings, until

from tollkeeper.domain.errors import LimitsUnavailable
from tollkeeper.journal.flusher import backoff_s
from tollkeeper.journal.ledger import JournaledLedger, open_ledger
from tollkeeper.journal.replay import replay


def fail(reason: str) -> None:
    raise AssertionError(reason)


async def call(ledger: JournaledLedger, *, amount_nanos: int = 5) -> bytes:
    held = reservation()
    await ledger.reserve(held)
    ledger.settle(record(held.call_id, amount_nanos=amount_nanos))
    return held.call_id


async def test_a_settled_call_reaches_the_store_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    call_id = await call(ledger)
    await until(lambda: call_id in store.records)
    assert store.records[call_id] == record(call_id, amount_nanos=5)
    assert await ledger.aclose(5)
    assert sorted(path.name for path in (tmp_path / "0").iterdir()) == ["lock"]
    assert (await replay(tmp_path, store)).slots == 0


async def test_five_hundred_settlements_do_not_wait_for_the_interval(tmp_path: Path) -> None:
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path, flush_interval_s=600.0), store, on_fatal=fail)
    for _ in range(499):
        await call(ledger)
    await asyncio.sleep(0.02)
    assert store.calls == 0
    await call(ledger)
    await until(lambda: len(store.records) == 500)
    assert store.batches == [500]
    assert await ledger.aclose(5)


async def test_batches_grow_when_it_is_behind_but_stay_bounded(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate = asyncio.Event()
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    await call(ledger)
    await until(lambda: store.calls == 1)
    for _ in range(4_500):
        await call(ledger)
    assert ledger.figures().flusher.queued == 4_501
    assert ledger.figures().flusher.oldest_age_s > 0
    store.gate.set()
    await until(lambda: len(store.records) == 4_501)
    assert store.batches == [1, 2_000, 2_000, 500]
    assert await ledger.aclose(5)


@pytest.mark.parametrize("kind", ["fail_before", "fail_after_commit"])
async def test_a_store_that_fails_or_loses_its_reply_gets_every_record_once(tmp_path: Path, kind: str) -> None:
    store = MemoryStore()
    setattr(store, kind, 3)
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    call_ids = [await call(ledger) for _ in range(10)]
    await until(lambda: store.calls >= 2)
    assert ledger.figures().flusher.last_error
    await until(lambda: ledger.figures().flusher.queued == 0)
    assert sorted(store.records) == sorted(call_ids)
    assert ledger.figures().flusher.flushed == 10
    assert ledger.figures().flusher.last_error == ""
    assert await ledger.aclose(5)


async def test_too_many_waiting_records_stop_admission_until_the_store_is_back(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate = asyncio.Event()
    ledger = await open_ledger(settings(tmp_path, unflushed_max=20), store, on_fatal=fail)
    under_way = reservation()
    await ledger.reserve(under_way)
    for _ in range(20):
        await call(ledger)
    with pytest.raises(LimitsUnavailable, match="store"):
        await ledger.reserve(reservation())
    ledger.settle(record(under_way.call_id))
    store.gate.set()
    await until(lambda: len(store.records) == 21)
    await call(ledger)
    assert await ledger.aclose(5)


async def test_full_segments_are_deleted_once_flushed_while_an_open_call_keeps_its_own(tmp_path: Path) -> None:
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path, segment_bytes=4_000), store, on_fatal=fail)
    long_call = reservation()
    await ledger.reserve(long_call)
    for _ in range(100):
        await call(ledger)
    folder = tmp_path / "0"
    await until(lambda: len(list(folder.glob("*.journal"))) == 2)
    assert (folder / "00000001.journal").exists()
    assert ledger.figures().journal_segments == 2
    ledger.settle(record(long_call.call_id))
    await until(lambda: not (folder / "00000001.journal").exists())
    assert len(store.records) == 101
    assert await ledger.aclose(5)


async def test_a_close_that_runs_out_of_time_leaves_the_rest_to_replay(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate = asyncio.Event()
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    call_ids = [await call(ledger) for _ in range(5)]
    assert not await ledger.aclose(0.05)
    with pytest.raises(LimitsUnavailable):
        await ledger.reserve(reservation())
    store.gate.set()
    report = await replay(tmp_path, store)
    assert (report.settled, report.estimated, report.new) == (5, 0, 5)
    assert sorted(store.records) == sorted(call_ids)


async def test_closing_admits_nothing_but_flushes_what_settled(tmp_path: Path) -> None:
    store = MemoryStore()
    store.fail_before = 2
    ledger = await open_ledger(settings(tmp_path, flush_interval_s=0.05), store, on_fatal=fail)
    await call(ledger)
    closing = asyncio.ensure_future(ledger.aclose(10))
    await asyncio.sleep(0)
    with pytest.raises(LimitsUnavailable, match="shutting down"):
        await ledger.reserve(reservation())
    assert await closing
    assert len(store.records) == 1


async def test_a_released_reservation_is_never_booked(tmp_path: Path) -> None:
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    held, other = reservation(), reservation()
    await ledger.reserve(held)
    await ledger.reserve(other)
    ledger.release(held.call_id)
    assert not await ledger.aclose(1)
    await replay(tmp_path, store)
    assert list(store.records) == [other.call_id]


async def test_settling_twice_or_without_a_reservation_is_our_bug(tmp_path: Path) -> None:
    ledger = await open_ledger(settings(tmp_path), MemoryStore(), on_fatal=fail)
    held = reservation()
    with pytest.raises(AssertionError, match="open reservation"):
        ledger.settle(record(held.call_id))
    await ledger.reserve(held)
    with pytest.raises(AssertionError, match="reserved once"):
        await ledger.reserve(held)
    ledger.settle(record(held.call_id))
    with pytest.raises(AssertionError, match="open reservation"):
        ledger.settle(record(held.call_id))
    assert await ledger.aclose(5)


def test_the_pause_after_failures_doubles_to_five_seconds() -> None:
    assert [backoff_s(failures, 1.0) for failures in (1, 2, 3)] == [0.1, 0.2, 0.4]
    assert backoff_s(1, 0.0) == 0.05
    assert backoff_s(7, 1.0) == backoff_s(10_000, 1.0) == 5.0
