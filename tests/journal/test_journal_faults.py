"""A disk that fails at any write site: admission stops, nothing is tried again, and what is on the disk replays."""

from __future__ import annotations

import asyncio
import errno
import shutil
from pathlib import Path

import pytest
from journal_fakes import FaultyDisk, MemoryStore, record, reservation, settings, until

from tollkeeper.domain.errors import LimitsUnavailable
from tollkeeper.domain.usage import Outcome
from tollkeeper.journal.ledger import open_ledger
from tollkeeper.journal.replay import replay

SITES = [
    ("write", 2, False),  # the first RESERVE
    ("write", 2, True),
    ("write", 3, False),  # its SETTLE
    ("write", 3, True),
    ("write", 8, False),
    ("write", 8, True),
    ("create", 2, False),  # a rotation
    ("free_bytes", 3, False),
    ("remove", 1, False),
]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize(("operation", "at", "is_short"), SITES)
async def test_a_disk_fault_stops_admission_for_good_and_replay_is_exact(
    tmp_path: Path, operation: str, at: int, is_short: bool, code: int
) -> None:
    disk = FaultyDisk(operation, at, code=code, is_short=is_short)
    fatal: list[str] = []
    store = MemoryStore()

    def on_fatal(reason: str) -> None:
        fatal.append(reason)
        disk.after_fault.clear()  # a deletion fails in its thread: until the loop hears of it, calls go on

    ledger = await open_ledger(settings(tmp_path, segment_bytes=1_500), store, disk=disk, on_fatal=on_fatal)
    admitted: list[bytes] = []
    try:
        for _ in range(200):
            held = reservation()
            await ledger.reserve(held)
            admitted.append(held.call_id)
            await asyncio.sleep(0.001)
            ledger.settle(record(held.call_id))
    except LimitsUnavailable:
        pass
    await until(lambda: fatal)
    assert len(fatal) == 1
    with pytest.raises(LimitsUnavailable):
        await ledger.reserve(reservation())
    assert {"write", "create", "remove"}.isdisjoint(disk.after_fault), "nothing is written after a fault"
    await ledger.aclose(1)
    await replay(tmp_path, store)
    assert sorted(store.records) == sorted(admitted)
    crashed = [item for item in store.records.values() if item.outcome is not Outcome.COMPLETE]
    assert len(crashed) <= 1, "only the call that was under way when the process ended is an estimate"


async def test_calls_under_way_when_the_journal_dies_are_booked_if_not_settled(tmp_path: Path) -> None:
    fatal: list[str] = []
    store = MemoryStore()
    store.gate = asyncio.Event()  # the process ends before the flusher gets anywhere
    disk = FaultyDisk("write", 4)
    ledger = await open_ledger(settings(tmp_path, rescue_s=0.01), store, disk=disk, on_fatal=fatal.append)
    first, second = reservation(), reservation(ceiling_nanos=777)
    await ledger.reserve(first)
    await ledger.reserve(second)
    ledger.settle(record(second.call_id))  # fails
    await until(lambda: len(fatal) == 1)
    await ledger.aclose(0.01)
    after = MemoryStore()
    report = await replay(tmp_path, after)
    assert (report.settled, report.estimated) == (0, 2)
    assert after.records[second.call_id].amount_nanos == 777
    assert after.records[second.call_id].outcome is Outcome.CRASHED


async def test_too_little_space_stops_admission_until_there_is_enough(tmp_path: Path) -> None:
    disk = FaultyDisk()
    fatal: list[str] = []
    store = MemoryStore()
    ledger = await open_ledger(
        settings(tmp_path, free_min_bytes=64 << 20, reserve_bytes=1 << 20), store, disk=disk, on_fatal=fatal.append
    )
    reserve_file = tmp_path / "0" / "reserve"
    assert reserve_file.stat().st_size == 1 << 20
    held = reservation()
    await ledger.reserve(held)

    async def looks(free: int) -> None:
        disk.free, seen = free, disk.seen["free_bytes"]
        await until(lambda: disk.seen["free_bytes"] >= seen + 2)

    await looks((64 << 20) - 1)
    with pytest.raises(LimitsUnavailable, match="MiB free"):
        await ledger.reserve(reservation())
    assert reserve_file.exists(), "it is kept for the settlements"
    await looks(1 << 19)
    assert not reserve_file.exists(), "the settlements need the room now"
    ledger.settle(record(held.call_id))
    await until(lambda: held.call_id in store.records)
    await looks(1 << 30)
    assert reserve_file.exists()
    late = reservation()
    await ledger.reserve(late)
    ledger.settle(record(late.call_id))
    assert await ledger.aclose(5)
    assert not fatal
    assert late.call_id in store.records
    assert sorted(path.name for path in (tmp_path / "0").iterdir()) == ["lock"]


async def test_a_journal_that_cannot_begin_stops_the_start(tmp_path: Path) -> None:
    for operation in ("create", "write", "free_bytes"):
        with pytest.raises(OSError, match="Input/output"):
            await open_ledger(settings(tmp_path), MemoryStore(), disk=FaultyDisk(operation, 1))
    ledger = await open_ledger(settings(tmp_path), MemoryStore())
    assert ledger.replayed.settled == ledger.replayed.estimated == 0
    assert await ledger.aclose(1)


async def _dies_with_settled_calls(tmp_path: Path, store: MemoryStore) -> tuple[list[bytes], list[int]]:
    """Settle four calls that nobody has flushed yet and remove the journal; returns them and what was queued at the end."""
    ended: list[int] = []
    ledger = await open_ledger(
        settings(tmp_path, flush_interval_s=600.0, segment_bytes=1_500),
        store,
        on_fatal=lambda _reason: ended.append(ledger.figures().flusher.queued),
    )
    held = [reservation() for _ in range(4)]
    for item in held:
        await ledger.reserve(item)
    shutil.rmtree(tmp_path / "0")
    for item in held:
        ledger.settle(record(item.call_id))  # the rotation finds no folder
    with pytest.raises(LimitsUnavailable):
        await ledger.reserve(reservation())
    assert not ended, "admission stops at once, the process ends after the flush"
    await until(lambda: ended)
    await ledger.aclose(1)
    return [item.call_id for item in held], ended


async def test_a_journal_that_is_removed_still_leaves_its_queue_to_a_healthy_store(tmp_path: Path) -> None:
    store = MemoryStore()
    call_ids, ended = await _dies_with_settled_calls(tmp_path, store)
    assert ended == [0]
    assert sorted(store.records) == sorted(call_ids)


async def test_a_dead_journal_asks_a_store_that_is_away_once(tmp_path: Path) -> None:
    store = MemoryStore()
    store.fail_before = 1
    _, ended = await _dies_with_settled_calls(tmp_path, store)
    assert ended == [4]
    assert not store.records


async def test_a_store_that_hangs_does_not_keep_a_dead_process_alive(tmp_path: Path) -> None:
    store, fatal = MemoryStore(), list[str]()
    store.gate = asyncio.Event()
    ledger = await open_ledger(
        settings(tmp_path, rescue_s=0.02), store, disk=FaultyDisk("write", 3), on_fatal=fatal.append
    )
    held = reservation()
    await ledger.reserve(held)
    ledger.settle(record(held.call_id))
    await until(lambda: fatal)
    assert store.calls == 1
    await ledger.aclose(0.01)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
async def test_without_a_free_descriptor_the_segment_grows_until_there_is_one(
    tmp_path: Path, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(reason: str) -> None:
        raise AssertionError(reason)

    disk = FaultyDisk("create", 2, code=code)
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path, segment_bytes=6_400), store, disk=disk, on_fatal=fail)
    open_call = reservation()
    await ledger.reserve(open_call)
    call_ids = [open_call.call_id]
    while disk.seen["create"] < 3:
        held = reservation()
        await ledger.reserve(held)
        ledger.settle(record(held.call_id))
        call_ids.append(held.call_id)
    assert (tmp_path / "0" / "00000001.journal").stat().st_size >= 6_500
    assert ledger.figures().journal_segments == 2
    assert "grows further" in caplog.text
    assert not await ledger.aclose(5)
    await replay(tmp_path, store)
    assert sorted(store.records) == sorted(call_ids)
