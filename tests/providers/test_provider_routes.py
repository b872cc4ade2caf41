"""/v1/providers: secrets go in and come out nowhere; who may; and what a change of the address asks for."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from admin_factories import ONLY_SQLITE, PEPPER, Acme, client_of, make_acme, running_app
from brought_providers import SECRETS
from fastapi import FastAPI
from sqlalchemy import text, update
from tests.fakes.new_keys import create_project_key

from tollkeeper.store.engine import Store
from tollkeeper.store.schema import metadata
from tollkeeper.store.schema_tenancy import provider_credential

CANARY = "sk-canary-5bd1c0ffee-0123456789-WXYZ"
BODY = {"name": "openai", "kind": "openai", "secret": CANARY}


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


async def create(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/v1/providers", json={**BODY, **changes})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


def refusal(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json()["error"]["param"]


async def stored_secret(store: Store, made: dict[str, Any]) -> str:
    """Open what the database has, as a replica does."""
    query = text("SELECT sealed_secret FROM provider_credential WHERE id = :id").bindparams(id=made["id"])
    sealed = await store.read(lambda c: c.scalar(query))
    binding = ("provider_credential", made["organization_id"], made["id"], made["base_url"])
    return SECRETS.vault.open(bytes(sealed), bound_to=binding).decode()


async def test_a_provider_lives_from_creation_to_deletion(store: Store, client: httpx.AsyncClient) -> None:
    made = await create(client)
    assert made["base_url"] == "https://api.openai.com/v1"
    assert (made["hint"], made["catalogue"], made["object"]) == ("WXYZ", "openai", "provider")
    assert await stored_secret(store, made) == CANARY
    own = await create(
        client, name="own", kind="openai_compatible", base_url="https://llm.test/v1/", secret="short-secret"
    )
    assert (own["hint"], own["base_url"], own["catalogue"]) == (None, "https://llm.test/v1", "")
    listed = (await client.get("/v1/providers", params={"limit": 1})).json()
    assert (listed["data"], listed["has_more"]) == ([made], True)
    assert (await client.get("/v1/providers", params={"after": made["id"]})).json()["data"] == [own]
    changed = (await client.put(f"/v1/providers/{made['id']}", json={"secret": "sk-new-0123456789-abcdEFGH"})).json()
    assert (changed["hint"], changed["name"]) == ("EFGH", "openai")
    assert await stored_secret(store, changed) == "sk-new-0123456789-abcdEFGH"
    renamed = (await client.put(f"/v1/providers/{made['id']}", json={"name": "mine"})).json()
    assert await stored_secret(store, renamed) == "sk-new-0123456789-abcdEFGH"
    assert (await client.delete(f"/v1/providers/{made['id']}")).status_code == 200
    assert (await client.get(f"/v1/providers/{made['id']}")).status_code == 404
    assert (await client.delete(f"/v1/providers/{made['id']}")).status_code == 404
    events = (await client.get("/v1/audit-log?action=provider.")).json()["data"]
    assert [event["action"].partition(".")[2] for event in events] == ["delete", "update", "update", "create", "create"]
    assert events[2]["changed"] == ["hint", "secret_changed"]
    assert events[1]["changed"] == ["name"]


async def test_cve_2026_41487_another_base_url_needs_the_secret_again(store: Store, client: httpx.AsyncClient) -> None:
    made = await create(client)
    path = f"/v1/providers/{made['id']}"
    refused = await client.put(path, json={"base_url": "https://evil.test/v1"})
    assert refusal(refused) == (400, "secret")
    assert (await client.get(path)).json() == made
    assert await stored_secret(store, made) == CANARY
    same = await client.put(path, json={"base_url": "https://API.openai.com:443/v1/"})
    assert same.json()["base_url"] == made["base_url"]
    moved = await client.put(path, json={"base_url": "https://llm.test/v1", "secret": "sk-for-the-other-place-0"})
    assert await stored_secret(store, moved.json()) == "sk-for-the-other-place-0"


async def test_a_new_secret_is_not_sealed_to_an_address_that_was_changed_in_the_database(
    store: Store, client: httpx.AsyncClient
) -> None:
    made = await create(client)
    change = update(provider_credential).values(base_url="https://evil.test/v1")
    await store.write(lambda c: c.execute(change))
    refused = await client.put(f"/v1/providers/{made['id']}", json={"secret": "sk-new-0123456789-abcdEFGH"})
    assert refusal(refused) == (400, "base_url")
    body = {"secret": "sk-new-0123456789-abcdEFGH", "base_url": made["base_url"]}
    mended = (await client.put(f"/v1/providers/{made['id']}", json=body)).json()
    assert await stored_secret(store, mended) == body["secret"]


async def test_a_name_is_there_once_in_an_organization(store: Store, app: FastAPI, client: httpx.AsyncClient) -> None:
    await create(client)
    other = await make_acme(store, "Other", seed=2, calls=0)
    await create(client_of(app, other.admin.key))
    own = await create(client, name="own")
    assert (await client.post("/v1/providers", json=BODY)).status_code == 409
    assert (await client.put(f"/v1/providers/{own['id']}", json={"name": "openai"})).status_code == 409


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"kind": "mystery"}, "kind"),
        ({"kind": "openai_compatible"}, "base_url"),
        ({"secret": "x"}, "secret"),
        ({"secret": f"{CANARY} {CANARY}"}, "secret"),
        ({"secret": [CANARY]}, "secret"),
        ({"base_url": "https://127.0.0.1/v1"}, "base_url"),
        ({"base_url": "http://api.openai.com/v1"}, "base_url"),
        ({"catalogue": "../x"}, "catalogue"),
        ({"organization_id": "org_other"}, "organization_id"),
        ({"is_guarded": False}, "is_guarded"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_name_without_repeating_the_secret(
    client: httpx.AsyncClient, changes: dict[str, Any], param: str
) -> None:
    response = await client.post("/v1/providers", json={**BODY, **changes})
    assert refusal(response) == (400, param)
    assert CANARY not in response.text


@ONLY_SQLITE
async def test_nobody_reaches_another_organizations_provider_or_any_without_the_permission(
    store: Store, app: FastAPI, acme: Acme, client: httpx.AsyncClient
) -> None:
    made = await create(client)
    other = await make_acme(store, "Other", seed=2, calls=0)
    project_key = await create_project_key(store, PEPPER, acme.organization_id, project_id=acme.projects[0], name="x")
    routes = [
        ("GET", "/v1/providers", None),
        ("POST", "/v1/providers", {**BODY, "name": "more"}),
        ("GET", f"/v1/providers/{made['id']}", None),
        ("PUT", f"/v1/providers/{made['id']}", {"secret": "sk-stolen-secret-0000"}),
        ("DELETE", f"/v1/providers/{made['id']}", None),
    ]
    for method, path, body in routes:
        assert (await client_of(app).request(method, path, json=body)).status_code == 401
        assert (await client_of(app, project_key.key).request(method, path, json=body)).status_code == 403
        theirs = await client_of(app, other.admin.key).request(method, path, json=body)
        assert theirs.status_code == (404 if made["id"] in path else 200)
        assert made["id"] not in theirs.text.replace(f"There is no provider '{made['id']}'", "")
    assert (await client.get(f"/v1/providers/{made['id']}")).json() == made


async def test_a_canary_secret_is_in_no_answer_log_audit_event_or_table(
    store: Store, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [await client.post("/v1/providers", json=BODY, headers={"idempotency-key": "once"}) for _ in range(2)]
    made = answers[0].json()
    assert answers[1].json() == made, "repeated, not refused"
    path = f"/v1/providers/{made['id']}"
    answers += [
        await client.get(path),
        await client.get("/v1/providers"),
        await client.put(path, json={"secret": CANARY, "name": CANARY}),
        await client.put(path, json={"secret": CANARY, "base_url": f"https://{CANARY}"}),
        await client.put(path, json={"secret": CANARY}),
        await client.delete(path),
        await client.get("/v1/audit-log"),
        await client.get("/v1/audit-log/export"),
    ]
    shown = "".join(answer.text for answer in answers if "Invalid value for 'name'" not in answer.text)
    assert CANARY not in shown.replace(f"'{CANARY.lower()}'", "")

    async def dump(connection: Any) -> str:
        rows = [await connection.execute(table.select()) for table in metadata.sorted_tables]
        return "".join(repr([tuple(row) for row in each]) for each in rows)

    assert CANARY not in await store.read(dump)
    assert CANARY not in caplog.text
    assert json.loads(answers[-2].text)["data"][0]["action"] == "provider.delete"


@ONLY_SQLITE
async def test_an_organization_has_a_bounded_number_of_providers(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollkeeper.control.provider_credentials.PER_ORGANIZATION_MAX", 2)
    await create(client, name="a")
    await create(client, name="b")
    assert (await client.post("/v1/providers", json=BODY)).status_code == 409
