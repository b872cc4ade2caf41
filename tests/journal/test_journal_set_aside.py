"""A record that the store can never take is set aside in a file, with a loud line, and everything else goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from journal_fakes import MemoryStore, record, reservation, settings, until

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.insertion import SET_ASIDE_NAME, RecordInserter
from tollkeeper.journal.ledger import open_ledger
from tollkeeper.journal.replay import replay
from tollkeeper.journal.slots import claim_first_free


class Picky(MemoryStore):
    """Refuses every batch that holds one of the poisoned calls, as a database refuses a value it has no room for."""

    def __init__(self) -> None:
        super().__init__()
        self.poisoned: set[bytes] = set()
        self.away_at = 0

    async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
        if self.calls + 1 == self.away_at:
            self.fail_before = 1
        elif any(item.call_id in self.poisoned for item in records):
            self.calls += 1
            raise ValueError("not a record")
        return await super().insert_usage(records, slot=slot)


def fail(reason: str) -> None:
    raise AssertionError(reason)


def set_aside(directory: Path) -> list[bytes]:
    """Read the file that a person would: payloads one after the other."""
    path = directory / SET_ASIDE_NAME
    data, found = path.read_bytes() if path.exists() else b"", []
    while data:
        end = next(end for end in range(1, len(data) + 1) if _is_whole(data[:end]))
        found.append(msgspec.msgpack.decode(data[:end], type=UsageRecord).call_id)
        data = data[end:]
    return found


def _is_whole(data: bytes) -> bool:
    try:
        msgspec.msgpack.decode(data)
    except msgspec.DecodeError:
        return False
    return True


async def test_the_flusher_sets_aside_what_the_store_refuses_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Picky()
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    held = [reservation() for _ in range(9)]
    store.poisoned = {held[2].call_id, held[8].call_id}
    for item in held:
        await ledger.reserve(item)
        ledger.settle(record(item.call_id))
    await until(lambda: ledger.figures().flusher.queued == 0)
    assert ledger.figures().flusher.set_aside == 2
    assert set(store.records) == {item.call_id for item in held} - store.poisoned
    assert set(set_aside(tmp_path)) == store.poisoned
    for call_id in store.poisoned:
        assert call_id.hex() in caplog.text
    assert "not a record" in caplog.text
    assert await ledger.aclose(5)
    assert (await replay(tmp_path, store)).settled == 0, "the next start does not meet it again"


async def test_a_single_record_that_is_refused_does_not_stop_the_start(tmp_path: Path) -> None:
    away = MemoryStore()
    away.fail_before = 1_000
    ledger = await open_ledger(settings(tmp_path), away, on_fatal=fail)
    settled, crashed, good = reservation(), reservation(), reservation()
    for item in (settled, crashed, good):
        await ledger.reserve(item)
    ledger.settle(record(settled.call_id))
    ledger.settle(record(good.call_id))
    await ledger.aclose(0.01)
    store = Picky()
    store.poisoned = {settled.call_id, crashed.call_id}
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    assert ledger.replayed.set_aside == 2
    assert list(store.records) == [good.call_id]
    assert set(set_aside(tmp_path)) == store.poisoned
    assert await ledger.aclose(5)


async def test_a_store_that_goes_away_among_refusals_sets_nothing_aside_twice(tmp_path: Path) -> None:
    store = Picky()
    inserter = RecordInserter(store, claim_first_free(tmp_path))
    records = [record(reservation().call_id) for _ in range(4)]
    store.poisoned, store.away_at = {records[0].call_id}, 4
    with pytest.raises(StoreUnavailable):
        await inserter.insert(records)
    assert set_aside(tmp_path) == []
    await inserter.insert(records)
    assert set_aside(tmp_path) == [records[0].call_id]
    assert len(store.records) == 3


async def test_a_store_that_refuses_everything_is_at_fault_itself(tmp_path: Path) -> None:
    store = Picky()
    records = [record(reservation().call_id) for _ in range(500)]
    store.poisoned = {item.call_id for item in records}
    inserter = RecordInserter(store, claim_first_free(tmp_path))
    with pytest.raises(StoreUnavailable, match="every usage record"):
        await inserter.insert(records)
    assert inserter.set_aside == 0
    assert set_aside(tmp_path) == []


async def test_a_record_that_cannot_be_set_aside_stays_in_the_journal(tmp_path: Path) -> None:
    store = Picky()
    item = record(reservation().call_id)
    store.poisoned = {item.call_id}
    slot = claim_first_free(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    inserter = RecordInserter(store, slot)
    with pytest.raises(StoreUnavailable, match="cannot be set aside"):
        await inserter.insert([item])
