"""Rollups equal a recount of the records, whatever the records and the batches; `verify` finds what was tampered with."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from store_factories import HOUR_US, call_id_at, make_record, make_unpriced

from tollkeeper.domain.usage import ChargeLine, CostState, UsageRecord
from tollkeeper.store.engine import Store
from tollkeeper.store.schema import charge_rollup, label_rollup, usage_record, usage_rollup
from tollkeeper.store.verify import Difference, days_to_verify, verify_days

START_US = 1_763_769_600_000_000  # 2025-11-22 00:00 UTC
INPUTS = {"input", "cache_read", "input@o3"}
OUTPUTS = {"output", "output_audio", "output_image", "output@o3"}
DIMENSIONS = (*sorted(INPUTS | OUTPUTS), "web_search", "image:low:256x256")


@st.composite
def usage_records(draw: st.DrawFn) -> UsageRecord:
    """Draw a call among few organizations, projects, models and hours, so that rows are shared."""
    quantities = draw(st.dictionaries(st.sampled_from(DIMENSIONS), st.integers(0, 10**9), max_size=4))
    state = draw(st.sampled_from(CostState))
    lines: tuple[ChargeLine, ...] = ()
    amount: int | None = None
    if state is not CostState.UNPRICED:
        lines = tuple(
            ChargeLine(dimension, quantity, 1000, quantity, "test")
            for dimension, quantity in quantities.items()
            if quantity and draw(st.booleans())
        )
        amount = sum(line.amount_nanos for line in lines) + draw(st.sampled_from([0, 0, 17]))
    at_us = START_US + draw(st.integers(0, 49)) * HOUR_US + draw(st.sampled_from([0, HOUR_US - 1000]))
    return make_record(
        at_us,
        call_id=call_id_at(at_us)[:6] + draw(st.binary(min_size=10, max_size=10)),
        organization_id=draw(st.sampled_from(["org_a", "org_b"])),
        project_id=draw(st.sampled_from(["proj_a", "proj_b"])),
        model_served=draw(st.sampled_from(["gpt-4o", "gpt-4o-mini"])),
        status=draw(st.sampled_from([200, 429, 500, 0, 399, 400])),
        latency_us=draw(st.integers(0, 10**9)),
        service_tier=draw(st.sampled_from(["standard", "batch"])),
        quantities=quantities,
        lines=lines,
        amount_nanos=amount,
        cost_state=state,
        labels=draw(st.dictionaries(st.sampled_from(["feature", "purpose"]), st.sampled_from("ab"), max_size=2)),
    )


def recount(records: list[UsageRecord]) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Count the rollups the slow way: (key..., measure) -> value, zeros left out; labels and lines one by one."""
    usage: Counter[Any] = Counter()
    charges: Counter[Any] = Counter()
    labels: Counter[Any] = Counter()
    for record in {(record.organization_id, record.call_id): record for record in records}.values():
        hour = int.from_bytes(record.call_id[:6], "big") // 3_600_000
        call = (record.organization_id, hour, record.project_id, record.api_key_id, record.provider)
        call += (record.model_served, record.operation, record.service_tier)
        tokens_in = sum(n for d, n in record.quantities.items() if d in INPUTS)
        tokens_out = sum(n for d, n in record.quantities.items() if d in OUTPUTS)
        measures = {
            "requests": 1,
            "errors": int(record.status == 0 or record.status >= 400),
            "input_tokens_total": tokens_in,
            "output_tokens_total": tokens_out,
            "amount_nanos": 0 if record.amount_nanos is None else record.amount_nanos,
            "unpriced_requests": int(record.amount_nanos is None),
            "latency_us_total": record.latency_us,
            "first_byte_us_total": record.first_byte_us,
            "overhead_us_total": record.overhead_us,
        }
        for name, value in measures.items():
            usage[(*call, str(record.cost_state), name)] += value
        for dimension, quantity in record.quantities.items():
            charges[(*call, dimension, "quantity")] += quantity
            charges[(*call, dimension, "unpriced_quantity")] += quantity if record.amount_nanos is None else 0
        for line in record.lines:
            charges[(*call, line.dimension, "amount_nanos")] += line.amount_nanos
        rest = measures["amount_nanos"] - sum(line.amount_nanos for line in record.lines)
        charges[(*call, "", "amount_nanos")] += rest
        of_label = ("requests", "unpriced_requests", "amount_nanos", "input_tokens_total", "output_tokens_total")
        for label in record.labels.items():
            for name in of_label:
                key = (record.organization_id, hour, record.project_id, record.model_served, *label, name)
                labels[key] += measures[name]
    return usage, charges, labels


async def stored(store: Store) -> tuple[Counter[Any], ...]:
    """Read the rollups in the same shape, slots added together."""

    async def query(connection: Any) -> tuple[Counter[Any], ...]:
        counters = []
        for table in (usage_rollup, charge_rollup, label_rollup):
            counter: Counter[Any] = Counter()
            keys = [column.name for column in table.primary_key.columns if column.name != "slot"]
            for row in (await connection.execute(select(table))).mappings():
                for column in table.columns:
                    if not column.primary_key:
                        counter[(*(row[key] for key in keys), column.name)] += row[column.name]
            counters.append(counter)
        return tuple(counters)

    return await store.read(query)


async def differences(store: Store) -> list[Difference]:
    days = await days_to_verify(store)
    return [difference async for day in verify_days(store, days) for difference in day.differences]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.lists(usage_records(), max_size=12), max_size=5), repeat=st.data())
def test_rollups_equal_a_recount(database_url: str, batches: list[list[UsageRecord]], repeat: st.DataObject) -> None:
    """Random batches, some sent again, by two slots: every figure equals the slow count, and verify agrees."""

    async def check(store: Store) -> None:
        for table in (usage_record, usage_rollup, charge_rollup, label_rollup):
            await store.write(lambda c, table=table: c.execute(delete(table)))
        for number, batch in enumerate(batches):
            await store.insert_usage(batch, slot=f"slot-{number % 2}")
            if repeat.draw(st.booleans()):
                earlier = [record for other in batches[: number + 1] for record in other]
                assert await store.insert_usage(earlier, slot="slot-0") == 0
        expected = recount([record for batch in batches for record in batch])
        assert [+counter for counter in await stored(store)] == [+counter for counter in expected]
        assert [found for found in await differences(store) if found.table != "usage_record"] == []

    async def run() -> None:
        store = Store.open(database_url)
        try:
            await check(store)
        finally:
            await store.aclose()

    asyncio.run(run())


async def _three_days(store: Store) -> list[UsageRecord]:
    records = [make_record(START_US + n * 3 * HOUR_US, labels={"feature": "search"}) for n in range(20)]
    records.append(make_unpriced(START_US + HOUR_US))
    await store.insert_usage(records[:10], slot="a")
    await store.insert_usage(records[10:], slot="b")
    return records


async def test_verify_passes_sound_books_and_counts_them(store: Store) -> None:
    await _three_days(store)
    days = await days_to_verify(store)
    verified = [day async for day in verify_days(store, days)]
    assert [day.differences for day in verified] == [[], [], []]
    assert sum(day.records for day in verified) == 21
    first = START_US // 86_400_000_000
    assert await days_to_verify(store, from_day=first + 1, to_day=first + 2) == [("org_a", first + 1)]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (table, column.name)
        for table in (usage_rollup, charge_rollup, label_rollup)
        for column in table.columns
        if not column.primary_key
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_verify_finds_a_changed_figure(sqlite_url: str, table: Any, column: str) -> None:
    store = Store.open(sqlite_url)
    await _three_days(store)
    first = select(table.c.hour).order_by(table.c.hour).limit(1).scalar_subquery()
    await store.write(
        lambda c: c.execute(update(table).where(table.c.hour == first).values({column: table.c[column] + 1}))
    )
    found = await differences(store)
    assert found
    assert {(difference.table, difference.column) for difference in found} == {(table.name, column)}
    assert all(difference.found == (difference.expected or 0) + 1 for difference in found)
    await store.aclose()


@pytest.mark.parametrize("table", [usage_rollup, charge_rollup, label_rollup], ids=lambda table: table.name)
async def test_verify_finds_missing_and_surplus_rollup_rows(store: Store, table: Any) -> None:
    await _three_days(store)
    await store.write(lambda c: c.execute(update(table).where(table.c.slot == "a").values(hour=table.c.hour + 24_000)))
    assert {difference.table for difference in await differences(store)} == {table.name}
    await store.write(lambda c: c.execute(delete(table)))
    assert {difference.table for difference in await differences(store)} == {table.name}


async def test_verify_finds_a_deleted_record_and_an_amount_of_an_unpriced_one(store: Store) -> None:
    records = await _three_days(store)
    await store.write(lambda c: c.execute(delete(usage_record).where(usage_record.c.call_id == records[0].call_id)))
    found = await differences(store)
    assert {difference.table for difference in found} == {"usage_rollup", "charge_rollup", "label_rollup"}
    unpriced = usage_record.c.cost_state == "unpriced"
    await store.write(lambda c: c.execute(update(usage_record).where(unpriced).values(amount_nanos=0)))
    found = await differences(store)
    assert ("usage_record", "amount_nanos") in {(difference.table, difference.column) for difference in found}


async def test_verify_finds_a_charge_that_is_not_the_sum_of_its_lines(store: Store) -> None:
    wrong_sum = make_record(START_US, amount_nanos=352_501)
    wrong_line = make_record(
        START_US, quantities={"input": 10}, lines=(ChargeLine("input", 10, 150_000, 1501, "test"),), amount_nanos=1501
    )
    await store.insert_usage([wrong_sum, wrong_line], slot="a")
    found = await differences(store)
    assert sorted((difference.column, difference.expected, difference.found) for difference in found) == [
        ("amount_nanos", 352_500, 352_501),
        ("lines.input.amount_nanos", 1500, 1501),
    ]
