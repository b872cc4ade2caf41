"""GET /v1/organization/costs: sums equal the known calls to the last nano-dollar, in every grouping."""

from __future__ import annotations

import json
import random
from collections import Counter
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest
from admin_factories import DAY_S, EMPTY_DAY, ONLY_SQLITE, START_S, Acme, day_of, make_call

from tollkeeper.admin.organization_schemas import CostsPage
from tollkeeper.domain.usage import ChargeLine, CostState
from tollkeeper.kit.clock import utc
from tollkeeper.store.engine import Store

COSTS = "/v1/organization/costs"
END_S = START_S + 10 * DAY_S
SEOUL_S = 9 * 3600


async def ask(client: httpx.AsyncClient, **query: Any) -> Any:
    """Return the answer with its numbers as the Decimals that were written."""
    answer = await client.get(COSTS, params={"start_time": START_S, "end_time": END_S, "limit": 180, **query})
    assert answer.status_code == 200, answer.text
    CostsPage.model_validate_json(answer.content)  # the shape that /openapi.json promises
    return json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)


def nanos(result: Any) -> int:
    exact = Decimal(result["amount"]["value"]) * 10**9
    assert exact == int(exact)
    return int(exact)


async def test_each_day_is_the_exact_sum_of_its_calls(client: httpx.AsyncClient, acme: Acme) -> None:
    page = await ask(client)
    assert [int(bucket["start_time"]) for bucket in page["data"]] == list(range(START_S, END_S, DAY_S))
    assert (page["object"], page["has_more"], page["next_page"]) == ("page", False, None)
    for bucket in page["data"]:
        assert bucket["end_time"] == bucket["start_time"] + DAY_S
        calls = [record for record in acme.records if day_of(record) == bucket["start_time"] // DAY_S]
        if not calls:
            assert bucket["results"] == []
            continue
        (result,) = bucket["results"]
        assert nanos(result) == sum(record.amount_nanos or 0 for record in calls)
        assert result["amount"]["currency"] == "usd"
        assert result.get("unpriced_requests", 0) == sum(record.amount_nanos is None for record in calls)
    assert page["data"][EMPTY_DAY]["results"] == []
    assert sum("unpriced_requests" in each for bucket in page["data"] for each in bucket["results"]) > 0


@pytest.mark.parametrize("form", ["group_by", "group_by[]"])
async def test_groups_by_project_and_key_add_up_exactly(client: httpx.AsyncClient, acme: Acme, form: str) -> None:
    page = await ask(client, **{form: ["project_id", "api_key_id"]})
    found = {
        (int(bucket["start_time"]) // DAY_S, result["project_id"], result["api_key_id"]): nanos(result)
        for bucket in page["data"]
        for result in bucket["results"]
        if result["amount"] is not None
    }
    expected: Counter[tuple[int, str, str]] = Counter()
    for record in acme.records:
        if record.amount_nanos is not None:
            expected[day_of(record), record.project_id, record.api_key_id] += record.amount_nanos
    assert found == dict(expected)


async def test_line_items_are_the_lines_of_the_bill_and_unpriced_calls_their_own(
    client: httpx.AsyncClient, acme: Acme
) -> None:
    page = await ask(client, group_by="line_item")
    words = {"cache_read": "cached_input"}
    amounts: Counter[str] = Counter()
    quantities: Counter[str] = Counter()
    for record in acme.records:
        for line in record.lines:
            item = f"{record.model_served}, {words.get(line.dimension, line.dimension)}_tokens"
            amounts[item] += line.amount_nanos
            quantities[item] += line.quantity
    results = [result for bucket in page["data"] for result in bucket["results"]]
    found: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    unpriced = 0
    for result in results:
        if result["line_item"] == "mystery-1, unpriced":
            assert (result["amount"], result["quantity"], result["quantity_unit"]) == (None, None, None)
            unpriced += int(result["unpriced_requests"])
            continue
        assert "unpriced_requests" not in result
        assert result["quantity_unit"] == "tokens"
        found[result["line_item"]] += nanos(result)
        counted[result["line_item"]] += int(result["quantity"])
    assert found == amounts
    assert counted == quantities
    assert unpriced == sum(record.amount_nanos is None for record in acme.records) > 0
    assert sum(found.values()) == sum(record.amount_nanos or 0 for record in acme.records)


async def test_line_items_can_be_picked(client: httpx.AsyncClient, acme: Acme) -> None:
    page = await ask(client, line_items=["gpt-4o, input_tokens", "gpt-4o-mini, output_tokens"])
    wanted = {("gpt-4o", "input"), ("gpt-4o-mini", "output")}
    expected = sum(
        line.amount_nanos
        for record in acme.records
        for line in record.lines
        if (record.model_served, line.dimension) in wanted
    )
    assert sum(nanos(result) for bucket in page["data"] for result in bucket["results"]) == expected > 0


@ONLY_SQLITE
async def test_what_has_no_price_at_all_has_no_amount_and_is_never_zero(client: httpx.AsyncClient, acme: Acme) -> None:
    page = await ask(client, group_by="line_item", line_items="mystery-1, unpriced")
    results = [result for bucket in page["data"] for result in bucket["results"]]
    assert results
    assert all(result["amount"] is None and result["unpriced_requests"] > 0 for result in results)


async def test_filters_let_only_their_project_and_key_in(client: httpx.AsyncClient, acme: Acme) -> None:
    for name, wanted, field in (
        ("project_ids", [acme.projects[1]], "project_id"),
        ("api_key_ids", [acme.keys[0].record.id, acme.keys[1].record.id], "api_key_id"),
        ("api_key_ids[]", [acme.keys[2].record.id], "api_key_id"),
        ("project_ids", ["proj_unknown"], "project_id"),
    ):
        page = await ask(client, **{name: wanted})
        expected = sum(record.amount_nanos or 0 for record in acme.records if getattr(record, field) in wanted)
        amounts = [nanos(r) for bucket in page["data"] for r in bucket["results"] if r["amount"] is not None]
        assert sum(amounts) == expected


@ONLY_SQLITE
async def test_pages_follow_each_other_without_gap_or_overlap(client: httpx.AsyncClient) -> None:
    whole = await ask(client, group_by=["project_id", "line_item"])
    buckets, cursor, pages = [], None, 0
    while True:
        query = {"page": cursor} if cursor else {}
        page = await ask(client, group_by=["project_id", "line_item"], limit=3, **query)
        buckets += page["data"]
        pages += 1
        cursor = page["next_page"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert pages == 4
    assert buckets == whole["data"]


@ONLY_SQLITE
async def test_seven_days_are_shown_unless_said_otherwise(client: httpx.AsyncClient) -> None:
    answer = (await client.get(COSTS, params={"start_time": START_S, "end_time": END_S})).json()
    assert len(answer["data"]) == 7
    assert answer["has_more"] is True


@ONLY_SQLITE
async def test_without_an_end_the_last_bucket_is_today(client: httpx.AsyncClient) -> None:
    from tollkeeper.kit.clock import now_us

    now_s = now_us() // 1_000_000
    answer = (await client.get(COSTS, params={"start_time": now_s - 3 * DAY_S, "limit": 180})).json()
    assert answer["data"][-1]["start_time"] <= now_us() // 1_000_000 < answer["data"][-1]["end_time"] + 1
    assert answer["has_more"] is False
    later = (await client.get(COSTS, params={"start_time": now_s + DAY_S})).json()
    assert (later["data"], later["has_more"]) == ([], False)


@ONLY_SQLITE
async def test_a_start_within_a_day_shows_the_whole_day(client: httpx.AsyncClient) -> None:
    page = await ask(client, start_time=START_S + 5000, end_time=START_S + 6000)
    assert [int(bucket["start_time"]) for bucket in page["data"]] == [START_S]
    assert page["data"] == (await ask(client, end_time=START_S + DAY_S))["data"]


async def test_days_may_be_those_of_a_timezone(client: httpx.AsyncClient, acme: Acme) -> None:
    page = await ask(client, timezone="Asia/Seoul")
    assert int(page["data"][0]["start_time"]) == START_S - SEOUL_S
    found = {
        (int(bucket["start_time"]) + SEOUL_S) // DAY_S: sum(nanos(r) for r in bucket["results"] if r["amount"])
        for bucket in page["data"]
        if bucket["results"]
    }
    expected: Counter[int] = Counter()
    for record in acme.records:
        expected[day_of(record, SEOUL_S)] += record.amount_nanos or 0
    assert found == dict(expected)


async def test_days_of_a_timezone_follow_its_clock_changes(client: httpx.AsyncClient) -> None:
    page = await ask(client, timezone="America/New_York", start_time=START_S, end_time=START_S + 3 * DAY_S)
    zone = ZoneInfo("America/New_York")
    assert all(utc(int(b["start_time"]) * 1_000_000).astimezone(zone).hour == 0 for b in page["data"])
    assert 25 * 3600 in [int(bucket["end_time"] - bucket["start_time"]) for bucket in page["data"]]


@ONLY_SQLITE
async def test_every_amount_is_written_with_all_its_digits(client: httpx.AsyncClient) -> None:
    answer = await client.get(COSTS, params={"start_time": START_S, "end_time": END_S, "limit": 10})
    written = [part.split(",")[0].split("}")[0] for part in answer.text.split('"value":')[1:]]
    assert written
    assert all("e" not in number.lower() and not number.startswith('"') for number in written)
    assert any(len(number.partition(".")[2]) == 9 for number in written)


async def test_an_amount_beyond_the_precision_of_floats_is_exact(
    client: httpx.AsyncClient, acme: Acme, store: Store
) -> None:
    call = make_call(random.Random(3), acme.organization_id, acme.keys[0])
    at_us = (START_S + EMPTY_DAY * DAY_S) * 1_000_000
    each = 2**50 - 17  # close to the most that one call may cost; sixteen of them have 17 digits
    huge = [
        msgspec.structs.replace(
            call,
            call_id=(at_us // 1000).to_bytes(6, "big") + number.to_bytes(10, "big"),
            lines=(ChargeLine("input", 1, 1, each, "catalogue"),),
            quantities={"input": 1},
            amount_nanos=each,
            cost_state=CostState.COMPUTED,
        )
        for number in range(16)
    ]
    await store.insert_usage(huge, slot="a")
    answer = await client.get(COSTS, params={"start_time": START_S + EMPTY_DAY * DAY_S, "limit": 1})
    assert '"value":18014398.509481712,' in answer.text
    assert str(float(16 * each) / 1e9) != "18014398.509481712", "a float would have been good enough"


@ONLY_SQLITE
async def test_users_and_sources_have_one_value(client: httpx.AsyncClient) -> None:
    page = await ask(client, group_by=["user_id", "api_source"])
    results = [result for bucket in page["data"] for result in bucket["results"]]
    assert {(result["user_id"], result["api_source"]) for result in results} == {(None, "unlabeled")}
