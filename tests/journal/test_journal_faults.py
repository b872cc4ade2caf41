"""A disk that fails at any write site: admission stops, nothing is tried again, and what is on the disk replays."""

from __future__ import annotations

import asyncio
import errno
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
    assert all(item.outcome is Outcome.COMPLETE for item in store.records.values())


async def test_calls_under_way_when_the_journal_dies_are_booked_if_not_settled(tmp_path: Path) -> None:
    fatal: list[str] = []
    store = MemoryStore()
    store.gate = asyncio.Event()  # the process ends before the flusher gets anywhere
    disk = FaultyDisk("write", 4)
    ledger = await open_ledger(settings(tmp_path), store, disk=disk, on_fatal=fatal.append)
    first, second = reservation(), reservation(ceiling_nanos=777)
    await ledger.reserve(first)
    await ledger.reserve(second)
    ledger.settle(record(second.call_id))  # fails
    assert len(fatal) == 1
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
