"""The routes of usage and analytics: their shapes, exact numbers, paging, and what each kind of caller gets."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from admin_factories import ONLY_SQLITE, client_of, running_app
from fastapi import FastAPI
from tests.analytics.ledger import DAY_US, UNPRICED, Ledger, sums_of_calls, us

from tollkeeper.admin.analytics import AnalyticsAnswer
from tollkeeper.admin.organization_schemas import CompletionsPage, CostsPage
from tollkeeper.admin.usage import UsageAnswer, UsageRecordAnswer
from tollkeeper.domain.errors import PermissionDenied
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

pytestmark = ONLY_SQLITE


@pytest.fixture
async def app(store: Store) -> AsyncIterator[FastAPI]:
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def busy(ledger: Ledger) -> Ledger:
    dice, now = random.Random(9), now_us()
    await ledger.add([now - dice.randrange(5 * DAY_US) for _ in range(200)], seed=1)
    return ledger


@pytest.fixture
async def client(app: FastAPI, busy: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    key = await busy.workshop.admin_key()
    async with client_of(app, key.key) as client:
        yield client


@pytest.fixture
async def developer(app: FastAPI, busy: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of the developer's that has made no calls."""
    wanted = frozenset({"analytics:own", "chat:create"})
    key = await busy.workshop.own(busy.workshop.developer, permissions=wanted)
    async with client_of(app, key.key) as client:
        yield client


@pytest.fixture
async def lead(app: FastAPI, busy: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    wanted = frozenset({"analytics:full", "billing:read"})
    key = await busy.workshop.own(busy.workshop.lead, permissions=wanted)
    async with client_of(app, key.key) as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str, status: int = 200, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == status, answer.text
    return json.loads(answer.text, parse_float=Decimal)


async def test_analytics_of_a_team_have_the_contracts_fields_and_exact_numbers(
    client: httpx.AsyncClient, busy: Ledger
) -> None:
    team = busy.workshop.team
    answer = await client.get(f"/v1/teams/{team.id}/analytics?period=30d")
    AnalyticsAnswer.model_validate_json(answer.content)
    found = json.loads(answer.text, parse_float=Decimal)
    calls = [call for call in busy.calls if call.team_id == team.id]
    sums = sums_of_calls(calls)
    assert (found["period"], found["scope"], found["scope_id"], found["covers"]) == ("30d", "team", team.id, "full")
    assert (found["total_requests"], found["total_errors"], found["unpriced_requests"]) == sums[:3]
    assert found["total_cost_usd"] == Decimal(sums[3]) / 10**9
    assert found["total_tokens"] == sums[4] + sums[5]
    assert found["timezone"] == "Asia/Seoul"
    assert len(found["daily"]) == 30
    assert sum(day["requests"] for day in found["daily"]) == len(calls)
    assert found["by_model"][UNPRICED]["cost_usd"] is None
    assert found["by_model"]["gpt-4o"]["cost"] == found["by_model"]["gpt-4o"]["cost_usd"] > 0
    assert found["by_project"][busy.workshop.search.id]["name"] == "search"
    assert found["by_key"][busy.keys["chat"].id]["name"] == "chat service"
    assert {*found["by_member"]} == {
        "service",
        busy.workshop.developer.member_id,
        busy.workshop.lead.member_id,
    }
    top = found["top_models"]
    assert [each["cost_usd"] or 0 for each in top] == sorted((each["cost_usd"] or 0 for each in top), reverse=True)
    assert top[-1]["model"] == UNPRICED
    assert found["others"] == {}


async def test_parts_that_the_caller_may_not_see_are_absent(developer: httpx.AsyncClient, busy: Ledger) -> None:
    path = f"/v1/projects/{busy.workshop.search.id}/analytics"
    found = await ask(developer, path)
    assert found["covers"] == "own"
    assert {*found["by_key"]} == {busy.keys["developer"].id}
    assert "by_member" not in found
    await ask(developer, f"/v1/projects/{busy.workshop.chat.id}/analytics", 404)
    await ask(developer, f"/v1/organizations/{busy.id}/analytics", 403)
    await ask(developer, path, 400, period="1y")


async def test_usage_is_a_list_in_pages_whose_lines_add_up(client: httpx.AsyncClient, busy: Ledger) -> None:
    lines: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = await client.get("/v1/usage", params={"group_by": "day,project,key", "limit": 4, **after})
        UsageAnswer.model_validate_json(answer.content)
        page = json.loads(answer.text, parse_float=Decimal)
        lines += page["data"]
        assert len(page["data"]) == 4 or not page["has_more"]
        if not page["has_more"]:
            break
        after = {"after": page["last_id"]}
    sums = sums_of_calls(busy.calls)
    assert sum(line["requests"] for line in lines) == sums[0]
    assert sum(line["errors"] for line in lines) == sums[1]
    assert sum(line["cost_usd"] or 0 for line in lines) == Decimal(sums[3]) / 10**9
    assert lines == sorted(lines, key=lambda line: (line["day"], line["project_id"], line["api_key_id"]))
    named = {(line["project_name"], line["api_key_name"]) for line in lines}
    assert ("search", "search service") in named
    assert ("chat", "my key") in named
    assert {"team_id", "model", "label"}.isdisjoint(lines[0])


async def test_without_groups_there_is_one_line(client: httpx.AsyncClient, busy: Ledger) -> None:
    (line,) = (await ask(client, "/v1/usage"))["data"]
    sums = sums_of_calls(busy.calls)
    assert line["requests"] == len(busy.calls)
    assert line["avg_latency_ms"] == Decimal((2 * sums[6] + sums[0]) // (2 * sums[0])) / 1000
    (line,) = (await ask(client, "/v1/usage", models=UNPRICED))["data"]
    assert line["cost_usd"] is None
    assert 0 < line["unpriced_requests"] < line["requests"], "the others were not billed"


async def test_filters_let_only_their_calls_in(client: httpx.AsyncClient, busy: Ledger) -> None:
    workshop = busy.workshop
    for name, wanted, column in (
        ("team_ids", workshop.team.id, "team_id"),
        ("project_ids", workshop.ops.id, "project_id"),
        ("api_key_ids[]", busy.keys["lead"].id, "api_key_id"),
        ("member_ids", workshop.developer.member_id, "member_id"),
        ("models", "gpt-4o", "model"),
        ("providers", "anthropic", "provider"),
        ("operations", "embeddings", "operation"),
    ):
        (line,) = (await ask(client, "/v1/usage", **{name: wanted}))["data"]
        assert line["requests"] == sum(call.value(column) == wanted for call in busy.calls) > 0, name
    assert (await ask(client, "/v1/usage", team_ids="team_unknown"))["data"] == []


async def test_a_caller_gets_what_its_grants_cover(
    lead: httpx.AsyncClient, developer: httpx.AsyncClient, busy: Ledger
) -> None:
    key = busy.workshop
    (line,) = (await ask(lead, "/v1/usage"))["data"]
    # the lead's key is for the project search, so it covers no more than that
    assert line["requests"] == sum(call.record.project_id == key.search.id for call in busy.calls)
    assert (await ask(lead, "/v1/usage", project_ids=key.ops.id))["data"] == []
    lines = (await ask(developer, "/v1/usage", group_by="key,member"))["data"]
    assert [(line["api_key_id"], line["member_id"]) for line in lines] == [
        (busy.keys["developer"].id, key.developer.member_id)
    ]
    (line,) = (await ask(developer, "/v1/usage"))["data"]
    assert line["requests"] == sum(call.member_id == key.developer.member_id for call in busy.calls)
    await ask(developer, "/v1/usage", 403, group_by="label:feature")


async def test_who_reads_totals_gets_no_keys_and_people(busy: Ledger) -> None:
    from tollkeeper.control.usage_lines import Question, parse_grouping

    now = now_us()
    viewer = busy.workshop.viewer
    lines = await busy.lines(viewer, Question(parse_grouping(["project"]), now - 9 * DAY_US, now + DAY_US))
    assert [line.group["project_id"] for line in lines] == [busy.workshop.search.id]
    for words, filters in (
        (["key"], {}),
        (["member"], {}),
        (["label:feature"], {}),
        ([], {"api_key_id": (busy.keys["search"].id,)}),
        ([], {"member_id": (busy.workshop.developer.member_id,)}),
    ):
        with pytest.raises(PermissionDenied):
            await busy.lines(viewer, Question(parse_grouping(words), now - DAY_US, now, filters=filters))


async def test_months_are_the_timezones_and_the_first_is_cut_to_the_range(
    client: httpx.AsyncClient, busy: Ledger
) -> None:
    old = [us(f"2026-{month:02}-01 00:30", "Asia/Seoul") for month in (3, 4)]
    await busy.add(old, seed=3)
    query = {
        "group_by": "month",
        "timezone": "Asia/Seoul",
        "from": "2026-02-20T00:00:00Z",
        "to": "2026-04-10T00:00:00Z",
    }
    found = await ask(client, "/v1/usage", **query)
    assert [(line["month"], line["requests"]) for line in found["data"]] == [("2026-03", 1), ("2026-04", 1)]
    assert found["data"][0]["start_time"].startswith("2026-02-28T15:00")


@pytest.mark.parametrize(
    "query",
    [
        {"group_by": "colour"},
        {"group_by": "day,hour"},
        {"group_by": "month,day"},
        {"group_by": "label:a,label:b"},
        {"group_by": "label:"},
        {"group_by": "label:feature,key"},
        {"group_by": "label:feature", "models": "x", "providers": "x"},
        {"group_by": "hour", "from": "2026-01-01T00:00:00Z", "to": "2026-02-02T00:00:00Z"},
        {"from": "2025-01-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
        {"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59Z", "group_by": "day"},
        {"from": "2026-11-02"},
        {"timezone": "Asia/Nowhere", "group_by": "day"},
        {"timezone": "../etc/passwd", "group_by": "day"},
        {"after": "nonsense"},
        {"after": "é"},
        {"after": "WzEsMixbXV0"},  # [1,2,[]]: another question's
        {"limit": 1001},
        {"limit": 0},
        {"models": "a\x00b"},
        {"unknown": "1"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: dict[str, Any]) -> None:
    if query == {"after": "WzEsMixbXV0"}:
        query = {**query, "group_by": "model"}
    answer = await client.get("/v1/usage", params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"]


async def test_one_record_is_for_who_may_see_its_project_or_made_it(
    client: httpx.AsyncClient, lead: httpx.AsyncClient, developer: httpx.AsyncClient, busy: Ledger
) -> None:
    call = next(call for call in busy.calls if call.record.api_key_id == busy.keys["developer"].id)
    path = f"/v1/usage/req_{call.record.call_id.hex()}"
    for allowed in (client, lead, developer):
        answer = await allowed.get(path)
        assert answer.status_code == 200, answer.text
        UsageRecordAnswer.model_validate_json(answer.content)
        assert answer.json()["project_name"] == "search"
        assert answer.json()["team_name"] == "search team"
        assert answer.json()["amount_nanos"] == call.record.amount_nanos
    others = next(call for call in busy.calls if call.record.api_key_id == busy.keys["search"].id)
    elsewhere = next(call for call in busy.calls if call.record.project_id == busy.workshop.ops.id)
    for who, hidden in ((developer, others), (lead, elsewhere)):
        refused = await who.get(f"/v1/usage/req_{hidden.record.call_id.hex()}")
        unknown = await who.get(f"/v1/usage/req_{bytes(16).hex()}")
        assert (refused.status_code, unknown.status_code) == (404, 404)
        for answer, record_id in ((refused, hidden.record.call_id.hex()), (unknown, bytes(16).hex())):
            assert answer.json()["error"]["message"].replace(record_id, "") == (
                "There is no usage record of req_; a call that was refused has none."
            )
    assert (await client.get("/v1/usage/req_1")).status_code == 400


async def test_the_organizations_costs_and_usage_are_for_who_may_see_all_that_is_asked_about(
    lead: httpx.AsyncClient, client: httpx.AsyncClient, developer: httpx.AsyncClient, busy: Ledger
) -> None:
    workshop = busy.workshop
    start = {"start_time": (now_us() - 6 * DAY_US) // 1_000_000}
    for path, shape in (
        ("/v1/organization/costs", CostsPage),
        ("/v1/organization/usage/completions", CompletionsPage),
    ):
        await ask(client, path, **start)
        await ask(lead, path, 403, **start)
        await ask(lead, path, 404, project_ids=workshop.ops.id, **start)
        await ask(lead, path, 404, project_ids=[workshop.search.id, "proj_unknown"], **start)
        await ask(developer, path, 403, project_ids=workshop.search.id, **start)
        query = {"project_ids": workshop.search.id, "group_by": ["project_id", "user_id"], **start}
        answer = await lead.get(path, params=query)
        shape.model_validate_json(answer.content)
        results = [each for bucket in answer.json()["data"] for each in bucket["results"]]
        assert {each["project_id"] for each in results} == {workshop.search.id}
        assert {each["user_id"] for each in results} == {None, workshop.developer.member_id}
        everywhere = {"group_by": "user_id", **start}
        results = [each for bucket in (await ask(client, path, **everywhere))["data"] for each in bucket["results"]]
        assert {each["user_id"] for each in results} == {
            None,
            workshop.developer.member_id,
            workshop.lead.member_id,
        }


async def test_usage_can_be_that_of_chosen_users(client: httpx.AsyncClient, busy: Ledger) -> None:
    member_id = busy.workshop.developer.member_id
    found = await ask(
        client,
        "/v1/organization/usage/completions",
        start_time=(now_us() - 6 * DAY_US) // 1_000_000,
        user_ids=member_id,
    )
    counted = sum(each["num_model_requests"] for bucket in found["data"] for each in bucket["results"])
    assert counted == sum(call.member_id == member_id and call.record.operation != "embeddings" for call in busy.calls)
