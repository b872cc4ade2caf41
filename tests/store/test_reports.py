"""Reports and lists: what they add up, where days begin, and that they stay within an organization."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from store_factories import HOUR_US, MINUTE_US, make_record, make_unpriced

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.usage import CostState
from tollkeeper.store.engine import Store
from tollkeeper.store.report_buckets import days_of
from tollkeeper.store.usage_lists import find_usage, list_usage
from tollkeeper.store.usage_reports import Report, report_costs, report_labels, report_usage

START_US = 1_763_769_600_000_000  # 2025-11-22 00:00 UTC
DAY_US = 24 * HOUR_US


def us(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


def local(at_us: int, zone: str) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, tz=UTC).astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M")


async def usage(store: Store, report: Report, organization_id: str = "org_a"):
    return await store.read(lambda c: report_usage(c, organization_id, report))


async def costs(store: Store, report: Report, organization_id: str = "org_a"):
    return await store.read(lambda c: report_costs(c, organization_id, report))


async def test_usage_without_groups_is_one_row(store: Store) -> None:
    await store.insert_usage([make_record(START_US), make_record(START_US + HOUR_US, status=500)], slot="a")
    await store.insert_usage([make_unpriced(START_US)], slot="b")
    [row] = await usage(store, Report(START_US, START_US + DAY_US))
    assert (row.from_us, row.to_us, row.group) == (START_US, START_US + DAY_US, {})
    assert (row.requests, row.errors, row.unpriced_requests) == (3, 1, 1)
    assert (row.input_tokens_total, row.output_tokens_total) == (4500, 750)
    assert row.amount_nanos == 705_000
    assert row.latency_us_total == 1_500_000
    assert row.quantities == {"input": 3600, "cache_read": 900, "output": 750}


async def test_no_usage_is_no_row(store: Store) -> None:
    assert await usage(store, Report(START_US, START_US + DAY_US)) == []
    assert await usage(store, Report(START_US, START_US + DAY_US, bucket="day", group_by=("model",))) == []
    assert await costs(store, Report(START_US, START_US + DAY_US)) == []


async def test_usage_groups_and_filters_by_any_column(store: Store) -> None:
    records = [
        make_record(START_US, project_id=project, model_served=model, api_key_id=key)
        for project, model, key in (("p1", "m1", "k1"), ("p1", "m2", "k1"), ("p2", "m1", "k2"), ("p2", "m1", "k2"))
    ]
    await store.insert_usage(records, slot="a")
    span = (START_US, START_US + DAY_US)
    rows = await usage(store, Report(*span, group_by=("project_id", "model")))
    counted = {(row.group["project_id"], row.group["model"]): (row.requests, row.quantities["input"]) for row in rows}
    assert counted == {("p1", "m1"): (1, 1200), ("p1", "m2"): (1, 1200), ("p2", "m1"): (2, 2400)}
    rows = await usage(store, Report(*span, group_by=("api_key_id",), filters={"model": ("m1",)}))
    assert {row.group["api_key_id"]: row.requests for row in rows} == {"k1": 1, "k2": 2}
    rows = await usage(store, Report(*span, filters={"project_id": ("p1", "p2"), "model": ("m2", "m3")}))
    assert [row.requests for row in rows] == [1]
    for name in ("operation", "provider", "service_tier", "cost_state"):
        [row] = await usage(store, Report(*span, group_by=(name,)))
        assert row.requests == 4
        assert set(row.group) == {name}


async def test_costs_by_dimension_add_up_to_the_amounts(store: Store) -> None:
    crashed = make_record(START_US, lines=(), amount_nanos=1_000, cost_state=CostState.ESTIMATED, quantities={})
    await store.insert_usage([make_record(START_US), make_unpriced(START_US), crashed], slot="a")
    span = (START_US, START_US + DAY_US)
    rows = await costs(store, Report(*span, group_by=("dimension",)))
    assert {row.group["dimension"]: (row.quantity, row.unpriced_quantity, row.amount_nanos) for row in rows} == {
        "input": (2400, 1200, 180_000),
        "cache_read": (600, 300, 22_500),
        "output": (500, 250, 150_000),
        "": (0, 0, 1_000),
    }
    [total] = await usage(store, Report(*span))
    assert sum(row.amount_nanos for row in rows) == total.amount_nanos == 353_500
    [whole] = await costs(store, Report(*span))
    assert whole.amount_nanos == total.amount_nanos


async def test_labels_group_by_their_values(store: Store) -> None:
    await store.insert_usage(
        [
            make_record(START_US, labels={"feature": "search", "purpose": "eval"}),
            make_record(START_US, labels={"feature": "search"}),
            make_unpriced(START_US, labels={"feature": "chat"}),
            make_record(START_US),
        ],
        slot="a",
    )
    report = Report(START_US, START_US + DAY_US)
    rows = await store.read(lambda c: report_labels(c, "org_a", report, label="feature"))
    assert {row.group["label_value"]: (row.requests, row.unpriced_requests, row.amount_nanos) for row in rows} == {
        "search": (2, 0, 705_000),
        "chat": (1, 1, 0),
    }
    assert await store.read(lambda c: report_labels(c, "org_b", report, label="feature")) == []


async def test_hours_are_buckets_of_their_own(store: Store) -> None:
    await store.insert_usage([make_record(START_US + minutes * MINUTE_US) for minutes in (0, 59, 60, 181)], slot="a")
    rows = await usage(store, Report(START_US, START_US + 3 * HOUR_US, bucket="hour"))
    assert [(row.from_us, row.to_us, row.requests) for row in rows] == [
        (START_US, START_US + HOUR_US, 2),
        (START_US + HOUR_US, START_US + 2 * HOUR_US, 1),
    ]


@pytest.mark.parametrize(
    ("zone", "calls", "days"),
    [
        # midnight in Seoul is 15:00 UTC
        ("Asia/Seoul", {"2025-11-21T23:59": 1, "2025-11-22T00:00": 2, "2025-11-22T23:59": 2}, {"11-21": 1, "11-22": 4}),
        # the clocks go forward: a day of 23 hours
        (
            "America/New_York",
            {"2026-03-08T00:00": 1, "2026-03-08T23:59": 1, "2026-03-09T00:00": 3},
            {"03-08": 2, "03-09": 3},
        ),
        # the clocks go back: a day of 25 hours
        (
            "America/New_York",
            {"2026-11-01T00:00": 1, "2026-11-01T23:59": 1, "2026-11-02T00:00": 3},
            {"11-01": 2, "11-02": 3},
        ),
        # midnight in Kolkata is 18:30 UTC: a UTC hour counts for the day in which it begins, so 00:29 is yesterday's
        (
            "Asia/Kolkata",
            {"2025-11-22T00:29": 1, "2025-11-22T00:30": 2, "2025-11-23T00:29": 4},
            {"11-21": 1, "11-22": 6},
        ),
    ],
    ids=["seoul", "new-york-23h", "new-york-25h", "kolkata"],
)
async def test_days_begin_at_midnight_of_the_timezone(
    store: Store, zone: str, calls: dict[str, int], days: dict[str, int]
) -> None:
    records = [make_record(us(at, zone)) for at, count in calls.items() for _ in range(count)]
    await store.insert_usage(records, slot="a")
    first = datetime.fromisoformat(min(calls)).replace(tzinfo=ZoneInfo(zone))
    from_us = us(f"{first:%Y-%m-%d}", zone) - DAY_US
    report = Report(from_us, from_us + 5 * DAY_US, bucket="day", timezone=zone)
    rows = await usage(store, report)
    assert {local(row.from_us, zone).removesuffix(" 00:00"): row.requests for row in rows} == days
    assert sum(row.requests for row in rows) == sum(calls.values())


def test_days_of_a_clock_change_are_shorter_and_longer() -> None:
    spring = days_of(us("2026-03-08", "America/New_York"), us("2026-03-10", "America/New_York"), "America/New_York")
    assert [day.to_hour - day.from_hour for day in spring] == [23, 24]
    autumn = days_of(us("2026-11-01", "America/New_York"), us("2026-11-03", "America/New_York"), "America/New_York")
    assert [day.to_hour - day.from_hour for day in autumn] == [25, 24]


def test_a_day_whose_midnight_is_skipped_begins_when_the_clock_says_one() -> None:
    """Beirut went from 2026-03-29 00:00 straight to 01:00."""
    zone = "Asia/Beirut"
    days = days_of(us("2026-03-28", zone), us("2026-03-30", zone), zone)
    assert [local(day.from_us, zone) for day in days] == ["03-28 00:00", "03-29 01:00"]
    assert [day.to_hour - day.from_hour for day in days] == [24, 23]


@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "UTC"])
def test_days_touch_each_other_and_cover_the_range(zone: str) -> None:
    from_us, to_us = START_US + 17 * MINUTE_US, START_US + 400 * DAY_US + 5 * MINUTE_US
    days = days_of(from_us, to_us, zone)
    assert (days[0].from_us, days[-1].to_us) == (from_us, to_us)
    for before, after in itertools.pairwise(days):
        assert (before.to_us, before.to_hour) == (after.from_us, after.from_hour)
        assert local(after.from_us, zone).endswith("00:00")


async def test_what_cannot_be_asked_is_refused(store: Store) -> None:
    span = (START_US, START_US + DAY_US)
    for wrong in (
        Report(*span, group_by=("detail; DROP TABLE price",)),
        Report(*span, group_by=("organization_id",)),
        Report(*span, filters={"organization_id": ("org_b",)}),
        Report(*span, filters={"slot": ("a",)}),
        Report(START_US, START_US),
        Report(*span, bucket="day", timezone="Asia/Nowhere"),
        Report(0, START_US, bucket="day"),
    ):
        with pytest.raises(InvalidRequest):
            await usage(store, wrong)
    with pytest.raises(InvalidRequest):
        await costs(store, Report(*span, group_by=("cost_state",)))


async def test_reports_and_lists_stay_within_the_organization(store: Store) -> None:
    mine, theirs = make_record(START_US), make_record(START_US, organization_id="org_b")
    await store.insert_usage([mine, theirs], slot="a")
    span = (START_US, START_US + DAY_US)
    assert [row.requests for row in await usage(store, Report(*span))] == [1]
    assert [row.quantity for row in await costs(store, Report(*span), "org_b")] == [1750]
    assert await usage(store, Report(*span), "org_c") == []
    assert await store.read(lambda c: find_usage(c, "org_a", mine.call_id)) == mine
    assert await store.read(lambda c: find_usage(c, "org_a", theirs.call_id)) is None
    listed = await store.read(lambda c: list_usage(c, "org_b", from_us=span[0], to_us=span[1]))
    assert listed == [theirs]
    beyond = await store.read(lambda c: list_usage(c, "org_b", from_us=span[0], to_us=span[1], after=mine.call_id))
    assert mine not in beyond


async def test_a_list_pages_newest_first_through_every_record_of_the_range(store: Store) -> None:
    records = [make_record(START_US + n * 7 * HOUR_US) for n in range(12)]
    await store.insert_usage(records, slot="a")
    listed = []
    after = None
    while page := await store.read(
        lambda c, after=after: list_usage(
            c, "org_a", from_us=START_US + 7 * HOUR_US, to_us=START_US + 77 * HOUR_US, after=after, limit=4
        )
    ):
        assert len(page) <= 4
        listed += page
        after = page[-1].call_id
    assert listed == records[10:0:-1], "from is in, to is out"


async def test_a_list_filters_estimated_calls(store: Store) -> None:
    estimated = make_record(START_US, cost_state=CostState.ESTIMATED, is_estimated=True, end_user="u-1")
    await store.insert_usage([make_record(START_US), estimated, make_unpriced(START_US)], slot="a")

    async def listed(**filters: str):
        return await store.read(
            lambda c: list_usage(c, "org_a", from_us=START_US, to_us=START_US + HOUR_US, filters=filters)
        )

    assert await listed(cost_state="estimated") == [estimated]
    assert await listed(end_user="u-1") == [estimated]
    assert await listed(cost_state="estimated", project_id="proj_b") == []
    with pytest.raises(InvalidRequest):
        await listed(detail="x")
