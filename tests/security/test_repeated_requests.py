"""Fifty requests with one Idempotency-Key at the same moment: one effect, one answer; another body with the key is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from tests.accounts.people_factories import running_town
from tests.admin.admin_factories import client_of
from tests.security.matrix import secured_app
from tests.security.realms import open_realm

from tollkeeper.store.engine import Store
from tollkeeper.store.schema import metadata

TIMES = 50
COUNTED = ("team", "project", "api_key", "role", "invite", "outbox", "budget", "idempotency", "organization", "member")


def bodies(ids: dict[str, str]) -> dict[str, tuple[str, dict[str, Any], dict[str, int]]]:
    """Return per kind of request: its path, its body, and how many rows it makes."""
    return {
        "team": ("/v1/teams", {"name": "once"}, {"team": 1}),
        "project": (f"/v1/teams/{ids['team_id']}/projects", {"name": "once", "monthly_budget_usd": 1}, {"project": 1, "budget": 1}),
        "service key": ("/v1/api-keys/service", {"name": "once", "project_id": ids["project_id"]}, {"api_key": 1}),
        "rotation": (f"/v1/api-keys/{ids['key_id']}/rotate", {"grace_seconds": 60}, {"api_key": 1}),
        "role": ("/v1/roles", {"name": "once", "permissions": ["audit:read"]}, {"role": 1}),
        "invite": ("/v1/invites", {"email": "once@example.com", "role": "viewer"}, {"invite": 1, "outbox": 1}),
        "allocation": (
            "/v1/organizations/quota/allocate",
            {"team_id": ids["team_id"], "allocations": [{"target": ids["project_id"], "amount_usd": 2}]},
            {},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["team", "project", "service key", "rotation", "role", "invite", "allocation"])
async def test_fifty_at_once_are_one(store: Store, kind: str):
    realm = await open_realm(store, "Aardvark")
    path, body, made = bodies(realm.ids)[kind]
    async with secured_app(store) as app, client_of(app) as client:
        headers = {**realm.credentials["admin"], "idempotency-key": "once-and-only-once"}
        before = await _counts(store)
        answers = await asyncio.gather(*(_patiently(client, path, body, headers) for _ in range(TIMES)))
        assert Counter(each.status_code for each in answers) == {200: TIMES}, answers[0].text
        assert len({each.text for each in answers}) == 1, "the same answer, its secret included"
        after = await _counts(store)
        assert {name: after[name] - before[name] for name in COUNTED if after[name] != before[name]} == {
            **made,
            "idempotency": 1,
        }
        other = await client.post(path, json={**body, **_another(body)}, headers=headers)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")
        elsewhere = await client.post("/v1/teams?x=1", json={"name": "once"}, headers=headers)
        assert elsewhere.status_code == 409
        assert await _counts(store) == after


async def test_the_same_key_of_another_caller_is_another_request(store: Store):
    mine, theirs = await open_realm(store, "Aardvark"), await open_realm(store, "Badger")
    async with secured_app(store) as app, client_of(app) as client:
        made = set()
        for who in (mine.credentials["admin"], mine.credentials["org_admin"], theirs.credentials["admin"]):
            got = await client.post(
                "/v1/roles",
                json={"name": f"r{len(made)}", "permissions": ["audit:read"]},
                headers={**who, "idempotency-key": "k"},
            )
            assert got.status_code == 200, got.text
            made.add(got.json()["id"])
        assert len(made) == 3


async def test_fifty_foundings_of_one_organization_are_one(store: Store):
    """A person without an organization: the key belongs to the account."""
    async with running_town(store) as town:
        session = await town.resident("kim@example.com")
        headers = {"authorization": f"Bearer {session}", "idempotency-key": "once"}
        async with client_of(town.app) as client:
            answers = await asyncio.gather(
                *(_patiently(client, "/v1/organizations", {"name": "Once"}, headers) for _ in range(TIMES))
            )
        assert Counter(each.status_code for each in answers) == {200: TIMES}, {each.text for each in answers}
        assert len({each.text for each in answers}) == 1
        assert (await _counts(store))["organization"] == 1


async def test_a_refused_request_may_be_repeated_until_it_is_good(store: Store):
    realm = await open_realm(store, "Aardvark")
    async with secured_app(store) as app, client_of(app) as client:
        headers = {**realm.credentials["viewer"], "idempotency-key": "k"}
        assert (await client.post("/v1/teams", json={"name": "x"}, headers=headers)).status_code == 403
        headers = {**realm.credentials["admin"], "idempotency-key": "k"}
        assert (await client.post("/v1/teams", json={"name": ""}, headers=headers)).status_code == 400
        assert (await client.post("/v1/teams", json={"name": "x"}, headers=headers)).status_code == 200


async def _patiently(client: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    """Ask until the store has time, and until the first of the same requests is through, as clients do."""
    for _ in range(20):
        got = await client.post(path, json=body, headers=headers)
        if got.status_code != 503 and "being worked on" not in got.text:
            return got
        await asyncio.sleep(0.05)
    return got


def _another(body: dict[str, Any]) -> dict[str, Any]:
    if "grace_seconds" in body:
        return {"grace_seconds": 61}
    if "allocations" in body:
        return {"allocations": [{**body["allocations"][0], "amount_usd": 3}]}
    return {"email": "other@example.com"} if "email" in body else {"name": "another"}


async def _counts(store: Store) -> dict[str, int]:
    async def read(connection: Any) -> dict[str, int]:
        return {
            name: (await connection.execute(select(func.count()).select_from(metadata.tables[name]))).scalar_one()
            for name in COUNTED
        }

    return await store.read(read)
