"""Safe mode: no reservation returns before a sync that covers it, and one sync serves many."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from journal_fakes import FaultyDisk, MemoryStore, record, reservation, settings, until

from tollkeeper.domain.errors import LimitsUnavailable
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.ledger import open_ledger
from tollkeeper.journal.replay import replay


class SlowSync(FaultyDisk):
    """Holds every sync until it is let go, and notes how many frames it covered."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def sync_data(self, descriptor: int) -> None:
        self.log.append("sync begins")
        self.begun.release()
        assert self.go.acquire(timeout=10)
        super().sync_data(descriptor)


async def test_no_reservation_returns_before_the_sync_that_covers_it(tmp_path: Path) -> None:
    disk = SlowSync()
    ledger = await open_ledger(settings(tmp_path, durability="safe", sync_window_s=0.001), MemoryStore(), disk=disk)
    first = asyncio.ensure_future(ledger.reserve(reservation(b"1" * 16)))
    await asyncio.to_thread(disk.begun.acquire)
    late = asyncio.ensure_future(ledger.reserve(reservation(b"2" * 16)))  # written while the first sync runs
    await asyncio.sleep(0.02)
    assert not first.done()
    disk.go.release()
    await first
    await asyncio.to_thread(disk.begun.acquire)
    assert not late.done(), "the sync that was under way does not cover what was written after it began"
    disk.go.release()
    await late
    for call_id in (b"1" * 16, b"2" * 16):
        ledger.settle(record(call_id))
    assert await ledger.aclose(5)
    order = [entry for entry in disk.log if entry in ("write", "sync begins", "sync_data")]
    assert order[:7] == ["write", "write", "sync begins", "write", "sync_data", "sync begins", "sync_data"]
    assert disk.seen["sync_directory"] == 2, "the mark's name, then the new file's with its first frames"


async def test_a_full_round_does_not_wait_for_its_window_and_one_sync_serves_all(tmp_path: Path) -> None:
    disk = FaultyDisk()
    options = settings(tmp_path, durability="safe", sync_window_s=60.0, sync_batch_max=64)
    ledger = await open_ledger(options, MemoryStore(), disk=disk)
    held = [reservation() for _ in range(64)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(ledger.reserve(item) for item in held))
    assert disk.seen["sync_data"] == 1
    for item in held:
        ledger.settle(record(item.call_id))
    assert await ledger.aclose(5)


@pytest.mark.parametrize(("operation", "at"), [("sync_data", 1), ("sync_directory", 2)])
async def test_a_failed_sync_refuses_every_waiter_and_is_never_repeated(
    tmp_path: Path, operation: str, at: int
) -> None:
    disk = FaultyDisk(operation, at)  # the first directory is synced for the mark, before anything is reserved
    fatal: list[str] = []
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path, durability="safe"), store, disk=disk, on_fatal=fatal.append)
    results = await asyncio.gather(*(ledger.reserve(reservation()) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, LimitsUnavailable) for result in results)
    await until(lambda: len(fatal) == 1)
    with pytest.raises(LimitsUnavailable):
        await ledger.reserve(reservation())
    assert "sync_data" not in disk.after_fault
    await ledger.aclose(1)


async def test_a_call_cancelled_while_it_waits_owes_nothing(tmp_path: Path) -> None:
    disk = SlowSync()
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path, durability="safe"), store, disk=disk)
    gone, stays = reservation(), reservation()
    waiting = [asyncio.ensure_future(ledger.reserve(item)) for item in (gone, stays)]
    await asyncio.to_thread(disk.begun.acquire)
    waiting[0].cancel()
    disk.go.release(100)
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()
    assert waiting[1].exception() is None
    assert ledger.figures().open_reservations == 1
    await ledger.aclose(1)
    report = await replay(tmp_path, store)
    assert (report.settled, report.estimated) == (0, 1)
    assert list(store.records) == [stays.call_id]


async def test_full_segments_are_synced_before_they_are_closed(tmp_path: Path) -> None:
    disk = FaultyDisk()
    synced: list[int] = []
    closed: list[int] = []
    disk.sync_data = synced.append  # type: ignore[method-assign]
    close = disk.close
    disk.close = lambda descriptor: (closed.append(descriptor), close(descriptor))[1]  # type: ignore[method-assign]
    ledger = await open_ledger(
        settings(tmp_path, durability="safe", segment_bytes=1_000, sync_window_s=0.005), MemoryStore(), disk=disk
    )
    held = [reservation() for _ in range(20)]
    await asyncio.gather(*(ledger.reserve(item) for item in held))
    assert len(synced) >= 5
    assert set(closed) <= set(synced)
    for item in held:
        ledger.settle(record(item.call_id))
    assert await ledger.aclose(5)
    assert len(closed) == disk.seen["create"]


async def test_a_reservation_stays_until_its_settlement_is_in_the_store_not_only_in_a_younger_segment(
    tmp_path: Path,
) -> None:
    """What is written but not synced is gone with the power: then the reservation must still be there."""

    class Slow(MemoryStore):
        gates = (asyncio.Event(), asyncio.Event())

        async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
            await self.gates[min(len(self.batches), 1)].wait()
            return await super().insert_usage(records, slot=slot)

    store = Slow()
    ledger = await open_ledger(settings(tmp_path, durability="safe", segment_bytes=400), store)
    old, first, younger = reservation(), reservation(), reservation()
    for item in (old, first, younger):
        await ledger.reserve(item)
    ledger.settle(record(first.call_id))
    await until(lambda: store.calls == 0 and ledger.figures().flusher.queued == 1)
    await asyncio.sleep(0.05)  # its batch is on the way to the store
    ledger.settle(record(old.call_id))
    store.gates[0].set()
    await until(lambda: len(store.batches) == 1)
    await asyncio.sleep(0.05)  # what is finished by now is deleted
    assert old.call_id not in store.records
    kept = b"".join(path.read_bytes() for path in (tmp_path / "0").glob("*.journal"))
    assert kept.count(old.call_id) == 2, "its reservation and its settlement"
    store.gates[1].set()
    ledger.settle(record(younger.call_id))
    assert await ledger.aclose(5)
