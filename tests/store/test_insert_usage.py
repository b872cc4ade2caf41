"""Usage goes in once, whoever writes it and however often, and the rollups with it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from sqlalchemy import func, select, text
from store_factories import HOUR_US, add_key, add_organization, make_key, make_record, make_unpriced

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.usage import CostState, Outcome
from tollkeeper.store import api_keys, overruns
from tollkeeper.store.engine import Store
from tollkeeper.store.schema import label_rollup, usage_record, usage_rollup
from tollkeeper.store.usage_partitions import UsagePartitions
from tollkeeper.store.usage_rows import from_row, to_row

if TYPE_CHECKING:
    from tollkeeper.domain.usage import UsageRecord


async def _count(store: Store) -> int:
    return await store.read(lambda c: _scalar(c, select(func.count()).select_from(usage_record)))


async def _rolled_up(store: Store) -> tuple[int, int, int]:
    """Return requests, amount and unpriced requests over all rollup rows."""
    sums = select(
        func.sum(usage_rollup.c.requests),
        func.sum(usage_rollup.c.amount_nanos),
        func.sum(usage_rollup.c.unpriced_requests),
    )

    async def query(connection):
        row = (await connection.execute(sums)).one()
        return tuple(int(value or 0) for value in row)

    return await store.read(query)


async def _scalar(connection, query) -> int:
    return int((await connection.execute(query)).scalar_one())


def test_a_row_keeps_every_field_of_its_record() -> None:
    record = make_record(
        status=0,
        outcome=Outcome.CRASHED,
        is_stream=True,
        is_estimated=True,
        reasoning_tokens=7,
        reason="the gateway stopped",
        end_user="사용자-1",
        labels={"feature": "search", "purpose": "eval"},
        provider_request_id="req_1",
        cost_state=CostState.ESTIMATED,
        steps_us=(15, 45, 5, 95, 30, 40),
    )
    assert from_row(to_row(record)) == record


def test_a_row_of_a_call_whose_steps_nobody_timed_is_as_those_of_older_versions() -> None:
    assert "steps_us" not in to_row(make_record())[-1]
    assert from_row(to_row(make_record())).steps_us == ()


async def test_the_times_of_steps_come_back_from_the_database(store: Store) -> None:
    timed, untimed = make_record(steps_us=(15, 45, 5, 95, 30, 2**45)), make_record()
    await store.insert_usage([timed, untimed], slot="a")

    async def query(connection):
        return [from_row(row) for row in await connection.execute(select(usage_record))]

    found = {record.call_id: record for record in await store.read(query)}
    assert found == {timed.call_id: timed, untimed.call_id: untimed}


def test_the_times_of_steps_take_thirty_bytes_of_a_row() -> None:
    record = make_record()
    timed = msgspec.structs.replace(record, steps_us=(15, 45, 5, 95, 30, 40))
    assert len(to_row(timed)[-1]) - len(to_row(record)[-1]) <= 30


async def test_insert_returns_how_many_records_were_new(store: Store) -> None:
    records = [make_record() for _ in range(700)]
    assert await store.insert_usage(records[:500], slot="a") == 500
    assert await store.insert_usage(records[300:], slot="a") == 200
    assert await store.insert_usage(records, slot="b") == 0
    assert await store.insert_usage([], slot="a") == 0
    assert await _count(store) == 700
    assert await _rolled_up(store) == (700, 700 * 352_500, 0)


async def test_a_call_twice_in_one_batch_counts_once(store: Store) -> None:
    record = make_record(labels={"feature": "search"})
    assert await store.insert_usage([record, make_record(), record], slot="a") == 2
    assert await _rolled_up(store) == (2, 2 * 352_500, 0)
    assert await store.read(lambda c: _scalar(c, select(func.sum(label_rollup.c.requests)))) == 1


async def test_overlapping_batches_of_concurrent_writers_count_each_call_once(store: Store, database_url: str) -> None:
    records = [make_record() for _ in range(400)]
    others = [Store.open(database_url) for _ in range(2)]
    writers = [store, *others]
    batches: list[tuple[int, list[UsageRecord]]] = []
    for start in range(0, 400, 50):
        batch = records[start : start + 100]
        batches += [(0, batch), (1, batch[::-1]), (2, batch[25:])]
    new = await asyncio.gather(*(writers[index].insert_usage(batch, slot=f"slot-{index}") for index, batch in batches))
    for other in others:
        await other.aclose()
    assert sum(new) == 400
    assert await _count(store) == 400
    assert await _rolled_up(store) == (400, 400 * 352_500, 0)


async def test_two_replicas_write_their_own_rollup_rows(store: Store) -> None:
    await store.insert_usage([make_record()], slot="a")
    await store.insert_usage([make_record()], slot="b")
    slots = await store.read(lambda c: _scalar(c, select(func.count(usage_rollup.c.slot.distinct()))))
    assert slots == 2


async def test_unpriced_calls_are_counted_as_unpriced_and_add_no_amount(store: Store) -> None:
    await store.insert_usage([make_record(), make_unpriced(), make_unpriced()], slot="a")
    assert await _rolled_up(store) == (3, 352_500, 2)
    nulls = select(func.count()).select_from(usage_record).where(usage_record.c.amount_nanos.is_(None))
    assert await store.read(lambda c: _scalar(c, nulls)) == 2


async def test_a_batch_may_span_days(store: Store) -> None:
    records = [make_record(1_700_000_000_000_000 + hours * HOUR_US) for hours in range(0, 240, 5)]
    assert await store.insert_usage(records, slot="a") == 48
    days = await store.read(lambda c: _scalar(c, select(func.count(usage_record.c.day.distinct()))))
    assert days == 10 or days == 11


async def test_a_failing_batch_changes_nothing_and_the_next_one_works(store: Store) -> None:
    longest = [make_record(status=2**63)]
    with pytest.raises(Exception, match=r"(?i)int|range|large"):  # each driver has its own words for it
        await store.insert_usage([make_record(), *longest], slot="a")
    assert await _count(store) == 0
    assert await _rolled_up(store) == (0, 0, 0)
    assert await store.insert_usage([make_record()], slot="a") == 1


async def test_usage_notes_the_last_use_of_its_key(store: Store) -> None:
    organization, project = await add_organization(store)
    key = make_key(organization.id, project.id)
    await add_key(store, key)
    of_key = {"organization_id": organization.id, "project_id": project.id, "api_key_id": key.id}
    at_us = 1_700_000_000_000_000
    for later_us, noted_us in ((0, 0), (30_000_000, 0), (61_000_000, 61_000_000), (10_000_000, 61_000_000)):
        await store.insert_usage([make_record(at_us + later_us, **of_key)], slot="a")
        found = await store.read(lambda c: api_keys.get_api_key(c, organization.id, key.id))
        assert found is not None
        assert found.last_used_at_us == at_us + noted_us


async def test_postgres_keeps_each_day_in_a_partition_made_ahead(postgres_url: str) -> None:
    store = Store.open(postgres_url)
    day = 20_500
    await store.insert_usage([make_record(day * 24 * HOUR_US), make_record((day + 1) * 24 * HOUR_US)], slot="a")
    counts = [
        await store.read(lambda c, d=d: _scalar(c, text(f"SELECT count(*) FROM usage_record_d{d}")))
        for d in (day, day + 1, day + 2)
    ]
    assert counts == [1, 1, 0]
    await store.aclose()


async def test_a_new_days_partition_waits_for_no_reader_and_keeps_none_waiting(postgres_url: str) -> None:
    writer, reader = Store.open(postgres_url), Store.open(postgres_url)
    day_us = 24 * HOUR_US
    await writer.insert_usage([make_record(20_500 * day_us)], slot="a")
    reads, may_end = asyncio.Event(), asyncio.Event()

    async def read_for_long(connection) -> int:
        before = await _scalar(connection, text("SELECT count(*) FROM usage_record"))
        reads.set()
        await may_end.wait()
        return before

    reading = asyncio.create_task(reader.read(read_for_long, is_snapshot=True))
    await reads.wait()
    async with asyncio.timeout(3):  # a lock is waited for up to five seconds
        await writer.insert_usage([make_record(20_600 * day_us)], slot="a")
        assert await _count(reader) == 2
    may_end.set()
    assert await reading == 1
    for each in (writer, reader):
        await each.aclose()


async def test_replicas_that_make_the_same_days_at_once_lose_nothing(postgres_url: str) -> None:
    replicas = [Store.open(postgres_url) for _ in range(4)]
    for day in range(20_500, 20_520):
        records = [[make_record(day * 24 * HOUR_US)] for _ in replicas]
        both = zip(replicas, records, strict=True)
        await asyncio.gather(*(each.insert_usage(own, slot=str(number)) for number, (each, own) in enumerate(both)))
    assert await _count(replicas[0]) == 80
    for each in replicas:
        await each.aclose()


async def test_a_day_ahead_that_cannot_be_made_yet_delays_no_record(postgres_url: str) -> None:
    store = Store.open(postgres_url)
    connection = await asyncpg.connect(postgres_url)
    await store.insert_usage([make_record(20_500 * 24 * HOUR_US)], slot="a")
    await connection.execute(
        "CREATE TABLE usage_record_d40700 PARTITION OF usage_record FOR VALUES FROM (40700) TO (40701)"
    )
    async with connection.transaction():
        await connection.execute("LOCK TABLE usage_record IN SHARE UPDATE EXCLUSIVE MODE")
        async with asyncio.timeout(2):  # a lock that is needed is waited for up to five seconds
            for _ in range(5):
                await store.insert_usage([make_record(40_700 * 24 * HOUR_US)], slot="a")
        assert await connection.fetchval("SELECT to_regclass('usage_record_d40701')") is None
    partitions = UsagePartitions(again_after_s=0)
    await connection.execute("CREATE TYPE usage_record_d40701 AS ENUM ('in the way')")
    for _ in range(2):
        await partitions.make(connection, {40_700})
    await connection.execute("DROP TYPE usage_record_d40701")
    await partitions.make(connection, {40_700})
    assert await connection.fetchval("SELECT to_regclass('usage_record_d40701')") is not None, "it was tried again"
    await connection.close()
    await store.aclose()


async def test_a_day_that_cannot_be_made_is_no_records_fault(postgres_url: str) -> None:
    store = Store.open(postgres_url)
    connection = await asyncpg.connect(postgres_url)
    record = make_record(40_800 * 24 * HOUR_US)
    # PostgreSQL says the same when another replica makes the day at that very moment: SQLSTATE 42710.
    await connection.execute("CREATE TYPE usage_record_d40800 AS ENUM ('in the way')")
    with pytest.raises(StoreUnavailable, match="day 40800"):
        await store.insert_usage([record], slot="a")
    await connection.execute("DROP TYPE usage_record_d40800")
    assert await store.insert_usage([record], slot="a") == 1
    await connection.close()
    await store.aclose()


async def test_connections_that_the_server_ended_are_the_worlds_fault_and_are_made_again(postgres_url: str) -> None:
    store, other = Store.open(postgres_url), Store.open(postgres_url)
    record = make_record()
    assert await store.insert_usage([record], slot="a") == 1
    assert await _count(store) == 1
    end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
    assert await other.read(lambda c: _scalar(c, text(end + " AND pid != pg_backend_pid()"))) == 2
    lost = make_record()
    with contextlib.suppress(StoreUnavailable):  # or the driver has noticed in time
        await store.insert_usage([lost], slot="a")
    await store.insert_usage([record, lost], slot="a")
    assert await _count(store) == 2, "a pooled connection is tried before it is used"
    await store.aclose()
    await other.aclose()


async def test_a_call_beyond_its_reservation_is_counted_once_with_its_record(store: Store) -> None:
    beyond = make_record(reserved_nanos=1)
    assert beyond.amount_nanos
    for _ in range(2):  # the second time the records are there already
        await store.insert_usage([beyond, make_record(reserved_nanos=10**15), make_record()], slot="a")
    (found,) = await store.read(lambda connection: overruns.list_overruns(connection, since_us=0))
    assert (found.calls, found.excess_nanos, found.worst_call_id) == (1, beyond.amount_nanos - 1, beyond.call_id)
