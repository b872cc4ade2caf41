"""Figures on pages are the calls' own, to the nano, for every role; totals of a chart are the table's."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from decimal import Decimal

import httpx
import msgspec
import pytest
from tests.analytics.ledger import DAY_US, UNPRICED, Known, Ledger, open_ledger, us
from tests.web.visitors import amounts, browser_of, faces_of

from tollkeeper.control.closing import close_spans
from tollkeeper.domain.money import parse_usd
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.spreadsheets import as_text
from tollkeeper.store.engine import Store
from tollkeeper.web.figures import Figures, Precision


@pytest.fixture
async def busy(store: Store) -> Ledger:
    ledger, dice, at_us = await open_ledger(store), random.Random(4), now_us()
    await ledger.add([at_us - dice.randrange(20 * DAY_US) for _ in range(200)], seed=1)
    return ledger


def day_ago(days: int) -> str:
    return Figures("en", "Asia/Seoul").local(now_us() - days * DAY_US).date().isoformat()


def cost(calls: list[Known]) -> int:
    return sum(call.record.amount_nanos or 0 for call in calls)


def chart_of(html: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    chart: dict[str, object] = json.loads(found[1])
    return chart


@pytest.mark.parametrize("by", ["model", "project", "team", "key", "member", "provider", "operation", "label:feature"])
async def test_a_table_of_usage_adds_up_to_all_calls_and_so_does_its_chart(busy: Ledger, by: str) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/usage?by={by}")).text
    *lines, total = amounts(page)
    assert total == sum(lines) == cost(busy.calls)
    series = chart_of(page)["series"]
    assert isinstance(series, list)
    assert sum(sum(each["values"]) for each in series) == total


@pytest.mark.parametrize("by", ["model", "team", "member"])
async def test_a_year_is_drawn_by_months_and_adds_up_to_the_same(busy: Ledger, by: str) -> None:
    dice, at_us = random.Random(5), now_us()
    await busy.add([at_us - dice.randrange(300 * DAY_US) for _ in range(60)], seed=2)
    first = Figures("en", "UTC").local(at_us - 310 * DAY_US).date()
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    for is_closed in (False, True):
        if is_closed:
            assert await close_spans(busy.workshop.store, at_us=at_us) > 250
        page = (await browser.open(f"/{busy.id}/usage?by={by}&from={first}")).text
        *lines, total = amounts(page)
        assert total == sum(lines) == cost(busy.calls)
        chart = chart_of(page)
        series, labels = chart["series"], chart["labels"]
        assert isinstance(series, list)
        assert isinstance(labels, list)
        assert sum(sum(each["values"]) for each in series) == total
        assert labels[0] == f"{first:%Y-%m}"
        assert len(labels) in {11, 12}


async def test_beyond_eight_groups_the_chart_has_the_others_as_one(busy: Ledger) -> None:
    records = [
        msgspec.structs.replace(
            call.record, call_id=bytes([*call.record.call_id[:6], *bytes(9), number]), model_served=f"model-{number:02}"
        )
        for number, call in enumerate(busy.calls[:20])
    ]
    await busy.workshop.store.insert_usage(records, slot="b")
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/usage?by=model")).text
    *lines, total = amounts(page)
    series = chart_of(page)["series"]
    assert isinstance(series, list)
    assert [sum(each["values"]) for each in series] == [*lines[:8], total - sum(lines[:8])]


async def test_a_lead_sees_the_teams_calls_and_nobody_elses(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.lead)
    page = (await browser.open(f"/{busy.id}/usage?by=project")).text
    assert amounts(page)[-1] == cost([call for call in busy.calls if call.team_id == busy.workshop.team.id])
    assert "ops" not in re.findall(r'<th scope="row"[^>]*>([^<]+)<', page)


async def test_a_filter_and_the_time_before_count_what_they_say(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/usage?by=model&model=gpt-4o&compare=1")).text
    expected = cost([call for call in busy.calls if call.value("model") == "gpt-4o"])
    assert amounts(page)[-2:] == [expected, 0]


async def test_the_overview_says_what_thirty_days_cost(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    assert cost(busy.calls) in amounts((await browser.open(f"/{busy.id}/overview")).text)


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-13-01",
        "from=2026-11-02&to=2026-11-01",
        "by=nonsense",
        "by=day",
        "by=model,project",
        "by=,",
        "from=0001-01-01",
    ],
)
async def test_a_question_that_makes_no_sense_is_told_so(busy: Ledger, query: str) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    assert (await browser.open(f"/{busy.id}/usage?{query}")).status_code == 400


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (999, "$0.000000999"),
        (742_000, "$0.000742"),
        (1_000_000_000, "$1.00"),
        (12_345_678_901, "$12.35"),
        (1_234_567_890_123, "$1,234.57"),
        (-5_000_000, "-$0.005"),
        (123_456_789, "$0.1235"),
    ],
)
def test_amounts_are_read_easily_and_stay_exact_behind(nanos: int, shown: str) -> None:
    written = str(Figures("en", "UTC").usd(nanos))
    assert f">{shown}<" in written
    assert f'value="{nanos}"' in written


async def test_the_file_has_the_pages_lines_to_the_nano_and_no_formula(busy: Ledger) -> None:
    company = busy.workshop.company
    browser = await browser_of(faces_of(busy.workshop.store), company, busy.workshop.admin)
    for over_time in ("", "&over_time=1"):
        answer = await browser.open(f"/{busy.id}/usage.csv?by=project{over_time}")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert sum(parse_usd(row["cost_usd"]) for row in rows if row["cost_usd"]) == cost(busy.calls)
        assert sum(int(row["requests"]) for row in rows) == len(busy.calls)


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_the_file_of_a_compared_table_has_shares_what_was_before_and_the_change(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    address = f"/{busy.id}/usage.csv?by=model&from={day_ago(3)}&to={day_ago(0)}"
    alone, compared = rows_of(await browser.open(address)), rows_of(await browser.open(f"{address}&compare=1"))
    earlier = f"/{busy.id}/usage.csv?by=model&from={day_ago(7)}&to={day_ago(4)}"
    before = {row["id"]: row["cost_usd"] for row in rows_of(await browser.open(earlier))}
    total = sum(parse_usd(row["cost_usd"]) for row in compared if row["cost_usd"])
    assert before.keys() & {row["id"] for row in compared}
    for row, same in zip(compared, alone, strict=True):
        assert same == {name: row[name] for name in same}
        assert row["before_usd"] == before.get(row["id"], "0.00")
        if not row["cost_usd"]:
            assert (row["id"], row["share"], row["change_usd"], row["change"]) == (UNPRICED, "", "", "")
            continue
        now, then = parse_usd(row["cost_usd"]), parse_usd(row["before_usd"])
        assert parse_usd(row["change_usd"]) == now - then
        assert abs(Decimal(row["share"]) - Decimal(now) / total) < Decimal("0.000001")
        assert abs(Decimal(row["change"]) - Decimal(now - then) / then) < Decimal("0.000001")


async def test_files_over_time_have_the_grain_that_is_asked_for_and_say_it_in_their_name(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    span = f"from={day_ago(300)}&to={day_ago(0)}"
    days = f"{day_ago(300)}-{day_ago(0)}.csv"
    for query, name in (
        ("", f"usage-{days}"),
        ("&over_time=1", f"usage-by-day-{days}"),
        ("&over_time=1&each=month", f"usage-by-month-{days}"),
    ):
        answer = await browser.open(f"/{busy.id}/usage.csv?by=provider&{span}{query}")
        assert name in answer.headers["content-disposition"]
        assert sum(parse_usd(row["cost_usd"]) for row in rows_of(answer) if row["cost_usd"]) == cost(busy.calls)
    months = {row["from"] for row in rows_of(answer)}
    assert len(months) <= 2
    page = (await browser.open(f"/{busy.id}/usage?by=provider&{span}")).text
    assert page.index("over_time=1&amp;each=month") < page.index("over_time=1&amp;each=day")
    assert (
        "each=" not in (await browser.open(f"/{busy.id}/usage?by=provider&{span}&each=day")).text.partition("<table")[0]
    )
    for wrong in ("each=year", f"each=hour&{span}"):
        assert (await browser.open(f"/{busy.id}/usage.csv?by=provider&over_time=1&{wrong}")).status_code == 400


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_name_never_becomes_a_formula(name: str) -> None:
    assert as_text(name) == f"'{name}"
    assert as_text("search") == "search"


async def test_calls_by_a_label_are_a_table_and_a_chart_too(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    answer = await browser.open(f"/{busy.id}/usage?by=label:feature")
    assert answer.status_code == 200
    *lines, total = amounts(answer.text)
    assert total == sum(lines) == cost(busy.calls)
    series = chart_of(answer.text)["series"]
    assert isinstance(series, list)
    assert sum(sum(each["values"]) for each in series) == total


async def test_what_has_no_known_price_costs_a_dash_and_not_nothing(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/usage?by=model&model=mystery")).text
    line = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert "mystery" in line
    assert "$0.00" not in line


@pytest.mark.parametrize(
    ("to", "shown"), [("day", ">2026-11-23<"), ("minute", ">2026-11-23 15:04<"), ("second", ">2026-11-23 15:04:05<")]
)
def test_a_moment_is_shown_as_exactly_as_asked_and_is_exact_behind_it(to: Precision, shown: str) -> None:
    moment = Figures("ko", "Asia/Seoul").moment(us("2026-11-23T15:04:05", "Asia/Seoul"), to=to)
    assert shown in moment
    assert "15:04:05+09:00" in moment
