"""The routes of single calls: their shapes, filters as a query says them, paging, refusals, and who gets what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from admin_factories import ONLY_SQLITE, client_of, running_app
from fastapi import FastAPI
from tests.analytics.ledger import Ledger
from tests.calls.varied_calls import expected

from tollkeeper.admin.calls import CallsAnswer, OpenedCallAnswer
from tollkeeper.control.calls import CallFilters
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import RateFigure, Try
from tollkeeper.store.engine import Store

pytestmark = ONLY_SQLITE


@pytest.fixture
async def app(store: Store) -> AsyncIterator[FastAPI]:
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI, busy: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    key = await busy.workshop.admin_key()
    async with client_of(app, key.key) as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str = "", status: int = 200, **query: Any) -> Any:
    answer = await client.get(f"/v1/usage/calls{path}", params=query)
    assert answer.status_code == status, answer.text
    return json.loads(answer.text, parse_float=Decimal)


def ids(page: Any) -> list[bytes]:
    return [bytes.fromhex(each["request_id"].removeprefix("req_")) for each in page["data"]]


async def test_pages_have_the_documents_shape_names_and_exact_costs(client: httpx.AsyncClient, busy: Ledger) -> None:
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        answer = await client.get("/v1/usage/calls", params={"limit": 25, **after})
        CallsAnswer.model_validate_json(answer.content)
        page = json.loads(answer.text, parse_float=Decimal)
        found += page["data"]
        if not page["has_more"]:
            assert page["searched_to"] is None
            break
        after = {"after": page["last_id"]}
    by_id = {f"req_{each.record.call_id.hex()}": each for each in busy.calls}
    assert [each["request_id"] for each in found] == sorted(by_id, reverse=True)
    for each in found:
        known = by_id[each["request_id"]]
        nanos = known.record.amount_nanos
        assert each["cost_usd"] == (None if nanos is None else Decimal(nanos) / 10**9)
        assert (each["team_id"] or "", each["member_id"] or "") == (known.team_id, known.member_id)
        assert each["project_name"] in {"search", "chat", "ops"}
        assert (each["team_name"] is None) == (each["team_id"] is None)


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ({"labels": "feature"}, CallFilters(labels=(("feature", None),))),
        ({"labels": ["feature=chat", "purpose"]}, CallFilters(labels=(("feature", "chat"), ("purpose", None)))),
        ({"statuses": ["4xx", "0"]}, CallFilters(statuses=((400, 499), (0, 0)))),
        ({"models": ["gpt-4o", "claude"]}, CallFilters(columns={"model": ("gpt-4o", "claude")})),
        ({"models_asked": "fast"}, CallFilters(columns={"model_asked": ("fast",)})),
        (
            {"outcomes": "broken", "providers": "openai"},
            CallFilters(columns={"outcome": ("broken",), "provider": ("openai",)}),
        ),
        ({"end_users": "한국어 사용자"}, CallFilters(columns={"end_user": ("한국어 사용자",)})),
        ({"cost_states": "unpriced"}, CallFilters(columns={"cost_state": ("unpriced",)})),
        (
            {"cost_from_usd": "500.5", "cost_to_usd": "1200"},
            CallFilters(cost_from_nanos=500_500_000_000, cost_to_nanos=1_200 * 10**9),
        ),
    ],
)
async def test_a_query_says_what_is_looked_for(
    client: httpx.AsyncClient, busy: Ledger, query: dict[str, Any], filters: CallFilters
) -> None:
    page = await ask(client, limit=100, **query)
    assert ids(page) == expected(busy, filters)[:100]
    assert ids(page), "the sample has such calls"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"statuses": "6xx"}, "statuses"),
        ({"statuses": "1 OR 1=1"}, "statuses"),
        ({"labels": "a b=c"}, "labels"),
        ({"labels": "x=" + "y" * 129}, "labels"),
        ({"cost_from_usd": "-1"}, "cost_from_usd"),
        ({"cost_from_usd": "1e3"}, "cost_from_usd"),
        ({"cost_from_usd": "NaN"}, "cost_from_usd"),
        ({"cost_from_usd": "0.0000000001"}, "cost_from_usd"),
        ({"cost_from_usd": "2", "cost_to_usd": "1"}, "cost_to_usd"),
        ({"cost_states": "free"}, "cost_states"),
        ({"outcomes": "'; DROP TABLE usage_record; --"}, "outcomes"),
        ({"end_users": "a\x00b"}, "end_users"),
        ({"end_users": "x" * 257}, "end_users"),
        ({"end_users": ["x"] * 101}, "end_users"),
        ({"request_id": "req_nonsense"}, "request_id"),
        ({"after": "nonsense"}, "after"),
        ({"after": "g" * 32}, "after"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "to"),
        ({"from": "1760000000"}, "from"),
        ({"prompt": "x"}, "prompt"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_name(
    client: httpx.AsyncClient, query: dict[str, Any], param: str
) -> None:
    refusal = await ask(client, status=400, **query)
    assert refusal["error"]["param"] == param


@pytest.mark.parametrize("word", ["%", "_", "' OR '1'='1", '"', "\\", "}{", "\u202e", "$.x", "🎈" * 60])
async def test_hostile_words_find_nothing_and_break_nothing(client: httpx.AsyncClient, word: str) -> None:
    for name in ("models", "models_asked", "operations", "end_users", "api_key_ids", "team_ids", "member_ids"):
        assert (await ask(client, **{name: word}))["data"] == []
    value = word.replace("\u202e", "")
    assert (await ask(client, labels=f"feature={value or 'x'}"))["data"] == []


async def test_one_call_is_opened_with_steps_tries_limits_and_links(client: httpx.AsyncClient, busy: Ledger) -> None:
    import random

    import msgspec

    from tollkeeper.kit.ids import uuid7

    made = msgspec.structs.replace(
        busy.make(random.Random(1), 0).record,
        call_id=uuid7(),
        provider="openai",
        started_at_us=1,
        status=200,
        latency_us=1_000_000,
        overhead_us=2_000,
        first_byte_us=400_000,
        reserved_nanos=5,
        draws=(Draw(b"l" * 16, 3, 9, 100, 40),),
        rates=(RateFigure("rate_1", "requests", 60, 59),),
        tries=(Try("openai", "gpt-4o", 503),),
    )
    line = msgspec.structs.replace(made.lines[0], source="genai-prices 0.2.3 gpt-4o") if made.lines else None
    made = msgspec.structs.replace(made, lines=() if line is None else (line, *made.lines[1:]))
    await busy.workshop.store.insert_usage([made], slot="opened")
    path = f"/v1/usage/calls/req_{made.call_id.hex()}"
    answer = await client.get(path)
    OpenedCallAnswer.model_validate_json(answer.content)
    found = json.loads(answer.text, parse_float=Decimal)
    assert [each["name"] for each in found["steps"]] == [
        "authenticate", "authorise", "limit", "reserve", "route", "forward", "meter", "settle",
    ]  # fmt: skip
    timed = {each["name"]: each["duration_us"] for each in found["steps"] if each["duration_us"] is not None}
    assert timed == {"forward": 998_000}
    assert found["times"] == {
        "total_us": 1_000_000,
        "own_us": 2_000,
        "waited_us": 998_000,
        "first_byte_us": 400_000,
        "is_by_step": False,
    }
    assert found["tries"] == [{"provider": "openai", "model": "gpt-4o", "status": 503, "reason": "", "request_id": ""}]
    assert [(each["kind"], each["unit"]) for each in found["limits"]] == [("budget", None), ("rate", "requests")]
    if line is not None:
        assert found["lines"][0]["source_url"].startswith("https://")
        assert found["lines"][1]["source_url"] is None
    assert "draws" not in found


async def test_an_opened_call_says_how_long_each_step_took_and_all_together_are_the_call(
    client: httpx.AsyncClient, busy: Ledger
) -> None:
    import random

    import msgspec

    from tollkeeper.kit.ids import uuid7

    made = busy.make(random.Random(2), 0).record
    timed = msgspec.structs.replace(
        made, call_id=uuid7(), latency_us=1_000_000, overhead_us=300, steps_us=(15, 45, 5, 95, 100, 40)
    )
    await busy.workshop.store.insert_usage([timed], slot="timed")
    answer = await client.get(f"/v1/usage/calls/req_{timed.call_id.hex()}")
    OpenedCallAnswer.model_validate_json(answer.content)
    found = answer.json()
    took = {each["name"]: each["duration_us"] for each in found["steps"]}
    assert took.pop("settle") is None
    assert took == {
        "authenticate": 15, "authorise": 45, "limit": 5, "reserve": 95, "route": 100, "forward": 999_700, "meter": 40,
    }  # fmt: skip
    assert sum(took.values()) == found["times"]["total_us"]
    assert found["times"]["is_by_step"] is True
    assert "steps_us" not in found
    whole = await client.get(f"/v1/usage/req_{timed.call_id.hex()}")
    assert "steps_us" not in whole.json()


async def test_totals_alone_open_no_door_to_single_calls(app: FastAPI, busy: Ledger) -> None:
    workshop = busy.workshop
    made = await workshop.service(name="totals", permissions=frozenset({"chat:create", "analytics:read:aggregate"}))
    async with client_of(app, made.key) as client:
        assert (await client.get("/v1/usage/calls")).status_code == 403
    reader = await workshop.admin_key(name="totals", permissions=frozenset({"analytics:read:aggregate"}))
    async with client_of(app, reader.key) as client:
        refusal = await ask(client, status=403)
        assert refusal["error"]["missing_permission"] == "analytics:full"
        await ask(client, f"/req_{busy.calls[0].record.call_id.hex()}", 404)


async def test_a_record_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    await ask(client, f"/req_{'0' * 32}", 404)
    await ask(client, "/nonsense", 400)
