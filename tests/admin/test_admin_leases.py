"""/v1/leases: who may see what servers hold, and who may say what was used of a quarantined lease."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from admin_factories import ONLY_SQLITE
from sqlalchemy import update
from tests.store.lease_factories import Budgeted, Holder, add_budget, read_node

from tollkeeper.kit.ids import uuid7
from tollkeeper.store.lease_recovery import quarantine_holder
from tollkeeper.store.schema_limits import lease

if TYPE_CHECKING:
    import httpx
    from admin_factories import Acme

    from tollkeeper.store.engine import Store

pytestmark = ONLY_SQLITE
CENT = 10_000_000


async def hold(store: Store, budgeted: Budgeted, name: str, amount: int) -> str:
    granted = await Holder(store, name).one(budgeted, need=amount, exact=amount)
    return f"lease_{granted.lease_id.hex()}"


@pytest.fixture
async def budgeted(store: Store, acme: Acme) -> Budgeted:
    return await add_budget(store, acme.organization_id, 10**16, scope_kind="project", scope_id=acme.projects[0])


async def released(client: httpx.AsyncClient, lease_id: str, **body: Any) -> httpx.Response:
    return await client.post(f"/v1/leases/{lease_id}/release", json=body)


async def test_leases_are_listed_with_their_budget_and_paged(
    client: httpx.AsyncClient, store: Store, acme: Acme, budgeted: Budgeted
) -> None:
    ids = [await hold(store, budgeted, name, 5 * CENT) for name in "abc"]
    await quarantine_holder(store, "b")

    whole = (await client.get("/v1/leases")).json()
    first = (await client.get("/v1/leases", params={"limit": 2})).json()
    rest = (await client.get("/v1/leases", params={"after": first["last_id"]})).json()
    lost = (await client.get("/v1/leases", params={"state": "quarantine"})).json()

    assert [each["id"] for each in whole["data"]] == ids
    assert [each["id"] for each in first["data"] + rest["data"]] == ids
    assert first["has_more"]
    [only] = lost["data"]
    assert only["id"] == ids[1]
    assert only["created_at"]
    assert {name: only[name] for name in only if name not in {"created_at", "heard_at", "id"}} == {
        "object": "lease",
        "budget_id": budgeted.id,
        "scope": "project",
        "scope_id": acme.projects[0],
        "unit": "usd",
        "period": "total",
        "model": "",
        "state": "quarantine",
        "server": "b",
        "amount": None,
        "used": None,
        "amount_usd": 0.05,
        "used_usd": 0,
    }


async def test_a_release_says_what_counts_as_used_and_is_audited(
    client: httpx.AsyncClient, store: Store, budgeted: Budgeted
) -> None:
    lease_id = await hold(store, budgeted, "a", 5 * CENT)
    await quarantine_holder(store, "a")

    answer = await released(client, lease_id, amount_usd=0.02)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["counts_as_used_usd"]) == ("closed", 0.02)
    node = await read_node(store, budgeted)
    assert (node.used - node.opened_used, node.escrow) == (2 * CENT, 0)
    events = (await client.get("/v1/audit-log", params={"limit": 1})).json()["data"]
    assert events[0]["action"] == "lease.release"
    assert events[0]["after"]["counts_as_used"] == 2 * CENT
    assert (await client.get("/v1/leases")).json()["data"] == []
    assert (await released(client, lease_id)).status_code == 409


async def test_all_of_it_counts_as_used_when_nothing_is_said(
    client: httpx.AsyncClient, store: Store, budgeted: Budgeted
) -> None:
    lease_id = await hold(store, budgeted, "a", 5 * CENT)
    await quarantine_holder(store, "a")
    answer = await released(client, lease_id)
    assert Decimal(str(answer.json()["counts_as_used_usd"])) == Decimal("0.05")
    node = await read_node(store, budgeted)
    assert node.used - node.opened_used == 5 * CENT


async def test_suspense_is_released_by_force_only(client: httpx.AsyncClient, store: Store, budgeted: Budgeted) -> None:
    lease_id = await hold(store, budgeted, "a", 5 * CENT)
    assert (await released(client, lease_id, force=True)).status_code == 409, "an open one is in use"
    await store.write(lambda connection: connection.execute(update(lease).values(state="suspense")))

    refused = await released(client, lease_id)
    assert refused.status_code == 409
    assert "may come back" in refused.json()["error"]["message"]
    assert (await released(client, lease_id, force=True)).status_code == 200


async def test_amounts_must_be_of_the_budgets_unit_and_within_what_is_held(
    client: httpx.AsyncClient, store: Store, acme: Acme, budgeted: Budgeted
) -> None:
    counted = await add_budget(store, acme.organization_id, 10_000, unit="requests")
    money, requests = await hold(store, budgeted, "a", 5 * CENT), await hold(store, counted, "a", 5)
    await quarantine_holder(store, "a")

    for lease_id, body in ((money, {"amount": 3}), (requests, {"amount_usd": 3}), (money, {"amount_usd": 6})):
        answer = await released(client, lease_id, **body)
        assert answer.status_code == 400, body
    assert (await released(client, requests, amount=3)).json()["counts_as_used"] == 3


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for lease_id in (f"lease_{uuid7().hex()}", "lease_12", "nothing"):
        assert (await released(client, lease_id)).status_code == 404
    assert (await client.get("/v1/leases", params={"after": "nothing"})).status_code == 400


async def test_keys_of_others_see_and_release_nothing(
    client: httpx.AsyncClient, store: Store, acme: Acme, budgeted: Budgeted
) -> None:
    lease_id = await hold(store, budgeted, "a", 5 * CENT)
    await quarantine_holder(store, "a")
    client.headers["authorization"] = f"Bearer {acme.keys[0].key}"
    assert (await client.get("/v1/leases")).status_code == 403
    assert (await released(client, lease_id)).status_code == 403
    assert (await read_node(store, budgeted)).escrow == 5 * CENT
