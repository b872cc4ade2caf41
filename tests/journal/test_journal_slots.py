"""Slots: one owner each, the first free one is taken, and a dead owner's can be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tollkeeper.journal.segments import Segment, SegmentTable
from tollkeeper.journal.slots import claim, claim_abandoned, claim_first_free


def test_a_slot_has_one_owner(tmp_path: Path) -> None:
    first = claim_first_free(tmp_path)
    assert claim(tmp_path, 0) is None
    second = claim_first_free(tmp_path)
    assert (first.number, second.number) == (0, 1)
    assert first.name != second.name
    first.release()
    again = claim_first_free(tmp_path)
    assert again.number == 0
    assert again.name == first.name
    again.release()
    second.release()


def test_another_process_is_refused_too_and_its_death_frees_the_slot(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tollkeeper.journal.slots import claim_first_free\n"
        "slot = claim_first_free(Path(sys.argv[1])); print(slot.number, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"0\n"
        assert claim(tmp_path, 0) is None
        assert list(claim_abandoned(tmp_path)) == []
        child.kill()
    (slot,) = claim_abandoned(tmp_path)
    assert slot.number == 0
    slot.release()


def test_damaged_segments_keep_their_numbers(tmp_path: Path) -> None:
    slot = claim_first_free(tmp_path)
    assert slot.next_number() == 1
    slot.segment_path(3).touch()
    (slot.path / "00000009.damaged").touch()
    assert slot.next_number() == 10
    assert slot.segments() == [slot.segment_path(3)]
    slot.release()


def _segment(number: int) -> Segment:
    return Segment(number, Path(str(number)), seed=0, descriptor=-1, size=0)


def test_a_segment_goes_when_all_in_it_has_ended_and_is_flushed() -> None:
    table = SegmentTable()
    first, second, current = _segment(1), _segment(2), _segment(3)
    for item in (first, second, current):
        table.begin(item)
    first.open_count, first.last_settlement, second.last_settlement, current.last_settlement = 1, 10, 20, 30
    table.flushed = 19
    assert table.take_finished() == []
    table.flushed = 20
    assert table.take_finished() == [second]
    first.open_count = 0
    assert table.take_finished() == [first]
    assert table.take_all() == []
    table.flushed = 30
    assert table.take_finished() == []
    assert table.take_all() == [current]
