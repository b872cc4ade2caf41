"""Usage as files, by API and page: the API's own figures to the nano, on either database, for whoever may see them."""

from __future__ import annotations

import csv
import html
import io
import json
import random
import re
from collections.abc import AsyncIterator
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from admin_factories import client_of, running_app
from fastapi import FastAPI
from tests.analytics.ledger import DAY_US, Ledger, us
from tests.web.visitors import browser_of, faces_of

from tollkeeper.admin.shapes import shown_time
from tollkeeper.control import usage_export
from tollkeeper.control.usage_lines import Question, list_lines, parse_grouping
from tollkeeper.kit.clock import now_us, utc
from tollkeeper.store.engine import Store

GROUPS = [
    "",
    "model",
    "day,project",
    "hour,key",
    "month,provider",
    "team,member",
    "label:feature",
    "day,label:feature,model",
]

TOMORROW_US = (now_us() // DAY_US + 1) * DAY_US


@pytest.fixture
async def app(store: Store) -> AsyncIterator[FastAPI]:
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def busy(ledger: Ledger) -> Ledger:
    dice, now = random.Random(9), now_us()
    await ledger.add([now - dice.randrange(5 * DAY_US) for _ in range(120)], seed=1)
    return ledger


@pytest.fixture
async def client(app: FastAPI, busy: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    key = await busy.workshop.admin_key()
    async with client_of(app, key.key) as client:
        yield client


def asked_by(group_by: str) -> dict[str, str]:
    """Return a query about a week that has all calls: without ends of its own each question would have others."""
    days = {"from": shown_time(now_us() // DAY_US * DAY_US - 6 * DAY_US), "to": shown_time(TOMORROW_US)}
    return {name: value for name, value in {**days, "group_by": group_by}.items() if value}


async def lines_of(client: httpx.AsyncClient, group_by: str) -> list[dict[str, Any]]:
    answer = await client.get("/v1/usage", params=asked_by(group_by) | {"limit": "1000"})
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
    assert not found["has_more"]
    lines: list[dict[str, Any]] = found["data"]
    return lines


def nanos(usd: Any) -> int | None:
    if usd is None or usd == "":
        return None
    with localcontext(prec=60):
        return int(Decimal(usd).scaleb(9))


@pytest.mark.parametrize("group_by", GROUPS)
async def test_files_have_the_reports_lines_to_the_nano(client: httpx.AsyncClient, group_by: str) -> None:
    lines = await lines_of(client, group_by)
    asked = asked_by(group_by)
    sent = await client.get("/v1/usage/export", params=asked | {"format": "parquet"})
    assert sent.status_code == 200, sent.text
    assert sent.headers["content-type"] == "application/vnd.apache.parquet"
    assert sent.headers["content-disposition"] == 'attachment; filename="usage.parquet"'
    table = pq.read_table(io.BytesIO(sent.content))
    rows = table.to_pylist()
    text = (await client.get("/v1/usage/export", params=asked)).content.decode("utf-8-sig")
    cells = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(cells) == len(lines) > 0
    assert table.column_names == [*cells[0]]
    names = [name for name in table.column_names if name not in {"start_time", "end_time", "latency_us_total"}]
    for line, row, cell in zip(lines, rows, cells, strict=True):
        assert nanos(row["cost_usd"]) == nanos(line["cost_usd"]) == nanos(cell["cost_usd"])
        assert row["start_time"].isoformat().replace("+00:00", "Z") == line["start_time"]
        for name in names:
            if name == "cost_usd":
                continue
            value = row[name].isoformat() if name == "day" else row[name]
            assert value == line[name], name
            assert cell[name] == ("" if line[name] is None else str(line[name])), name


async def test_amounts_are_decimals_and_times_are_of_utc(client: httpx.AsyncClient) -> None:
    sent = await client.get("/v1/usage/export", params={"group_by": "day,project", "format": "parquet"})
    schema = pq.read_schema(io.BytesIO(sent.content))
    assert schema.field("cost_usd").type == pa.decimal128(38, 9)
    assert schema.field("start_time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("project_id").type == pa.string()
    assert schema.metadata[b"tollkeeper.timezone"] == b"Asia/Seoul"


async def test_further_pages_are_in_the_file_and_too_many_lines_are_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = await lines_of(client, "hour,key")
    monkeypatch.setattr(usage_export, "_PAGE", 7)
    for form in ("csv", "parquet"):
        monkeypatch.setattr(usage_export, "LINES_MAX", len(lines))
        sent = await client.get("/v1/usage/export", params={"group_by": "hour,key", "format": form})
        assert sent.status_code == 200
        if form == "parquet":
            assert pq.read_table(io.BytesIO(sent.content)).num_rows == len(lines)
        monkeypatch.setattr(usage_export, "LINES_MAX", len(lines) - 1)
        refused = await client.get("/v1/usage/export", params={"group_by": "hour,key", "format": form})
        assert refused.status_code == 400
        assert f"more than {len(lines) - 1:,} lines" in refused.text


async def test_a_file_shows_each_person_what_the_report_shows_them(app: FastAPI, busy: Ledger) -> None:
    workshop = busy.workshop
    wanted = frozenset({"analytics:own", "chat:create"})
    key = await workshop.own(workshop.developer, permissions=wanted)
    own = [call for call in busy.calls if call.member_id == workshop.developer.member_id]
    async with client_of(app, key.key) as client:
        sent = await client.get("/v1/usage/export", params={"group_by": "key", "format": "parquet"})
        found = pq.read_table(io.BytesIO(sent.content)).to_pylist()
        assert sum(row["requests"] for row in found) == len(own) > 0
        assert sum(nanos(row["cost_usd"]) or 0 for row in found) == sum(each.record.amount_nanos or 0 for each in own)
    chatting = await workshop.service(permissions=frozenset({"chat:create"}))
    async with client_of(app, chatting.key) as client:
        for form in ("csv", "parquet"):
            refused = await client.get("/v1/usage/export", params={"format": form})
            assert refused.status_code == (await client.get("/v1/usage")).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "group_by=nonsense",
        "format=xlsx",
        "from=2026-01-01",
        "after=x",
        "timezone=../../etc",
        "timezone=x&format=parquet",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/usage/export?{query}")).status_code == 400


async def test_the_pages_file_is_the_pages_csv_with_types(busy: Ledger) -> None:
    workshop = busy.workshop
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    page = (await browser.open(f"/{busy.id}/usage?by=project&provider=openai&provider=anthropic")).text
    links = [html.unescape(each) for each in re.findall(r'href="([^"]+/usage\.parquet[^"]*)"', page)]
    assert len(links) == 2
    today = utc(now_us()).astimezone(ZoneInfo("Asia/Seoul")).date()
    for link in links:
        # the days are said, so that a link that is kept goes on meaning them
        for part in (f"to={today}", "from=", "by=project", "provider=openai&provider=anthropic"):
            assert part in link
        table = pq.read_table(io.BytesIO((await browser.open(link)).content))
        text = (await browser.open(link.replace(".parquet", ".csv"))).content.decode("utf-8-sig")
        cells = list(csv.DictReader(io.StringIO(text)))
        assert [nanos(row["cost_usd"]) for row in table.to_pylist()] == [nanos(cell["cost_usd"]) for cell in cells]
        assert [row["project_name"] for row in table.to_pylist()] == [cell["name"] for cell in cells]
        assert sum(row["requests"] for row in table.to_pylist()) == len(busy.calls)
    assert (await browser.open(f"/{busy.id}/usage.parquet?by=nonsense")).status_code == 400


async def test_a_link_to_a_file_shows_nobody_more_than_the_page(busy: Ledger) -> None:
    workshop = busy.workshop
    faces = faces_of(workshop.store)
    for person, by, status in (
        (workshop.viewer, "key", 403),
        (workshop.viewer, "member", 403),
        (workshop.viewer, "model", 200),
        (workshop.lead, "project", 200),
    ):
        browser = await browser_of(faces, workshop.company, person)
        for page in ("usage", "usage.csv", "usage.parquet"):
            assert (await browser.open(f"/{busy.id}/{page}?by={by}")).status_code == status, (person, page, by)
    browser = await browser_of(faces, workshop.company, workshop.lead)
    sent = await browser.open(f"/{busy.id}/usage.parquet?by=project")
    found = pq.read_table(io.BytesIO(sent.content)).to_pylist()
    own = [call for call in busy.calls if call.team_id == workshop.team.id]
    assert {row["project_name"] for row in found} == {"search", "chat"}
    assert sum(nanos(row["cost_usd"]) or 0 for row in found) == sum(call.record.amount_nanos or 0 for call in own)


async def test_400_days_with_one_hour_more_may_be_asked_for(busy: Ledger) -> None:
    """From one autumn over the next: two clocks set back, one set forward."""
    workshop = busy.workshop
    zone = "America/New_York"
    question = Question(
        parse_grouping(["day"]), us("2025-10-20", zone), us("2026-11-24", zone), timezone=zone, limit=1000
    )
    assert question.to_us - question.from_us == 400 * DAY_US + DAY_US // 24
    await workshop.company.look(workshop.admin, list_lines, question)
