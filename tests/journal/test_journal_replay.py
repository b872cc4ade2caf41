"""Replay: what dead processes left is settled exactly once, whatever state they left it in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from journal_fakes import MemoryStore, record, reservation, settings

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import CostState, Outcome
from tollkeeper.journal.format import JournalUnreadable
from tollkeeper.journal.ledger import open_ledger
from tollkeeper.journal.replay import replay
from tollkeeper.journal.slots import Slot, claim_first_free
from tollkeeper.journal.writer import Journal


def abandon(slot: Slot, journal: Journal) -> None:
    """Do what kill -9 does: the lock goes, the files stay as they are."""
    assert journal.slot is slot
    slot.release()


def written(tmp_path: Path, *, calls: int, open_calls: int, segment_bytes: int = 1 << 20) -> list[Reservation]:
    slot = claim_first_free(tmp_path)
    journal = Journal(slot, settings(tmp_path, segment_bytes=segment_bytes))
    held = [reservation() for _ in range(calls + open_calls)]
    for index, item in enumerate(held):
        journal.append_reserve(item)
        if index < calls:
            journal.append_settle(record(item.call_id, amount_nanos=index))
    abandon(slot, journal)
    return held


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("*/*") if path.suffix in (".journal", ".damaged"))


async def test_settled_calls_are_settled_and_open_ones_booked_at_their_ceiling(tmp_path: Path) -> None:
    held = written(tmp_path, calls=3, open_calls=2, segment_bytes=700)
    store = MemoryStore()
    report = await replay(tmp_path, store)
    assert (report.slots, report.settled, report.estimated, report.new) == (1, 3, 2, 5)
    assert not report.damaged
    for index, item in enumerate(held[:3]):
        assert store.records[item.call_id] == record(item.call_id, amount_nanos=index)
    for item in held[3:]:
        booked = store.records[item.call_id]
        assert (booked.outcome, booked.status, booked.lines) == (Outcome.CRASHED, 0, ())
        assert (booked.cost_state, booked.amount_nanos, booked.is_estimated) == (CostState.ESTIMATED, 1_000_000, True)
        assert booked.reason == "the gateway stopped during this call"
        assert (booked.organization_id, booked.end_user, booked.labels) == (
            item.organization_id,
            item.end_user,
            item.labels,
        )
        assert (booked.model_asked, booked.model_served) == ("fast", "gpt-4o-mini")
    assert files(tmp_path) == []
    assert (await replay(tmp_path, store)).slots == 0


async def test_a_crashed_call_without_a_price_is_unpriced_not_free(tmp_path: Path) -> None:
    slot = claim_first_free(tmp_path)
    journal = Journal(slot, settings(tmp_path))
    held = reservation(ceiling_nanos=None)
    journal.append_reserve(held)
    abandon(slot, journal)
    store = MemoryStore()
    await replay(tmp_path, store)
    booked = store.records[held.call_id]
    assert (booked.amount_nanos, booked.cost_state, booked.is_estimated) == (None, CostState.UNPRICED, True)


async def test_a_replay_that_died_half_way_is_done_again_without_doubles(tmp_path: Path) -> None:
    held = written(tmp_path, calls=3_000, open_calls=1, segment_bytes=1 << 24)

    class DiesInTheSecondBatch(MemoryStore):
        async def insert_usage(self, records: list, *, slot: str) -> int:  # type: ignore[type-arg]
            if self.calls == 1:
                raise StoreUnavailable("gone")
            return await super().insert_usage(records, slot=slot)

    store = DiesInTheSecondBatch()
    with pytest.raises(StoreUnavailable):
        await replay(tmp_path, store)
    assert len(store.records) == 2_000
    assert files(tmp_path) == ["00000001.journal"], "nothing is deleted before all of it is in the store"
    after = MemoryStore()
    after.records = store.records
    report = await replay(tmp_path, after)
    assert (report.settled, report.estimated, report.new) == (3_000, 1, 1_001)
    assert set(after.records) == {item.call_id for item in held}


async def test_what_a_checkpoint_covers_is_not_sent_again(tmp_path: Path) -> None:
    slot = claim_first_free(tmp_path)
    journal = Journal(slot, settings(tmp_path))
    held = [reservation() for _ in range(4)]
    for item in held:
        journal.append_reserve(item)
    flushed = [journal.append_settle(record(item.call_id)) for item in held[:2]][-1]
    late = journal.append_settle(record(held[2].call_id))
    assert late > flushed
    journal.append_flushed(flushed)
    abandon(slot, journal)
    store = MemoryStore()
    report = await replay(tmp_path, store)
    assert (report.settled, report.estimated) == (1, 1)
    assert set(store.records) == {held[2].call_id, held[3].call_id}


async def test_an_estimate_never_displaces_the_true_record(tmp_path: Path) -> None:
    """The settlement's segment may be deleted while the reservation's stays: the store knows better."""
    slot = claim_first_free(tmp_path)
    journal = Journal(slot, settings(tmp_path))
    held = reservation()
    journal.append_reserve(held)
    abandon(slot, journal)
    store = MemoryStore()
    store.records[held.call_id] = record(held.call_id, amount_nanos=42)
    report = await replay(tmp_path, store)
    assert (report.estimated, report.new) == (1, 0)
    assert store.records[held.call_id].amount_nanos == 42


async def test_a_damaged_segment_is_set_aside_and_everything_readable_in_it_is_booked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = written(tmp_path, calls=50, open_calls=0)
    path = tmp_path / "0" / "00000001.journal"
    data = bytearray(path.read_bytes())
    data[data.index(held[20].call_id, data.index(held[20].call_id) + 1)] ^= 0xFF  # in the SETTLE of call 20
    path.write_bytes(data)
    store = MemoryStore()
    report = await replay(tmp_path, store)
    assert (report.settled, report.estimated, report.frames_missing) == (49, 1, 1)
    assert set(store.records) == {item.call_id for item in held}
    assert store.records[held[20].call_id].outcome is Outcome.CRASHED
    assert report.damaged == [str(tmp_path / "0" / "00000001.damaged")]
    assert files(tmp_path) == ["00000001.damaged"]
    assert any(entry.levelname == "CRITICAL" and "damaged" in entry.message for entry in caplog.records)
    ledger = await open_ledger(settings(tmp_path), store)
    assert (tmp_path / "0" / "00000002.journal").exists(), "the number of a damaged segment is not used again"
    assert await ledger.aclose(1)


async def test_a_tail_missing_before_another_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, calls=20, open_calls=0, segment_bytes=2_000)
    first = tmp_path / "0" / "00000001.journal"
    os.truncate(first, first.stat().st_size - 1)
    report = await replay(tmp_path, MemoryStore())
    assert report.frames_missing == 1
    assert report.damaged


@pytest.mark.parametrize("length", [0, 3, 256, 300, 512])
async def test_a_segment_torn_while_it_was_made_is_nothing(tmp_path: Path, length: int) -> None:
    written(tmp_path, calls=1, open_calls=0)
    os.truncate(tmp_path / "0" / "00000001.journal", length)
    report = await replay(tmp_path, MemoryStore())
    assert (report.settled, report.estimated, report.damaged) == (0, 0, [])
    assert files(tmp_path) == []


async def test_a_segment_that_cannot_be_counted_stops_the_start_and_stays(tmp_path: Path) -> None:
    written(tmp_path, calls=1, open_calls=0)
    path = tmp_path / "0" / "00000001.journal"
    path.write_bytes(bytes(512) + path.read_bytes()[512:])
    with pytest.raises(JournalUnreadable, match="00000001"):
        await open_ledger(settings(tmp_path), MemoryStore())
    assert files(tmp_path) == ["00000001.journal"]


async def test_a_start_replays_every_abandoned_slot_and_leaves_living_ones_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    living = await open_ledger(settings(tmp_path), store)
    under_way = reservation()
    await living.reserve(under_way)
    dead = [claim_first_free(tmp_path) for _ in range(2)]
    lost = [reservation() for _ in dead]
    for slot, item in zip(dead, lost, strict=True):
        Journal(slot, settings(tmp_path)).append_reserve(item)
    for slot in dead:
        slot.release()
    started = await open_ledger(settings(tmp_path), store)
    assert (started.replayed.slots, started.replayed.estimated) == (2, 2)
    assert set(store.records) == {item.call_id for item in lost}
    living.settle(record(under_way.call_id))
    assert await living.aclose(5)
    assert await started.aclose(5)
    assert store.records[under_way.call_id].outcome is Outcome.COMPLETE


async def test_a_restarted_machine_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, calls=1, open_calls=0)
    monkeypatch.setattr("tollkeeper.journal.replay.boot_id", lambda: "another")
    assert (await replay(tmp_path, MemoryStore())).is_machine_restarted


async def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    written(tmp_path, calls=50, open_calls=0, segment_bytes=2_000)
    told: list[tuple[int, int]] = []
    await replay(tmp_path, MemoryStore(), progress=lambda done, total: told.append((done, total)))
    assert told[0][0] < told[-1][0] == told[-1][1]
    assert told == sorted(told)
