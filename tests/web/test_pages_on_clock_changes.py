"""Days on which clocks change, on pages and in their files: they begin at local midnight and have 23 or 25 hours."""

from __future__ import annotations

import csv
import io
import random
from datetime import date, datetime, timedelta
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
from tests.analytics.ledger import DAY_US, HOUR_US, Ledger, open_ledger, us
from tests.web.test_page_figures import chart_of, cost
from tests.web.visitors import Browser, amounts, browser_of, faces_of

from tollkeeper.control.organizations import update_organization
from tollkeeper.domain.money import parse_usd
from tollkeeper.store.engine import Store
from tollkeeper.web import overview

CHANGES = [
    ("America/New_York", "2026-03-08", 23),
    ("America/New_York", "2026-11-01", 25),
    ("Europe/Berlin", "2026-03-29", 23),
    ("Europe/Berlin", "2026-10-25", 25),
]


async def with_day(store: Store, zone: str, day: str) -> tuple[Ledger, Browser]:
    """Fill every hour of the day and of those beside it, in an organization of that timezone."""
    ledger, dice = await open_ledger(store), random.Random(7)
    company = ledger.workshop.company
    await company.change(None, update_organization, company.id, timezone=zone)
    first = us(day, zone) - DAY_US
    await ledger.add([first + n * HOUR_US + dice.randrange(HOUR_US) for n in range(72)], seed=3)
    return ledger, await browser_of(faces_of(store), company, ledger.workshop.admin)


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
async def test_a_day_has_the_hours_that_it_has_and_their_sum(store: Store, zone: str, day: str, hours: int) -> None:
    ledger, browser = await with_day(store, zone, day)
    next_day = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    calls = ledger.within(us(day, zone), us(next_day, zone))
    assert us(next_day, zone) - us(day, zone) == hours * HOUR_US
    assert len(calls) == hours
    page = (await browser.open(f"/{ledger.id}/usage?by=model&from={day}&to={day}")).text
    assert amounts(page)[-1] == cost(calls)
    chart = chart_of(page)
    labels = chart["labels"]
    assert isinstance(labels, list)
    assert len({*labels}) == len(labels) == hours  # an hour that comes twice is told apart
    series = chart["series"]
    assert isinstance(series, list)
    assert sum(sum(each["values"]) for each in series) == cost(calls)
    by_hour = f"/{ledger.id}/usage.csv?by=operation&from={day}&to={day}&over_time=1"
    rows = list(csv.DictReader(io.StringIO((await browser.open(by_hour)).content.decode("utf-8-sig"))))
    assert len({row["from"] for row in rows}) == hours
    assert sum(parse_usd(row["cost_usd"]) for row in rows if row["cost_usd"]) == cost(calls)
    table = pq.read_table(io.BytesIO((await browser.open(by_hour.replace(".csv", ".parquet"))).content)).to_pylist()
    assert sorted({row["start_time"] for row in table}) == sorted({datetime.fromisoformat(row["from"]) for row in rows})


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
async def test_days_begin_at_local_midnight_and_have_their_own_calls(
    store: Store, zone: str, day: str, hours: int
) -> None:
    ledger, browser = await with_day(store, zone, day)
    middle = date.fromisoformat(day)
    days = [middle + timedelta(days=each) for each in range(-3, 4)]
    span = f"from={days[0]}&to={days[-1]}"
    page = (await browser.open(f"/{ledger.id}/usage?by=operation&{span}")).text
    series = chart_of(page)["series"]
    assert isinstance(series, list)
    shown = [sum(values) for values in zip(*(each["values"] for each in series), strict=True)]
    bounds = [us(str(each), zone) for each in [*days, days[-1] + timedelta(days=1)]]
    expected = [cost(ledger.within(start, end)) for start, end in pairwise(bounds)]
    assert shown == expected
    assert amounts(page)[-1] == sum(expected) == cost(ledger.calls)
    address = f"/{ledger.id}/usage.parquet?by=operation&{span}&over_time=1"
    table = pq.read_table(io.BytesIO((await browser.open(address)).content)).to_pylist()
    begins = {row["day"]: row["start_time"] for row in table}
    assert {int(at.timestamp()) * 1_000_000 for at in begins.values()} <= {*bounds}
    assert {day_: us(str(day_), zone) for day_ in begins} == {
        day_: int(at.timestamp()) * 1_000_000 for day_, at in begins.items()
    }
    assert sum(row["requests"] for row in table if row["day"] == middle) == hours


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
async def test_the_overviews_days_are_those_of_the_clocks(
    store: Store, zone: str, day: str, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, browser = await with_day(store, zone, day)
    last_us = us((date.fromisoformat(day) + timedelta(days=1)).isoformat(), zone) - 1
    monkeypatch.setattr(overview, "now_us", lambda: last_us)
    page = (await browser.open(f"/{ledger.id}/overview")).text
    chart = chart_of(page)
    labels, series = chart["labels"], chart["series"]
    assert isinstance(labels, list)
    assert isinstance(series, list)
    today = ledger.within(us(day, zone), last_us + 1)
    assert (len(labels), len(today)) == (30, hours)
    assert series[0]["values"][-1] == cost(today)
    assert cost(today) in amounts(page)
