"""Whatever comes from outside, its usage record can be stored; and a SQLite file that is lost is not written to."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from store_factories import make_record

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import ChargeLine, CostState
from tollkeeper.store.engine import Store
from tollkeeper.store.readiness import check_known
from tollkeeper.store.schema import usage_record
from tollkeeper.store.usage_rows import BEYOND_REASON, NUMBER_MAX, from_row, is_plain, storable, storable_text
from tollkeeper.store.verify import days_to_verify, verify_days

if TYPE_CHECKING:
    from tollkeeper.domain.usage import UsageRecord

RANDOM = "".join(chr(0x4E00 + secrets.randbelow(20_000)) for _ in range(5_000))  # 3 bytes each, does not compress
BAD = "a\0b\ud800c\x1b"
TEXTS = [
    "organization_id",
    "project_id",
    "api_key_id",
    "operation",
    "model_asked",
    "model_served",
    "provider",
    "service_tier",
    "reason",
    "end_user",
    "provider_request_id",
]
EVERYTHING_LONG: dict[str, Any] = {
    **dict.fromkeys(TEXTS, RANDOM),
    "quantities": {RANDOM: 5},
    "lines": (ChargeLine(RANDOM, 5, 1_000, 5, RANDOM),),
    "labels": {RANDOM: RANDOM},
    "amount_nanos": 5,
}
EVERYTHING_BAD: dict[str, Any] = {
    **dict.fromkeys(TEXTS, BAD),
    "quantities": {BAD: 5},
    "lines": (ChargeLine(BAD, 5, 1_000, 5, BAD),),
    "labels": {BAD: BAD},
    "amount_nanos": 5,
}
BEYOND: list[dict[str, Any]] = [
    {"amount_nanos": 2**64},
    {"amount_nanos": -(2**64)},
    {"quantities": {"input": 2**63}},
    {"lines": (ChargeLine("input", 2**63, 1, 1, "catalogue"),)},
]


async def _stored(store: Store) -> list[UsageRecord]:
    async def query(connection: Any) -> list[UsageRecord]:
        return [from_row(row) for row in await connection.execute(select(usage_record))]

    return await store.read(query)


async def _differences(store: Store) -> list[object]:
    days = await days_to_verify(store)
    return [found async for day in verify_days(store, days) for found in day.differences]


@pytest.mark.parametrize("changes", [EVERYTHING_LONG, EVERYTHING_BAD], ids=["long", "bad"])
async def test_texts_from_outside_never_refuse_a_record(store: Store, changes: dict[str, Any]) -> None:
    assert await store.insert_usage([make_record(), make_record(**changes)], slot="a") == 2
    stored = await _stored(store)
    assert sum(record.amount_nanos or 0 for record in stored) == 352_505, "the amount is kept"
    assert await _differences(store) == []


@pytest.mark.parametrize("changes", BEYOND)
async def test_a_number_that_no_call_can_have_makes_it_unpriced_with_a_loud_line(
    store: Store, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    beyond = make_record(**changes)
    assert await store.insert_usage([make_record(), beyond], slot="a") == 2
    found = next(record for record in await _stored(store) if record.call_id == beyond.call_id)
    assert (found.amount_nanos, found.cost_state, found.reason) == (None, CostState.UNPRICED, BEYOND_REASON)
    assert beyond.call_id.hex() in caplog.text
    assert await _differences(store) == []


async def test_a_batch_of_records_at_the_bound_fits_its_sums(store: Store) -> None:
    largest = {"amount_nanos": NUMBER_MAX, "quantities": {"input": NUMBER_MAX}, "lines": (), "latency_us": 2**64}
    records = [make_record(1_700_000_000_000_000, **largest) for _ in range(2_000)]
    for start in (0, 1_000):
        assert await store.insert_usage(records[start : start + 1_000], slot="a") == 1_000
    assert all(record.amount_nanos == NUMBER_MAX for record in await _stored(store))
    assert await _differences(store) == []


def test_what_can_be_stored_is_left_alone() -> None:
    record = make_record(end_user="사용자 1", labels={"k" * 64: "값" * 128}, reason="no price")
    assert storable(record) is record
    spaced = "non-breaking\u00a0space and 👩‍🚀"
    assert storable_text(spaced, 256) is spaced


NOT_PLAIN = [
    *({name: text} for name in TEXTS for text in ("a\0b", "x" * 2_000)),
    {"quantities": {"a\0b": 5}},
    {"labels": {"a\0b": "c"}},
    {"labels": {"a": "c" * 2_000}},
    {"lines": (ChargeLine("input", 5, 1_000, 5, "a\0b"),)},
    {"lines": (ChargeLine("input", 5, NUMBER_MAX + 1, 5, "catalogue"),)},
    {"draws": (Draw(b"x" * 17, 1, 1, 1, 1),)},
    {"draws": (Draw(b"x", NUMBER_MAX + 1, 1, 1, 1),)},
    {"draws": (Draw(b"x", 1, -(2**63), 1, 1),)},
    {"draws": (Draw(b"x", 1, 1, 2**63, 1),)},
    {"draws": (Draw(b"x", 1, 1, 1, 2**63),)},
    {"quantities": {"input": NUMBER_MAX + 1}},
    *({name: number} for name in ("amount_nanos", "latency_us", "overhead_us") for number in (-1, NUMBER_MAX + 1)),
    *({"steps_us": (1, 1, number, 1, 1, 1)} for number in (-1, NUMBER_MAX + 1)),
]


@pytest.mark.parametrize("changes", NOT_PLAIN, ids=str)
def test_what_may_have_to_be_mended_is_not_taken_for_plain(changes: dict[str, Any]) -> None:
    assert is_plain(make_record(draws=(Draw(b"x" * 16, 5, -3, 2**60, 2**60),)))
    assert not is_plain(make_record(**changes))


@pytest.mark.parametrize("number", [-1, 2**64])
def test_times_of_steps_that_no_call_can_have_are_left_out(number: int) -> None:
    assert storable(make_record(steps_us=(1, 1, number, 1, 1, 1))).steps_us == ()


def test_a_cut_text_is_whole_characters() -> None:
    assert storable_text("값" * 100, 256) == "값" * 85
    assert storable_text("x" * 65, 64) == "x" * 64
    assert storable_text(BAD, 64) == "abc"


@pytest.fixture(params=["deleted", "replaced"])
def fate(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_lost_sqlite_file_takes_no_records_until_it_is_back(sqlite_url: str, tmp_path: Path, fate: str) -> None:
    path, kept = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "kept.db"
    store = Store.open(sqlite_url)
    await check_known(store)
    await store.insert_usage([make_record()], slot="a")
    path.rename(kept)
    if fate == "replaced":
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=rf"{fate}.*journal"):
            await store.insert_usage([make_record()], slot="a")
        with pytest.raises(StoreUnavailable, match=fate):
            await check_known(store)
    assert path.exists() == (fate == "replaced"), "no new file takes its place"
    kept.rename(path)
    store.check_file()
    assert await store.insert_usage([make_record()], slot="a") == 1
    await store.aclose()


async def test_a_file_lost_during_the_transaction_is_not_acknowledged(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(sqlite_url)
    writer: Any = store._usage
    await store.insert_usage([make_record()], slot="a")
    insert = writer._insert_distinct

    def insert_and_lose(*arguments: Any) -> int:
        new = insert(*arguments)
        Path(sqlite_url.removeprefix("sqlite:///")).unlink()
        return int(new)

    monkeypatch.setattr(writer, "_insert_distinct", insert_and_lose)
    with pytest.raises(StoreUnavailable, match="deleted"):
        await store.insert_usage([make_record()], slot="a")
    await store.aclose()


async def test_a_writer_that_connects_anew_makes_no_file_in_the_place_of_a_lost_one(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    store = Store.open(sqlite_url)
    await store.insert_usage([make_record()], slot="a")
    with pytest.raises(OverflowError):
        await store.insert_usage([make_record(status=2**63)], slot="a")  # which ends the connection
    path.unlink()
    with pytest.raises(StoreUnavailable, match="deleted"):
        await store.insert_usage([make_record()], slot="a")
    assert not path.exists()
    await store.aclose()
