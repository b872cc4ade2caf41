"""The routes of budgets as programs call them: shapes, refusals that name their field, old ids that go on working."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from admin_factories import ONLY_SQLITE, client_of, running_app
from tests.fakes.new_keys import create_admin_key
from tests.tenancy.company import PEPPER, Company

from tollkeeper.control import api_keys

pytestmark = ONLY_SQLITE
CHAT = frozenset({"chat:create"})


@pytest.fixture
async def client(company: Company) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    async with running_app(company.store) as app, client_of(app, key.key) as client:
        yield client


def body_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_counts_and_models_are_set_read_and_deleted_by_id(client: httpx.AsyncClient, company: Company) -> None:
    wanted = {"project_id": company.default.id, "name": "prod", "permissions": CHAT}
    key = (await company.change(None, api_keys.create_service_key, **wanted)).record
    asked = {"scope": key.id, "unit": "tokens", "period": "daily", "model": "gpt-4o", "amount": 1000}
    made = body_of(await client.put("/v1/budgets", json=asked))
    assert {name: made[name] for name in asked} == asked
    assert (made["scope_kind"], made["amount_usd"], made["enforced"]) == ("api_key", None, True)
    assert made["id"].startswith("bud_")
    at_once = body_of(await client.put("/v1/budgets", json={"scope": key.id, "unit": "concurrent", "amount": 3}))
    assert at_once["period"] == "total"
    listed = body_of(await client.get("/v1/budgets", params={"scope": key.id, "limit": 1}))
    assert (listed["data"], listed["has_more"]) == ([at_once], True)
    rest = body_of(await client.get("/v1/budgets", params={"scope": key.id, "after": listed["last_id"]}))
    assert rest["data"] == [made]
    assert body_of(await client.get(f"/v1/budgets/{made['id']}")) == made
    assert body_of(await client.delete(f"/v1/budgets/{made['id']}")) == made
    assert (await client.get(f"/v1/budgets/{made['id']}")).status_code == 404


@pytest.mark.parametrize("path", ["{}:daily", "{}?period=daily"])
async def test_a_scope_with_its_period_is_an_id_still(client: httpx.AsyncClient, company: Company, path: str) -> None:
    made = body_of(await client.put("/v1/budgets", json={"scope": company.id, "amount_usd": 5, "period": "daily"}))
    assert body_of(await client.delete("/v1/budgets/" + path.format(company.id))) == made


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "amount_usd"),
        ({"amount": 5}, "amount"),
        ({"amount_usd": 5, "unit": "requests"}, "amount_usd"),
        ({"unit": "requests"}, "amount"),
        ({"unit": "concurrent", "amount": 1, "period": "daily"}, "period"),
        ({"amount_usd": 5, "period": "total", "carryover": True}, "carryover"),
        ({"amount_usd": 5, "model": "a\u2028b"}, "model"),
        ({"amount_usd": -1}, "amount_usd"),
        ({"amount_usd": 5, "unit": "euros"}, "unit"),
    ],
)
async def test_what_cannot_be_names_its_field(
    client: httpx.AsyncClient, company: Company, body: dict[str, Any], param: str
) -> None:
    answer = await client.put("/v1/budgets", json={"scope": company.id, **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_budget_is_raised_for_a_time(client: httpx.AsyncClient, company: Company) -> None:
    budget = body_of(await client.put("/v1/budgets", json={"scope": company.id, "amount_usd": 5}))
    path = f"/v1/budgets/{budget['id']}/increases"
    until = {"until": "2099-01-01T00:00:00+09:00", "note": "launch"}
    made = body_of(await client.post(path, json={"amount_usd": 2.5, **until}))
    assert (made["amount_usd"], made["until"], made["status"]) == (2.5, "2098-12-31T15:00:00Z", "in_force")
    later = body_of(await client.post(path, json={"amount_usd": 1, **until, "from": "2098-01-01T00:00:00Z"}))
    assert later["status"] == "to_come"
    told = body_of(await client.get("/v1/budgets/status"))["root"]["budgets"]
    assert [each["limit"] for each in told] == [7.5]
    assert {each["id"] for each in body_of(await client.get(path))["data"]} == {made["id"], later["id"]}
    assert body_of(await client.delete(f"{path}/{made['id']}"))["id"] == made["id"]
    assert (await client.delete(f"{path}/{made['id']}")).status_code == 404
    assert (await client.post(path, json={"amount": 1, **until})).json()["error"]["param"] == "amount"


async def test_more_is_asked_for_and_granted(client: httpx.AsyncClient, company: Company) -> None:
    asked = {"scope": company.default.id, "amount_usd": 20, "reason": "the demo"}
    made = body_of(await client.post("/v1/budgets/requests", json=asked))
    assert (made["status"], made["period"], made["amount_usd"], made["decided_at"]) == ("pending", "monthly", 20, None)
    path = f"/v1/budgets/requests/{made['id']}"
    assert body_of(await client.get(path)) == made
    pending = body_of(await client.get("/v1/budgets/requests", params={"status": "pending"}))
    assert pending["data"] == [made]
    ended = body_of(await client.post(f"{path}/approve", json={"amount_usd": 10, "answer": "half"}))
    assert (ended["status"], ended["answer"]) == ("approved", "half")
    (budget,) = body_of(await client.get("/v1/budgets"))["data"]
    assert budget["amount_usd"] == 10
    assert (await client.post(f"{path}/deny", json={})).status_code == 409
    again = body_of(await client.post("/v1/budgets/requests", json=asked))
    assert (
        body_of(await client.post(f"/v1/budgets/requests/{again['id']}/deny", json={"answer": "no"}))["status"]
        == "denied"
    )
    third = body_of(await client.post("/v1/budgets/requests", json=asked))
    assert body_of(await client.post(f"/v1/budgets/requests/{third['id']}/withdraw"))["status"] == "withdrawn"


async def test_an_organizations_tier_and_calendar_are_changed(client: httpx.AsyncClient, company: Company) -> None:
    path = f"/v1/organizations/{company.id}"
    changed = body_of(await client.patch(path, json={"tier": "free", "fiscal_month_start": 25, "timezone": "UTC"}))
    assert (changed["tier"], changed["fiscal_month_start"], changed["timezone"]) == ("free", 25, "UTC")
    (money,) = [each for each in body_of(await client.get("/v1/budgets"))["data"] if each["unit"] == "usd"]
    assert money["amount_usd"] == 5
    (told,) = [
        each for each in body_of(await client.get("/v1/budgets/status"))["root"]["budgets"] if each["unit"] == "usd"
    ]
    assert told["resets_at"][8:] == "25T00:00:00+00:00"
    for body, param in (
        ({"tier": "gold"}, "tier"),
        ({"timezone": "localtime"}, "timezone"),
        ({"fiscal_month_start": 29}, "fiscal_month_start"),
    ):
        refused = await client.patch(path, json=body)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/budgets", {"unit": "requests", "amount": True}, "amount"),
        ("/v1/budgets", {"unit": "requests", "amount": "5"}, "amount"),
        ("/v1/budgets", {"amount_usd": True}, "amount_usd"),
        ("/v1/budgets", {"amount_usd": "1e5"}, "amount_usd"),
        ("/v1/budgets", {"amount_usd": " 5"}, "amount_usd"),
        ("/v1/budgets", {"amount_usd": "-0"}, "amount_usd"),
        ("/v1/budgets", {"amount_usd": "٣"}, "amount_usd"),
        ("/v1/organizations/{}", {"fiscal_month_start": True}, "fiscal_month_start"),
        ("/v1/organizations/{}", {"policy": {"key_age_max_days": "9"}}, "policy.key_age_max_days"),
    ],
)
async def test_a_number_is_a_number_and_nothing_that_could_be_read_as_one(
    client: httpx.AsyncClient, company: Company, path: str, body: dict[str, Any], param: str
) -> None:
    scope = {"scope": company.id} if path == "/v1/budgets" else {}
    refused = await client.put(path.format(company.id), json={**scope, **body})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text


@pytest.mark.parametrize("amount", ["12.50", 12.5, "0012.5"])
async def test_dollars_are_a_number_or_its_digits(client: httpx.AsyncClient, company: Company, amount: object) -> None:
    made = body_of(await client.put("/v1/budgets", json={"scope": company.id, "amount_usd": amount}))
    assert made["amount_usd"] == 12.5


async def test_a_tier_says_what_it_set_what_it_left_and_what_it_removed(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/v1/organizations/{company.id}"
    own = body_of(await client.put("/v1/budgets", json={"scope": company.id, "amount_usd": 7}))
    first = body_of(await client.put(path, json={"tier": "free"}))["tier_limits"]
    assert first["left"] == [own]
    assert [each.get("unit", "rate") for each in first["set"]] == ["requests", "concurrent", "rate"]
    last = body_of(await client.put(path, json={"tier": "enterprise"}))["tier_limits"]
    assert (last["set"], last["left"], last["removed"]) == ([], [own], first["set"])
    assert "tier_limits" not in body_of(await client.put(path, json={"name": "Acme"}))
