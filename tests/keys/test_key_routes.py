"""The routes under /v1/api-keys, to the letter of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from admin_factories import ONLY_SQLITE, Acme, client_of, make_acme, running_app
from fastapi import FastAPI
from tests.keys.workshop import CHAT, open_workshop

from tollkeeper.domain.permission import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store

pytestmark = ONLY_SQLITE


@pytest.fixture
async def acme(store: Store) -> Acme:
    return await make_acme(store, calls=0)


@pytest.fixture
async def app(store: Store) -> AsyncIterator[FastAPI]:
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI, acme: Acme) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, acme.admin.key) as client:
        yield client


async def make(client: httpx.AsyncClient, acme: Acme, **wanted: Any) -> dict[str, Any]:
    body = {"name": "ml-service", "project_id": acme.projects[0], **wanted}
    made = await client.post("/v1/api-keys/service", json=body)
    assert made.status_code == 200, made.text
    answer: dict[str, Any] = made.json()
    return answer


async def test_a_services_key_from_its_making_to_its_end(client: httpx.AsyncClient, app: FastAPI, acme: Acme) -> None:
    made = await make(
        client,
        acme,
        permissions=["chat:create", "embeddings:create", "quota:read"],
        expires_at="2027-12-31T23:59:59.123Z",
        rate_limit={"requests_per_minute": 100, "requests_per_day": 10_000, "tokens_per_minute": 50_000},
        allowed_ips=["192.0.2.0/24"],
        allowed_models=["gpt-4o*"],
        labels={"feature": "search"},
    )
    key = made.pop("key")
    assert made == {
        "object": "api_key",
        "id": made["id"],
        "name": "ml-service",
        "kind": "service",
        "status": "active",
        "project_id": acme.projects[0],
        "further_project_ids": [],
        "member_id": None,
        "permissions": ["chat:create", "embeddings:create", "quota:read"],
        "created_at": made["created_at"],
        "expires_at": "2027-12-31T23:59:59.123000Z",
        "last_used_at": None,
        "rate_limit": {"requests_per_minute": 100, "requests_per_day": 10_000, "tokens_per_minute": 50_000},
        "allowed_ips": ["192.0.2.0/24"],
        "allowed_models": ["gpt-4o*"],
        "labels": {"feature": "search"},
        "replaced_by": None,
        "redacted_value": f"{key[:18]}-…",
    }
    assert key.startswith("sk-tk-")
    path = f"/v1/api-keys/{made['id']}"
    assert (await client.get(path)).json() == made
    change = {
        "add_permissions": ["responses:create"],
        "remove_permissions": ["embeddings:create"],
        "rate_limit": {"requests_per_minute": 200},
        "allowed_ips": [],
        "disabled": True,
    }
    changed = (await client.put(path, json=change)).json()
    assert changed == (await client.get(path)).json()
    assert changed["permissions"] == ["chat:create", "quota:read", "responses:create"]
    assert changed["rate_limit"] == {
        "requests_per_minute": 200,
        "requests_per_day": 10_000,
        "tokens_per_minute": 50_000,
    }, "of a rate limit what is left out stays: a program that raises one must not drop the others"
    assert (changed["allowed_ips"], changed["allowed_models"], changed["status"]) == ([], ["gpt-4o*"], "disabled")
    assert (await client.put(path, json={"disabled": False, "expires_at": None})).json()["expires_at"] is None
    rotated = (await client.post(f"{path}/rotate", json={"grace_seconds": 3600})).json()
    assert rotated.keys() >= {"new_key_id", "key", "expires_at", "previous_key_valid_until"}
    assert rotated["key"] not in {key, None}
    until = datetime.fromisoformat(rotated["previous_key_valid_until"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
    assert (await client.get(path)).json()["replaced_by"] == rotated["new_key_id"]
    again = await client.post(f"{path}/rotate")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert (await client.delete(path)).json() == {"object": "api_key.deleted", "id": made["id"], "deleted": True}
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404
    async with client_of(app, key) as stopped:
        refused = await stopped.get("/v1/teams")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_a_key_shows_itself_once(client: httpx.AsyncClient, acme: Acme) -> None:
    made = await make(client, acme)
    secret = made["key"][20:]
    for path in (f"/v1/api-keys/{made['id']}", "/v1/api-keys", "/v1/audit-log"):
        assert secret not in (await client.get(path)).text
    assert (await client.get("/v1/api-keys")).headers["cache-control"] == "no-store"


async def test_by_default_a_services_key_may_make_all_calls_and_has_no_end(
    client: httpx.AsyncClient, acme: Acme
) -> None:
    made = await make(client, acme)
    assert set(made["permissions"]) == INFERENCE_PERMISSIONS
    assert made["expires_at"] is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2027-01-31T09:00:00Z", "2027-01-31T09:00:00Z"),
        ("2027-01-31T09:00:00.5Z", "2027-01-31T09:00:00.500000Z"),
        ("2027-01-31T09:00:00.123456+09:00", "2027-01-31T00:00:00.123456Z"),
        ("2027-01-31T09:00:00.123456", "2027-01-31T09:00:00.123456Z"),
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        (None, None),
    ],
)
async def test_an_expiry_is_iso_8601_and_utc_without_an_offset(
    client: httpx.AsyncClient, acme: Acme, written: str | None, meant: str | None
) -> None:
    assert (await make(client, acme, expires_at=written))["expires_at"] == meant


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", "tomorrow"),
        ("expires_at", 1_900_000_000),
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("expires_at", "9999-12-31T23:59:59-12:00"),
        ("expires_at", "2" * 100),
        ("permissions", ["chat:destroy"]),
        ("permissions", []),
        ("permissions", "chat:create"),
        ("allowed_ips", ["300.1.1.1"]),
        ("allowed_ips", ["10.0.0.1/8"]),
        ("allowed_ips", ["10.0.0.1"] * 101),
        ("allowed_models", [""]),
        ("allowed_models", ["m"] * 101),
        ("rate_limit", {"requests_per_minute": 0}),
        ("rate_limit", {"requests_per_minute": "100"}),
        ("rate_limit", {"requests_per_second": 1}),
        ("name", ""),
        ("name", "n" * 101),
        ("labels", {"a b": "c"}),
        ("unknown", 1),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(
    client: httpx.AsyncClient, acme: Acme, field: str, value: object
) -> None:
    body = {"name": "x", "project_id": acme.projects[0], field: value}
    refused = await client.post("/v1/api-keys/service", json=body)
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["param"].split(".")[0] == field


async def test_missing_fields_are_named(client: httpx.AsyncClient, acme: Acme) -> None:
    for field in ("name", "project_id"):
        body = {"name": "x", "project_id": acme.projects[0]}
        del body[field]
        refused = await client.post("/v1/api-keys/service", json=body)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, field)


async def test_another_organizations_projects_and_keys_are_not_there(
    client: httpx.AsyncClient, app: FastAPI, acme: Acme, store: Store
) -> None:
    other = await make_acme(store, "Other", calls=0)
    theirs = other.keys[0].record.id
    body = {"name": "x", "project_id": other.projects[0]}
    assert (await client.post("/v1/api-keys/service", json=body)).status_code == 404
    for method, path in (
        ("GET", f"/v1/api-keys/{theirs}"),
        ("PUT", f"/v1/api-keys/{theirs}"),
        ("DELETE", f"/v1/api-keys/{theirs}"),
        ("POST", f"/v1/api-keys/{theirs}/rotate"),
        ("GET", f"/v1/api-keys/{theirs}/usage"),
    ):
        refused = await client.request(method, path, json={"disabled": True} if method == "PUT" else None)
        missing = await client.request(
            method, path.replace(theirs, "key_000000000000"), json={"disabled": True} if method == "PUT" else None
        )
        assert (refused.status_code, missing.status_code) == (404, 404)
        assert refused.json()["error"]["message"].replace(theirs, "") == missing.json()["error"]["message"].replace(
            "key_000000000000", ""
        )
    listed = (await client.get("/v1/api-keys")).json()["data"]
    assert {each["id"] for each in listed} == {made.record.id for made in (*acme.keys, acme.admin)}


async def test_an_administration_key_has_all_that_its_maker_has_or_what_is_asked_for(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    made = (await client.post("/v1/api-keys/admin", json={"name": "all"})).json()
    assert (made["kind"], set(made["permissions"]), made["project_id"]) == ("admin", ADMIN_PERMISSIONS, None)
    body = {"name": "reader", "permissions": ["billing:read"], "expires_at": "2027-01-01T00:00:00Z"}
    reader = (await client.post("/v1/api-keys/admin", json=body)).json()
    async with client_of(app, reader["key"]) as narrow:
        refused = await narrow.get("/v1/api-keys")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
        assert "'api_key:read'" in refused.json()["error"]["message"]


async def test_a_members_key_is_not_made_by_an_administration_key(client: httpx.AsyncClient, acme: Acme) -> None:
    refused = await client.post("/v1/api-keys", json={"name": "mine", "project_id": acme.projects[0]})
    assert refused.status_code == 400
    assert "made by the member" in refused.json()["error"]["message"]


async def test_a_member_makes_and_changes_keys_of_their_own(app: FastAPI, store: Store) -> None:
    workshop = await open_workshop(store)
    both = await workshop.company.hire("both", ("developer", workshop.search.id), ("developer", workshop.ops.id))
    first = await workshop.own(
        both,
        project_ids=(workshop.search.id, workshop.ops.id),
        permissions=CHAT | {"api_key:create:limited", "api_key:read", "analytics:own"},
    )
    async with client_of(app, first.key) as person:
        body = {"name": "mine", "project_id": workshop.ops.id, "further_project_ids": [workshop.search.id]}
        made = (await person.post("/v1/api-keys", json=body)).json()
        assert (made["kind"], made["member_id"]) == ("member", both.member_id)
        assert (made["project_id"], made["further_project_ids"]) == (workshop.ops.id, [workshop.search.id])
        assert set(made["permissions"]) == CHAT, "what the calling key has of calls"
        path = f"/v1/api-keys/{made['id']}"
        assert (await person.put(path, json={"name": "still mine"})).json()["name"] == "still mine"
        assert (await person.get(f"{path}/usage")).json()["total_requests"] == 0
        assert (await person.post(f"{path}/rotate")).status_code == 200
        assert (await person.delete(path)).status_code == 403
        hidden = await person.post("/v1/api-keys", json={"name": "x", "project_id": workshop.chat.id})
        assert hidden.status_code == 404


async def test_an_administration_key_is_used_from_its_addresses_only(client: httpx.AsyncClient, app: FastAPI) -> None:
    for allowed, status in ((["127.0.0.1"], 200), (["192.0.2.1"], 403)):
        body = {"name": "from here", "allowed_ips": allowed}
        made = (await client.post("/v1/api-keys/admin", json=body)).json()
        async with client_of(app, made["key"]) as here:
            answered = await here.get("/v1/api-keys")
            assert answered.status_code == status
    assert answered.json()["error"]["code"] == "ip_not_allowed"


async def test_lists_are_paged_and_filtered(client: httpx.AsyncClient, acme: Acme) -> None:
    everything = (await client.get("/v1/api-keys?limit=100")).json()
    assert [each["kind"] for each in everything["data"]] == ["service", "service", "service", "admin"]
    seen: list[str] = []
    query = ""
    while True:
        page = (await client.get(f"/v1/api-keys?limit=2{query}")).json()
        seen += [each["id"] for each in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        query = f"&after={page['last_id']}"
    assert seen == [each["id"] for each in everything["data"]]
    for query, count in (
        (f"project_id={acme.projects[0]}", 2),
        ("kind=admin", 1),
        ("kind=member", 0),
        ("member_id=x", 0),
    ):
        assert len((await client.get(f"/v1/api-keys?{query}")).json()["data"]) == count
    assert (await client.get("/v1/api-keys?kind=other")).status_code == 400
    assert (await client.get("/v1/api-keys?project_id=proj_none")).status_code == 404


async def test_the_same_request_twice_makes_one_key(client: httpx.AsyncClient, acme: Acme) -> None:
    body = {"name": "once", "project_id": acme.projects[0]}
    headers = {"Idempotency-Key": "k-1"}
    first, second = [(await client.post("/v1/api-keys/service", json=body, headers=headers)).json() for _ in range(2)]
    assert first == second
    other = await client.post("/v1/api-keys/service", json={**body, "name": "twice"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")
    rotations = [
        (await client.post(f"/v1/api-keys/{first['id']}/rotate", headers={"Idempotency-Key": "k-2"})).json()
        for _ in range(2)
    ]
    assert rotations[0] == rotations[1]


async def test_the_report_of_a_key_adds_its_calls_up(client: httpx.AsyncClient, acme: Acme, store: Store) -> None:
    from admin_factories import make_call

    key, other = acme.keys[0], acme.keys[1]
    calls = [
        ("gpt-4o", 0, 300_000_000_001, 200),
        ("gpt-4o", 1, 5, 500),
        ("mystery-1", 0, None, 200),
        ("gpt-4o-mini", 2, 7, 200),
        ("gpt-4o-mini", 40, 999, 200),
    ]
    import random

    records = [
        msgspec.structs.replace(
            make_call(random.Random(1), acme.organization_id, key),
            call_id=((now_us() - days * 86_400_000_000) // 1000).to_bytes(6, "big") + uuid7()[6:],
            started_at_us=now_us() - days * 86_400_000_000,
            model_served=model,
            amount_nanos=amount,
            lines=(),
            status=status,
            latency_us=1_000_000 + days * 1_000,
            cost_state="unpriced" if amount is None else "computed",
        )
        for model, days, amount, status in calls
    ]
    records += [make_call(random.Random(2), acme.organization_id, other)]
    await store.insert_usage([_with_state(record) for record in records], slot="a")
    answered = await client.get(f"/v1/api-keys/{key.record.id}/usage?days=30")
    report = msgspec.json.decode(answered.content, dec_hook=None)
    exact = msgspec.json.decode(answered.content, type=dict[str, msgspec.Raw])
    assert report["total_requests"] == 4
    assert (report["total_errors"], report["unpriced_requests"]) == (1, 1)
    assert Decimal(bytes(exact["total_cost_usd"]).decode()) == Decimal("300.000000013")
    assert report["avg_latency_ms"] == pytest.approx(1000.75)
    assert {model: line["requests"] for model, line in report["by_model"].items()} == {
        "gpt-4o": 2,
        "gpt-4o-mini": 1,
        "mystery-1": 1,
    }
    assert report["by_model"]["mystery-1"]["cost"] is None, "unknown is not zero"
    assert report["timezone"] == "Asia/Seoul"
    unused = (await client.get(f"/v1/api-keys/{acme.keys[2].record.id}/usage")).json()
    assert (unused["total_requests"], unused["total_cost_usd"], unused["avg_latency_ms"]) == (0, 0, None)
    for wrong in ("0", "367", "x"):
        assert (await client.get(f"/v1/api-keys/{key.record.id}/usage?days={wrong}")).status_code == 400
    await client.delete(f"/v1/api-keys/{key.record.id}")
    kept = (await client.get(f"/v1/api-keys/{key.record.id}/usage")).json()
    assert kept["total_requests"] == 4, "a deleted key's usage stays"


async def test_routes_declare_what_they_ask_for(app: FastAPI) -> None:
    from tollkeeper.admin.permissions import declared

    routes = {route: permission for route, permission in declared(app).items() if "api-keys" in route[1]}
    assert routes == {
        ("POST", "/v1/api-keys/service"): "api_key:create:limited",
        ("POST", "/v1/api-keys"): "api_key:create:limited",
        ("POST", "/v1/api-keys/admin"): "api_key:create",
        ("GET", "/v1/api-keys"): "api_key:read",
        ("GET", "/v1/api-keys/{key_id}"): "api_key:read",
        ("PUT", "/v1/api-keys/{key_id}"): "api_key:create:limited",
        ("DELETE", "/v1/api-keys/{key_id}"): "api_key:delete",
        ("POST", "/v1/api-keys/{key_id}/rotate"): "api_key:create:limited",
        ("GET", "/v1/api-keys/{key_id}/usage"): "analytics:own",
    }


def _with_state(record: Any) -> Any:
    from tollkeeper.domain.usage import CostState

    return msgspec.structs.replace(record, cost_state=CostState(record.cost_state))


async def test_of_a_rate_limit_null_takes_away_and_what_is_left_out_stays(
    client: httpx.AsyncClient, acme: Acme
) -> None:
    rates = {"requests_per_minute": 100, "requests_per_day": 10_000, "tokens_per_minute": 50_000}
    path = f"/v1/api-keys/{(await make(client, acme, rate_limit=rates))['id']}"
    for change, after in (
        ({"requests_per_minute": 200}, {**rates, "requests_per_minute": 200}),
        (
            {"tokens_per_minute": None},
            {"requests_per_minute": 200, "requests_per_day": 10_000, "tokens_per_minute": None},
        ),
        ({}, {"requests_per_minute": 200, "requests_per_day": 10_000, "tokens_per_minute": None}),
        (None, dict.fromkeys(rates)),
    ):
        assert (await client.put(path, json={"rate_limit": change})).json()["rate_limit"] == after


async def test_a_replaced_key_shows_the_limits_that_hold_for_it(client: httpx.AsyncClient, acme: Acme) -> None:
    path = f"/v1/api-keys/{(await make(client, acme, rate_limit={'requests_per_day': 10}))['id']}"
    new = (await client.post(f"{path}/rotate", json={"grace_seconds": 3600})).json()["new_key_id"]
    assert (await client.get(path)).json()["rate_limit"]["requests_per_day"] == 10
    await client.put(f"/v1/api-keys/{new}", json={"rate_limit": {"requests_per_day": 4}})
    assert (await client.get(path)).json()["rate_limit"]["requests_per_day"] == 4
    refused = await client.put(path, json={"rate_limit": {"requests_per_day": 99}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
