"""What does not fit a frame: a reservation is refused before anything is written, a record is cut and settles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from journal_fakes import MemoryStore, record, reservation, settings

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome
from tollkeeper.journal.format import PAYLOAD_BYTES_MAX, Kind, decode_record, encode_frame
from tollkeeper.journal.ledger import open_ledger
from tollkeeper.journal.payloads import record_payload
from tollkeeper.journal.replay import replay

LONG = "긴" * PAYLOAD_BYTES_MAX
TOO_LARGE: list[dict[str, Any]] = [
    {"reason": LONG},
    {"labels": {f"label-{number}": "v" * 100 for number in range(20_000)}},
    {"lines": (ChargeLine("input", 1, 1, 1, "catalogue"),) * 60_000},
    {"quantities": {f"{number}" * 10: number for number in range(60_000)}, "model_served": LONG},
    {"service_tier": "lone \ud800 surrogate"},
]
BEYOND: list[dict[str, Any]] = [{"amount_nanos": 2**64}, {"quantities": {"input": 2**70}}]


def fail(reason: str) -> None:
    raise AssertionError(reason)


def test_a_frame_that_no_reader_would_accept_is_our_bug() -> None:
    encode_frame(1, 1, Kind.SETTLE, bytes(PAYLOAD_BYTES_MAX))
    with pytest.raises(AssertionError, match="no reader"):
        encode_frame(1, 1, Kind.SETTLE, bytes(PAYLOAD_BYTES_MAX + 1))


@pytest.mark.parametrize("changes", [{"end_user": LONG}, {"end_user": "\ud800"}, {"ceiling_nanos": 2**64}])
async def test_a_reservation_that_does_not_fit_is_refused_and_nothing_is_owed(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    store = MemoryStore()
    ledger = await open_ledger(settings(tmp_path), store, on_fatal=fail)
    before = ledger.figures()
    with pytest.raises(InvalidRequest):
        await ledger.reserve(msgspec.structs.replace(reservation(), **changes))
    after = ledger.figures()
    assert (after.journal_bytes, after.open_reservations) == (before.journal_bytes, 0)
    assert ledger.is_admitting
    assert await ledger.aclose(5)


@pytest.mark.parametrize("changes", [*TOO_LARGE, *BEYOND])
async def test_a_record_that_does_not_fit_settles_all_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    away = MemoryStore()
    away.fail_before = 1_000
    ledger = await open_ledger(settings(tmp_path), away, on_fatal=fail)
    held = reservation()
    await ledger.reserve(held)
    ledger.settle(msgspec.structs.replace(record(held.call_id), **changes))
    assert ledger.figures().open_reservations == 0
    await ledger.aclose(0.01)
    store = MemoryStore()
    report = await replay(tmp_path, store)
    assert (report.settled, report.estimated, report.frames_missing, report.torn_bytes) == (1, 0, 0, 0)
    found = store.records[held.call_id]
    assert found.outcome is Outcome.COMPLETE
    assert found.reason
    if changes in BEYOND:
        assert (found.amount_nanos, found.cost_state, found.lines) == (None, CostState.UNPRICED, ())
    else:
        assert (found.amount_nanos, found.cost_state) == (195_600, CostState.COMPUTED)


def test_times_of_steps_that_no_frame_can_hold_are_left_out() -> None:
    item = msgspec.structs.replace(record(b"0123456789abcdef"), steps_us=(1, 1, 1, 1, 1, 2**64))
    found = decode_record(record_payload(item))
    assert (found.steps_us, found.amount_nanos) == ((), item.amount_nanos)


def test_a_record_that_fits_is_written_as_it_is() -> None:
    item = record(b"0123456789abcdef")
    assert decode_record(record_payload(item)) == item
