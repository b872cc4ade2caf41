"""Closed spans: reports say the same with and without them, whatever is recorded late and whichever timezone comes next."""

from __future__ import annotations

import asyncio
import itertools
import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, select, update
from store_factories import HOUR_US, add_organization, make_record, make_unpriced

from tollkeeper.control.closing import close_spans, ended_spans
from tollkeeper.domain.tenancy import Organization
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.store import closed_spans, usage_breakdowns
from tollkeeper.store.closed_spans import CLOSED_AFTER_HOURS
from tollkeeper.store.engine import Store
from tollkeeper.store.report_buckets import US_PER_HOUR, days_of
from tollkeeper.store.schema_spans import closed_span, span_rollup
from tollkeeper.store.schema_tenancy import organization
from tollkeeper.store.span_reading import RUNS_MAX, Closed, Run, runs_of
from tollkeeper.store.usage_breakdowns import Breakdowns
from tollkeeper.store.usage_reports import Report, UsageRow, report_calls
from tollkeeper.store.verify_spans import verify_spans

DAY_US = 24 * HOUR_US
ZONES = ("Asia/Seoul", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe")
GROUPINGS = ((), ("model",), ("project_id", "api_key_id"), ("cost_state",))


def us(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


NOW_US = us("2026-04-20 12:00")
FIRST_US = us("2026-02-10 09:00")  # clocks change in March and April, in New York and on Lord Howe


@pytest.fixture
async def acme(store: Store) -> Organization:
    made, _ = await add_organization(store)
    return made


async def move_to(store: Store, acme: Organization, timezone: str) -> None:
    changed = update(organization).where(organization.c.id == acme.id).values(timezone=timezone)
    await store.write(lambda connection: connection.execute(changed))


def some_records(dice: random.Random, acme: Organization, count: int) -> list[UsageRecord]:
    return [
        dice.choice((make_record, make_record, make_unpriced))(
            dice.randrange(FIRST_US, NOW_US),
            organization_id=acme.id,
            project_id=f"proj_{dice.randrange(3)}",
            api_key_id=f"key_{dice.randrange(4)}",
            model_served=f"model-{dice.randrange(3)}",
        )
        for _ in range(count)
    ]


async def read_all(store: Store, acme: Organization, reports: list[Report]) -> list[list[UsageRow] | Breakdowns]:
    found: list[list[UsageRow] | Breakdowns] = []
    for report in reports:
        found.append(await store.read(lambda c, report=report: report_calls(c, acme.id, report)))
        if not report.group_by:
            parts = await store.read(
                lambda c, report=report: usage_breakdowns.break_down(
                    c, acme.id, report, parts=("model", "project_id", "api_key_id", "member_id"), limit=100
                )
            )
            found.append(by_days(parts, report.timezone))
    return found


def by_days(found: Breakdowns, timezone: str) -> Breakdowns:
    """Breakdowns by day: which hours of one were read together is nothing that anybody is told."""
    days: dict[int, usage_breakdowns.CallSums] = {}
    for day in days_of(FIRST_US - 90 * DAY_US, NOW_US + 90 * DAY_US, timezone):
        parts = [sums for hour, sums in found.hours.items() if day.from_hour <= hour < day.to_hour]
        if parts:
            days[day.from_hour] = usage_breakdowns.CallSums.total(parts)
    return Breakdowns(days, found.parts)


def some_reports(dice: random.Random) -> list[Report]:
    reports = []
    for _ in range(14):
        from_us = dice.randrange(FIRST_US - 20 * DAY_US, NOW_US - 1)
        to_us = dice.choice((NOW_US + DAY_US, dice.randrange(from_us + 1, NOW_US + DAY_US)))
        zone = dice.choice(ZONES)
        if dice.random() < 0.6:  # as pages ask: whole local days
            from_us = days_of(from_us, to_us, zone)[0].to_us if len(days_of(from_us, to_us, zone)) > 1 else from_us
        filters = dice.choice(({}, {"project_id": ("proj_1",)}, {"model": ("model-0", "model-2")}))
        bucket = dice.choice(("all", "day", "month", "hour"))
        reports.append(Report(from_us, to_us, bucket, zone, dice.choice(GROUPINGS), filters))
    return reports


async def open_all(store: Store) -> None:
    async def work(connection: object) -> None:
        await connection.execute(delete(closed_span))  # type: ignore[attr-defined]

    await store.write(work)


@pytest.mark.parametrize("seed", range(4))
async def test_reports_say_the_same_with_and_without_closed_spans(store: Store, acme: Organization, seed: int) -> None:
    dice = random.Random(seed)
    await move_to(store, acme, dice.choice(ZONES))
    await store.insert_usage(some_records(dice, acme, 150), slot="a")
    await close_spans(store, at_us=NOW_US)
    if seed % 2:
        await move_to(store, acme, dice.choice(ZONES))
        await close_spans(store, at_us=NOW_US)
    await store.insert_usage(some_records(dice, acme, 5), slot="b")  # late: opens what they fall into
    if seed == 3:
        await close_spans(store, at_us=NOW_US)
    reports = some_reports(dice)
    with_spans = await read_all(store, acme, reports)
    await open_all(store)
    for told, expected in zip(with_spans, await read_all(store, acme, reports), strict=True):
        assert told == expected


async def test_ended_days_and_months_are_closed_once(store: Store, acme: Organization) -> None:
    await move_to(store, acme, "Asia/Seoul")
    await store.insert_usage([make_record(FIRST_US, organization_id=acme.id)], slot="a")
    closed = await close_spans(store, at_us=NOW_US)
    spans = await store.read(lambda c: closed_spans.read_spans(c, acme.id))
    assert closed == len(spans) == 28 + 31 + 19 + 2  # from the first of February to the 19th of April; two months
    assert {span.timezone for span in spans} == {"Asia/Seoul"}
    assert await close_spans(store, at_us=NOW_US) == 0


async def test_a_late_call_opens_its_day_and_month_and_no_other(store: Store, acme: Organization) -> None:
    await store.insert_usage([make_record(FIRST_US, organization_id=acme.id)], slot="a")
    await close_spans(store, at_us=NOW_US)
    before = await store.read(lambda c: closed_spans.read_spans(c, acme.id))
    await store.insert_usage([make_record(us("2026-03-08 23:59"), organization_id=acme.id)], slot="b")
    after = await store.read(lambda c: closed_spans.read_spans(c, acme.id))
    hours = us("2026-03-08") // US_PER_HOUR, us("2026-03-01") // US_PER_HOUR
    assert {(span.kind, span.from_hour) for span in set(before) - set(after)} == {
        ("day", hours[0]),
        ("month", hours[1]),
    }
    assert await close_spans(store, at_us=NOW_US) == 2


async def test_a_day_is_not_closed_before_calls_that_began_in_it_can_have_ended(
    store: Store, acme: Organization
) -> None:
    await store.insert_usage([make_record(us("2026-04-01 05:00"), organization_id=acme.id)], slot="a")
    end_us = us("2026-04-02")
    assert await close_spans(store, at_us=end_us + CLOSED_AFTER_HOURS * US_PER_HOUR - 1) == 0
    assert await close_spans(store, at_us=end_us + CLOSED_AFTER_HOURS * US_PER_HOUR) == 1


async def test_another_timezone_leaves_nothing_of_the_one_before(store: Store, acme: Organization) -> None:
    await store.insert_usage([make_record(FIRST_US, organization_id=acme.id)], slot="a")
    await close_spans(store, at_us=NOW_US)
    await move_to(store, acme, "America/New_York")
    await close_spans(store, at_us=NOW_US)
    spans = await store.read(lambda c: closed_spans.read_spans(c, acme.id))
    assert {span.timezone for span in spans} == {"America/New_York"}
    sums = await store.read(
        lambda c: c.scalar(select(func.sum(span_rollup.c.requests)).where(span_rollup.c.kind == "day"))
    )
    assert sums == 1


@pytest.mark.parametrize("is_late_first", [True, False])
async def test_a_late_call_about_when_the_timezone_changes_is_counted_once(
    store: Store, acme: Organization, is_late_first: bool
) -> None:
    at_us = us("2026-03-11 03:00")
    await move_to(store, acme, "Asia/Seoul")
    await store.insert_usage([make_record(at_us, organization_id=acme.id) for _ in range(3)], slot="a")
    await close_spans(store, at_us=NOW_US)
    late = [make_record(at_us + HOUR_US, organization_id=acme.id)]
    if is_late_first:
        await store.insert_usage(late, slot="b")
    await move_to(store, acme, "UTC")
    if not is_late_first:
        await store.insert_usage(late, slot="b")
    await close_spans(store, at_us=NOW_US)
    for report in (Report(us("2026-03-09"), us("2026-03-15")), Report(us("2026-03-01"), us("2026-04-01"))):
        [row] = await store.read(lambda c, report=report: report_calls(c, acme.id, report))
        assert row.requests == 4
    assert [each async for each in verify_spans(store)] == []


async def test_closing_and_late_calls_at_once_never_miss_a_call(store: Store, acme: Organization) -> None:
    dice = random.Random(11)
    await store.insert_usage(some_records(dice, acme, 20), slot="a")

    async def insert() -> None:
        for _ in range(15):
            await store.insert_usage(some_records(dice, acme, 2), slot="b")

    async def close() -> None:
        for _ in range(4):
            await close_spans(store, at_us=NOW_US)

    await asyncio.gather(insert(), close(), close())
    report = Report(FIRST_US - DAY_US, NOW_US + DAY_US)
    [row] = await store.read(lambda c: report_calls(c, acme.id, report))
    assert row.requests == 50


def test_days_of_23_and_25_hours_are_closed_as_such() -> None:
    first = us("2026-03-01") // US_PER_HOUR
    spans = ended_spans(first, us("2026-11-10"), "America/New_York")
    lengths = [span.to_hour - span.from_hour for span in spans if span.kind == "day"]
    assert lengths.count(23) == lengths.count(25) == 1
    assert sum(lengths) == sum(span.to_hour - span.from_hour for span in spans if span.kind == "month") + 8 * 24 + 1


def test_what_is_read_covers_every_hour_once_and_never_crosses_a_bucket() -> None:
    for seed in range(300):
        dice = random.Random(seed)
        cuts = sorted({dice.randrange(200) for _ in range(dice.randrange(2, 9))} | {0, 200})
        buckets = list(itertools.pairwise(cuts))
        closed = [Closed("day", at, at + 24) for at in range(dice.randrange(24), 176, 24) if dice.random() < 0.8] + [
            Closed("month", 48, 120)
        ] * dice.randrange(2)
        runs = runs_of(buckets, closed)
        assert [run.from_hour for run in runs] == [0, *(run.to_hour for run in runs[:-1])]
        assert runs[-1].to_hour == 200
        starts = {
            kind: {each.from_hour: each.to_hour for each in closed if each.kind == kind} for kind in ("day", "month")
        }
        for run in runs:
            at = run.from_hour
            while run.kind != "hour" and at < run.to_hour:
                end = starts[run.kind][at]
                assert any(first <= at and end <= last for first, last in buckets)
                at = end


def test_too_many_holes_are_read_as_hours() -> None:
    closed = [Closed("day", 48 * number, 48 * number + 24) for number in range(RUNS_MAX)]
    assert runs_of([(0, 48 * RUNS_MAX)], closed) == [Run("hour", 0, 48 * RUNS_MAX)]


async def test_verification_names_the_figure_of_a_span_that_its_hours_contradict(
    store: Store, acme: Organization
) -> None:
    await store.insert_usage([make_record(us("2026-03-08 10:00"), organization_id=acme.id)], slot="a")
    await close_spans(store, at_us=NOW_US)
    assert [each async for each in verify_spans(store)] == []
    is_day = span_rollup.c.kind == "day"
    spoilt = update(span_rollup).where(is_day).values(amount_nanos=span_rollup.c.amount_nanos + 1)
    await store.write(lambda connection: connection.execute(spoilt))
    [difference] = [each async for each in verify_spans(store)]
    assert (difference.column, difference.expected, difference.found) == ("amount_nanos", 352_500, 352_501)
    assert difference.key["kind"] == "day"
