"""What a slot remembers beside its segments: a replay in doubt stays in doubt until the store was told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from journal_fakes import MemoryStore, record, reservation, settings

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.lease import Answer, Ask, Pulse
from tollkeeper.journal.ledger import open_ledger
from tollkeeper.journal.marks import NAME, read_marks
from tollkeeper.journal.replay import replay
from tollkeeper.journal.slots import Slot, claim_first_free
from tollkeeper.journal.writer import Journal


class Leases:
    """Notes what is said of the leases of the dead; away as often as `away` says."""

    def __init__(self, *, away: int = 0) -> None:
        self.away = away
        self.told: list[bool] = []

    async def reclaim(self, holder: str, *, is_exact: bool) -> int:
        assert holder
        if self.away:
            self.away -= 1
            raise StoreUnavailable("the store is away")
        self.told.append(is_exact)
        return 1

    async def exchange(self, holder: str, asks: Sequence[Ask]) -> list[Answer]:
        raise AssertionError

    async def pulse(self, holder: str, *, is_beating: bool) -> Pulse:
        raise AssertionError


def left_by_the_dead(tmp_path: Path) -> Slot:
    """Write two reservations and die."""
    slot = claim_first_free(tmp_path)
    journal = Journal(slot, settings(tmp_path))
    for _ in range(2):
        journal.append_reserve(reservation())
    slot.release()
    return slot


async def told(tmp_path: Path, *, is_safe: bool = False) -> list[bool]:
    leases = Leases()
    await replay(tmp_path, MemoryStore(), leases=leases, is_safe=is_safe)
    return leases.told


async def test_a_whole_journal_is_exact(tmp_path: Path) -> None:
    slot = left_by_the_dead(tmp_path)
    assert await told(tmp_path) == [True]
    assert not (slot.path / NAME).exists()


async def test_a_broken_journal_stays_in_doubt_when_the_store_could_not_be_told(tmp_path: Path) -> None:
    slot = left_by_the_dead(tmp_path)
    (segment,) = slot.segments()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2 - 20] ^= 0xFF  # in the first of the two
    segment.write_bytes(data)
    with pytest.raises(StoreUnavailable):
        await replay(tmp_path, MemoryStore(), leases=Leases(away=1))
    assert slot.segments() == [], "it was put away"
    assert await told(tmp_path) == [False]
    assert await told(tmp_path) == [True], "once the store knows, it is over"


@pytest.mark.parametrize("is_safe", [False, True])
async def test_a_segment_that_a_loss_of_power_took_leaves_the_boot_as_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_safe: bool
) -> None:
    slot = left_by_the_dead(tmp_path)
    (segment,) = slot.segments()
    segment.unlink()
    monkeypatch.setattr("tollkeeper.journal.replay.boot_id", lambda: "another")
    assert await told(tmp_path, is_safe=is_safe) == [is_safe]


async def test_a_record_that_was_set_aside_leaves_the_leases_in_doubt(tmp_path: Path) -> None:
    class Picky(MemoryStore):
        async def insert_usage(self, records: list, *, slot: str) -> int:  # type: ignore[type-arg]
            if any(each.call_id == item.call_id for each in records):
                message = "no room for it"
                raise ValueError(message)
            return await super().insert_usage(records, slot=slot)

    item = reservation()
    ledger = await open_ledger(settings(tmp_path), Picky())
    await ledger.reserve(item)
    ledger.settle(record(item.call_id))
    assert await ledger.aclose(5)
    assert await told(tmp_path) == [False]


async def test_a_clean_end_leaves_no_mark_and_an_unclean_one_leaves_its_boot(tmp_path: Path) -> None:
    ledger = await open_ledger(settings(tmp_path), MemoryStore())
    assert len(read_marks(tmp_path / "0").boots) == 1
    assert await ledger.aclose(5)
    assert not (tmp_path / "0" / NAME).exists()
    left_by_the_dead(tmp_path)
    assert len(read_marks(tmp_path / "0").boots) == 1


def test_a_torn_mark_was_never_relied_on(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"boot a\nbro")
    found = read_marks(tmp_path)
    assert (found.boots, found.is_broken) == (frozenset({"a"}), False)
