"""Credit and the books over HTTP: granted, listed, voided, repeated, and refused by name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from credit_factories import USD, Purse, admin_key_of, open_purse
from tests.admin.admin_factories import ONLY_SQLITE, client_of, running_app

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.people import People

pytestmark = ONLY_SQLITE


@pytest.fixture
async def client(purse: Purse) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(purse.store) as app, client_of(app, await admin_key_of(purse)) as client:
        yield client


async def test_a_grant_is_made_shown_listed_and_voided(client: httpx.AsyncClient, purse: Purse):
    path = f"/v1/organizations/{purse.id}/credits"
    empty = (await client.get(path)).json()
    assert (empty["data"], empty["balance"]["prepaid"], empty["balance"]["left_usd"]) == ([], False, 0)
    body = {"amount_usd": 12.000000001, "kind": "trial", "priority": 3, "expires_at": "2030-01-01T00:00:00Z"}
    made = (await client.post(path, json={**body, "note": "a try"})).json()
    assert made["object"] == "credit_grant"
    assert (made["amount_usd"], made["remaining_usd"], made["priority"]) == (12.000000001, 12.000000001, 3)
    assert (made["status"], made["kind"], made["note"]) == ("active", "trial", "a try")
    assert made["expires_at"] == "2030-01-01T00:00:00Z"
    assert (await client.get(f"{path}/{made['id']}")).json() == made
    await purse.use(2 * USD)
    await purse.settle()
    page = (await client.get(path)).json()
    assert page["balance"] == {
        "prepaid": True,
        "granted_usd": 12.000000001,
        "used_usd": 2,
        "reserved_usd": 0,
        "left_usd": 10.000000001,
        "overrun_usd": 0,
        "expiring_next": {
            "grant_id": made["id"],
            "remaining_usd": 10.000000001,
            "expires_at": "2030-01-01T00:00:00Z",
        },
    }
    voided = (await client.post(f"{path}/{made['id']}/void")).json()
    assert (voided["status"], voided["used_usd"], voided["removed_usd"]) == ("voided", 2, 10.000000001)
    again = await client.post(f"{path}/{made['id']}/void")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")


async def test_grants_are_listed_newest_first_page_by_page(client: httpx.AsyncClient, purse: Purse):
    made = [(await purse.grant(usd)).id for usd in range(1, 6)]
    path, found, after = f"/v1/organizations/{purse.id}/credits", [], ""
    while True:
        page = (await client.get(path, params={"limit": 2, **({"after": after} if after else {})})).json()
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert found == made[::-1]


async def test_a_repeated_request_grants_once_and_with_another_body_is_refused(client: httpx.AsyncClient, purse: Purse):
    path, key = f"/v1/organizations/{purse.id}/credits", {"idempotency-key": "top-up-7"}
    first = await client.post(path, json={"amount_usd": 5, "kind": "purchased"}, headers=key)
    second = await client.post(path, json={"amount_usd": 5, "kind": "purchased"}, headers=key)
    assert first.json() == second.json()
    other = await client.post(path, json={"amount_usd": 6, "kind": "purchased"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")
    assert (await purse.balance()).granted == 5 * USD


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"amount_usd": 0, "kind": "purchased"}, "amount_usd"),
        ({"amount_usd": -1, "kind": "purchased"}, "amount_usd"),
        ({"amount_usd": 0.0000000001, "kind": "purchased"}, "amount_usd"),
        ({"amount_usd": 1, "kind": "gift"}, "kind"),
        ({"amount_usd": 1, "kind": "trial", "priority": 101}, "priority"),
        ({"amount_usd": 1, "kind": "trial", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"amount_usd": 1, "kind": "trial", "expires_at": "2100-01-01T00:00:00.000001Z"}, "expires_at"),
        ({"amount_usd": 1, "kind": "trial", "expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"amount_usd": 1, "kind": "trial", "cost_basis": 1}, "cost_basis"),
    ],
)
async def test_a_body_that_is_none_is_refused_by_name(
    client: httpx.AsyncClient, purse: Purse, body: dict[str, object], param: str
):
    refused = await client.post(f"/v1/organizations/{purse.id}/credits", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_the_books_show_every_transaction_with_its_entries(client: httpx.AsyncClient, purse: Purse):
    grant = await purse.grant(5)
    other = await purse.grant(1)
    await purse.use(USD)
    await purse.settle()
    found = (await client.get("/v1/ledger/transactions")).json()["data"]
    assert sorted(each["kind"] for each in found) == ["credit_grant", "credit_grant", "credit_use"]
    assert all(sum(entry["amount_usd"] for entry in each["entries"]) == 0 for each in found)
    use = next(each for each in found if each["kind"] == "credit_use")
    assert use["entries"] == [
        {"account": "credit_purchased", "currency": "USD", "amount_usd": 1, "grant_id": grant.id},
        {"account": "revenue", "currency": "USD", "amount_usd": -1, "grant_id": None},
    ]
    of_other = (await client.get("/v1/ledger/transactions", params={"grant_id": other.id})).json()["data"]
    assert [each["cause"] for each in of_other] == [f"credit_grant:{other.id}"]
    page = (await client.get("/v1/ledger/transactions", params={"limit": 2})).json()
    rest = (await client.get("/v1/ledger/transactions", params={"after": page["last_id"]})).json()
    assert [*page["data"], *rest["data"]] == found
    assert (await client.get("/v1/ledger/transactions", params={"after": "txn_x"})).status_code == 400


async def test_another_organizations_credit_is_as_if_it_were_not_there(client: httpx.AsyncClient, purse: Purse):
    other = await open_purse(purse.store, "Globex")
    theirs = await other.grant(1)
    for path in (f"/v1/organizations/{other.id}/credits", f"/v1/organizations/{purse.id}/credits/{theirs.id}"):
        assert (await client.get(path)).status_code == 404
    refused = await client.post(f"/v1/organizations/{other.id}/credits", json={"amount_usd": 1, "kind": "trial"})
    assert refused.status_code == 404
    assert (await client.get("/v1/ledger/transactions")).json()["data"] == []


async def test_where_only_the_operator_grants_an_admin_is_told(purse: Purse):
    people = People(purse.administration, AccountRules(is_credit_operators=True))
    async with running_app(purse.store, people=people) as app, client_of(app, await admin_key_of(purse)) as client:
        body = {"amount_usd": 1, "kind": "purchased"}
        refused = await client.post(f"/v1/organizations/{purse.id}/credits", json=body)
        off = await client.patch(f"/v1/organizations/{purse.id}", json={"prepaid": False})
    for each in (refused, off):
        assert (each.status_code, each.json()["error"]["code"]) == (403, "permission_denied")
    assert (await purse.balance()).granted == 0
    await people.aclose()


async def test_an_organization_is_made_prepaid_and_not(client: httpx.AsyncClient, purse: Purse):
    path = f"/v1/organizations/{purse.id}"
    for is_prepaid in (True, False, True):
        changed = await client.patch(path, json={"prepaid": is_prepaid})
        assert (changed.status_code, changed.json()["prepaid"]) == (200, is_prepaid)
        assert (await client.get(path)).json()["prepaid"] is is_prepaid
        assert (await purse.balance()).is_prepaid is is_prepaid
