"""Calls of organizations that bring providers: each with its own key, soon after a change, and never with another's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from brought_providers import (
    OPERATORS,
    SECRETS,
    add_organization,
    as_organization,
    bring,
    gateway_over,
    live_routes,
    operators_table,
)
from sqlalchemy import update
from tests.fakes.gateway import MODEL, FakeGateway, answer, chat

from tollkeeper.control.administration import Administration, operator
from tollkeeper.control.live_routes import LiveRoutes
from tollkeeper.control.provider_credentials import ProviderChanges, change_provider, delete_provider
from tollkeeper.gateway import targets
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_tenancy import provider_credential

FIRST, SECOND, THIRD = "sk-first-secret-00000001", "sk-second-secret-0000002", "sk-third-secret-00000003"


async def sent_key(gateway: FakeGateway, key: str, **changes: Any) -> str:
    """Make a call and return the provider key that went out with it."""
    gateway.will_answer(answer())
    before = len(gateway.upstream.requests)
    client = await gateway.call(chat(**changes), key=key)
    assert client.status == 200, client.body
    return key_in(gateway.upstream.requests[before].head)


def key_in(head: bytes) -> str:
    (line,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")]
    return line.partition(b"Bearer ")[2].decode()


@asynccontextmanager
async def following(store: Store) -> AsyncIterator[LiveRoutes]:
    """Routes that hear of changes as a replica's do."""
    directory = StoreDirectory(store)
    routes = LiveRoutes(store, SECRETS.vault, operators_table())
    directory.on_change("provider", routes.follow)
    await directory.start()
    await routes.reload()
    try:
        yield routes
    finally:
        await routes.aclose()
        await directory.aclose()


async def within_a_second(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 1.0
    while not holds():
        assert time.monotonic() < until, "not within a second"
        await asyncio.sleep(0.01)


async def test_two_organizations_with_the_same_provider_and_address_each_send_their_own_key(store: Store) -> None:
    one, other, neither = [await add_organization(store, name) for name in ("one", "other", "neither")]
    await bring(store, one, FIRST)
    await bring(store, other, SECOND)
    gateway = gateway_over(await live_routes(store))
    keys = {as_organization(gateway, one): FIRST, as_organization(gateway, other): SECOND}
    keys[as_organization(gateway, neither)] = OPERATORS.api_key
    turns = [(key, model) for _ in range(20) for key in keys for model in (MODEL, "fast", f"openai/{MODEL}")]
    for number in range(len(turns)):
        gateway.will_answer(answer(id=str(number)))
    clients = [gateway.client(chat(model=model, user=keys[key]), key=key) for key, model in turns]
    await asyncio.gather(*(gateway.handle(client) for client in clients))
    assert {client.status for client in clients} == {200}
    sent = [(key_in(request.head), json.loads(request.body)["user"]) for request in gateway.upstream.requests]
    assert len(sent) == len(turns)
    assert [pair for pair in sent if pair[0] != pair[1]] == []
    hosts = {(request.origin.host, request.origin.is_guarded) for request in gateway.upstream.requests}
    assert hosts == {("provider.test", True), ("operator.test", False)}


async def test_a_changed_secret_goes_out_within_a_second_and_a_deleted_one_gives_way_to_the_operators(
    store: Store,
) -> None:
    organization = await add_organization(store, "Acme")
    caller = operator(organization, name="tests")
    administration = Administration(store, SECRETS)
    async with following(store) as routes:
        gateway = gateway_over(routes)
        key = as_organization(gateway, organization)

        def current() -> str:
            route = routes.of(organization).resolve(MODEL)
            assert route is not None
            return route.deployments[0].provider.api_key

        assert await sent_key(gateway, key) == OPERATORS.api_key
        made = await bring(store, organization, FIRST)
        await within_a_second(lambda: current() == FIRST)
        assert await sent_key(gateway, key) == FIRST
        await administration.change(caller, change_provider, made.id, ProviderChanges(secret=SECOND))
        await within_a_second(lambda: current() == SECOND)
        assert await sent_key(gateway, key) == SECOND
        assert await sent_key(gateway, key, model="fast") == SECOND
        await administration.change(caller, delete_provider, made.id)
        await within_a_second(lambda: current() == OPERATORS.api_key)
        assert await sent_key(gateway, key) == OPERATORS.api_key


async def test_a_provider_that_the_operator_does_not_have_is_added(store: Store) -> None:
    organization, other = await add_organization(store, "Acme"), await add_organization(store, "Other")
    await bring(store, organization, FIRST, name="own")
    gateway = gateway_over(await live_routes(store))
    key = as_organization(gateway, organization)
    assert await sent_key(gateway, key, model=f"own/{MODEL}") == FIRST
    assert await sent_key(gateway, key, model=MODEL) == FIRST, "what an organization brings comes first"
    assert await sent_key(gateway, key, model=f"openai/{MODEL}") == OPERATORS.api_key
    refused = await gateway.call(chat(model=f"own/{MODEL}"), key=as_organization(gateway, other))
    assert refused.status == 404


async def test_the_list_of_models_is_the_organizations(store: Store) -> None:
    organization, other = await add_organization(store, "Acme"), await add_organization(store, "Other")
    await bring(store, organization, FIRST, name="own")
    gateway = gateway_over(await live_routes(store))
    for organization_id, owner in ((organization, "own"), (other, "openai"), (organization, "own")):
        client = gateway.client(key=as_organization(gateway, organization_id))
        client.scope |= {"path": "/v1/models", "method": "GET"}
        listed = json.loads((await gateway.handle(client)).body)
        assert {each["id"]: each["owned_by"] for each in listed["data"]}[MODEL] == owner


@pytest.mark.parametrize("swapped", ["id", "organization_id", "base_url", "sealed_secret"])
async def test_a_row_changed_in_the_database_is_refused_loudly_and_never_with_the_operators_key(
    store: Store, swapped: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = await add_organization(store, "one"), await add_organization(store, "other")
    made = await bring(store, one, FIRST)
    theirs = {
        "id": "prov_other",
        "organization_id": other,
        "base_url": "https://evil.test/v1",
        "sealed_secret": b"x" * 60,
    }
    change = update(provider_credential).where(provider_credential.c.id == made.id).values({swapped: theirs[swapped]})
    await store.write(lambda c: c.execute(change))
    gateway = gateway_over(await live_routes(store))
    refused = await gateway.call(key=as_organization(gateway, other if swapped == "organization_id" else one))
    error = json.loads(refused.body)["error"]
    assert (refused.status, error["code"]) == (502, "provider_unavailable")
    assert gateway.upstream.requests == []
    gateway.ledger.assert_balanced()
    assert "cannot be opened" in caplog.text
    assert FIRST not in caplog.text + refused.body.decode()
    if swapped == "organization_id":
        assert await sent_key(gateway, as_organization(gateway, one)) == OPERATORS.api_key


async def test_a_secret_that_the_provider_repeats_is_redacted(store: Store) -> None:
    organization = await add_organization(store, "Acme")
    await bring(store, organization, FIRST)
    gateway = gateway_over(await live_routes(store))
    gateway.will_answer({"error": {"message": f"Incorrect API key provided: {FIRST}"}}, 403)
    client = await gateway.call(key=as_organization(gateway, organization))
    assert (client.status, FIRST.encode() in client.body, b"[redacted]" in client.body) == (403, False, True)


async def test_what_is_ready_to_be_sent_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "TARGETS_MAX", 5)
    organizations = [await add_organization(store, f"o{number}") for number in range(12)]
    for number, organization in enumerate(organizations):
        await bring(store, organization, f"{FIRST}{number}")
    gateway = gateway_over(await live_routes(store))
    for number, organization in enumerate(organizations):
        assert await sent_key(gateway, as_organization(gateway, organization)) == f"{FIRST}{number}"
        assert len(gateway.relay._targets._known) <= 5
