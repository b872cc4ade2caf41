"""/v1/prices: own prices over HTTP, previewed and added for the organization alone, by who may, and not where credit is sold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from tests.admin.admin_factories import ONLY_SQLITE, client_of, running_app
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import found_company

from tollkeeper.admin.prices import ListedPrice, PreviewAnswer, PriceAnswer
from tollkeeper.control.own_prices import list_own
from tollkeeper.control.prices import add_prices
from tollkeeper.prices.drafts import PriceDraft
from tollkeeper.store.engine import Store

pytestmark = ONLY_SQLITE
BODY = {"provider": "openai", "model": "gpt-4o-mini", "dimension": "input", "usd_per_million": 0.12}


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


@pytest.fixture
async def client(workshop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    key = await workshop.admin_key()
    async with running_app(workshop.store) as app, client_of(app, key.key) as client:
        yield client


def read(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return json.loads(answer.text, parse_float=Decimal)


async def test_a_preview_is_exact_and_adds_nothing(client: httpx.AsyncClient, workshop: Workshop) -> None:
    answer = await client.post("/v1/prices/preview", json=BODY | {"valid_from": "2030-01-01T00:00:00+09:00"})
    PreviewAnswer.model_validate_json(answer.content)
    found = read(answer)
    assert (found["before"]["cost_usd"], found["after"]["cost_usd"]) == (Decimal("0.00045"), Decimal("0.00042"))
    assert (found["usd_per_million_before"], found["usd_per_million"]) == (Decimal("0.15"), Decimal("0.12"))
    assert (found["at"], found["is_new"]) == ("2029-12-31T15:00:00Z", True)
    assert await workshop.company.look(None, list_own) == []


async def test_a_mistyped_model_is_added_with_a_warning(client: httpx.AsyncClient) -> None:
    mistyped = BODY | {"model": "gpt-4o-minni"}
    previewed = read(await client.post("/v1/prices/preview", json=mistyped))
    assert (previewed["is_known_model"], previewed["near_model"]) == (False, "gpt-4o-mini")
    assert "Did you mean 'gpt-4o-mini'?" in read(await client.post("/v1/prices", json=mistyped))["warning"]
    assert read(await client.post("/v1/prices", json=BODY))["warning"] is None
    listed = read(await client.get("/v1/prices"))["data"]
    assert [each["is_known_model"] for each in listed] == [True, False]


async def test_a_price_is_added_once_and_listed_with_what_became_of_it(
    client: httpx.AsyncClient, workshop: Workshop
) -> None:
    await add_prices(workshop.store, [PriceDraft("openai", "o*", "output", "9")])
    headers = {"idempotency-key": "a price"}
    made = read(await client.post("/v1/prices", json=BODY, headers=headers))
    PriceAnswer.model_validate(json.loads(json.dumps(made, default=str)))
    assert read(await client.post("/v1/prices", json=BODY, headers=headers)) == made
    assert (made["usd_per_million"], made["organization_id"], made["is_new"]) == (
        Decimal("0.12"),
        workshop.company.id,
        True,
    )
    assert read(await client.post("/v1/prices", json=BODY))["is_new"] is False
    later = BODY | {"usd_per_million": "0.000001", "valid_from": "2099-01-01T00:00:00Z", "note": "계약"}
    await client.post("/v1/prices", json=later)
    listed = await client.get("/v1/prices")
    for each in listed.json()["data"]:
        ListedPrice.model_validate(each)
    found = read(listed)["data"]
    assert [(each["usd_per_million"], each["state"], each["list_usd_per_million"]) for each in found] == [
        (Decimal("0.000001"), "later", Decimal("0.15")),
        (Decimal("0.12"), "in_force", Decimal("0.15")),
        (9, "in_force", None),
    ]
    assert [each["organization_id"] for each in found][-1] is None
    first = read(await client.get("/v1/prices?limit=1"))
    assert first["has_more"]
    rest = read(await client.get(f"/v1/prices?after={first['last_id']}"))
    assert [each["id"] for each in first["data"] + rest["data"]] == [each["id"] for each in found]
    assert len(await workshop.company.events("price.add")) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd_per_million": -1},
        {"usd_per_million": 0.0000001},
        {"usd_per_million": 2_000_000},
        {"usd_per_million": True},
        {"dimension": "inputs"},
        {"provider": "gemini"},
        {"model": "a b"},
        {"tier": "X!"},
        {"context_over": -1},
        {"valid_from": "2027-01-01"},
        {"valid_from": 0},
        {"note": "a\nb"},
        {"surprise": 1},
    ],
)
async def test_a_price_that_cannot_be_is_refused(
    client: httpx.AsyncClient, workshop: Workshop, wrong: dict[str, Any]
) -> None:
    for path in ("/v1/prices", "/v1/prices/preview"):
        assert (await client.post(path, json=BODY | wrong)).status_code == 400
    assert (await client.get("/v1/prices?after=price_none")).status_code == 400
    assert await workshop.company.look(None, list_own) == []


async def test_only_who_manages_the_whole_organizations_prices_sees_or_adds_any(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    await add_prices(workshop.store, [PriceDraft("openai", "gpt-4o", "input", "1")], organization_id=other.id)
    async with running_app(workshop.store) as app:
        key = await workshop.admin_key(permissions=frozenset({"price:manage"}))
        async with client_of(app, key.key) as client:
            assert read(await client.get("/v1/prices"))["data"] == []
            await client.post("/v1/prices", json=BODY)
        assert len(await other.look(None, list_own)) == 1
        chatting = await workshop.service(permissions=frozenset({"chat:create"}))
        async with client_of(app, chatting.key) as client:
            for answer in (
                await client.get("/v1/prices"),
                await client.post("/v1/prices", json=BODY),
                await client.post("/v1/prices/preview", json=BODY),
            ):
                assert answer.status_code == 403


async def test_where_the_operator_sells_credit_prices_are_the_operators(workshop: Workshop) -> None:
    key = await workshop.admin_key()
    async with running_app(workshop.store) as app:
        app.state.people.rules = msgspec.structs.replace(app.state.people.rules, is_credit_operators=True)
        async with client_of(app, key.key) as client:
            for path in ("/v1/prices", "/v1/prices/preview"):
                refused = await client.post(path, json=BODY)
                assert refused.status_code == 403
                assert "credits.granted_by" in refused.text
            assert (await client.get("/v1/prices")).status_code == 200
