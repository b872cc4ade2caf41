"""Lists of models in three dialects: pages, the key's rights, prices as they are in force, and nothing rendered twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import GEMINI, GOOD_KEY, KNOWN_MODELS, MODEL, OPENAI, POWERLESS_KEY, FakeGateway

from tollkeeper.domain.deployment import Deployment, Provider, Route, RouteTable
from tollkeeper.domain.errors import ModelNotAllowed, ModelNotFound
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.domain.price import DailyWindow, ModelPrices, PriceVersion
from tollkeeper.domain.rate_card import Rate
from tollkeeper.gateway import models
from tollkeeper.gateway.models import ModelList, ModelsAsked

OPENAI_LIST, GEMINI_LIST = "/v1/models", "/v1beta/models"
CLAUDE = {"anthropic-version": "2023-06-01"}
HOUR_US = 3_600_000_000


class Names:
    """A catalogue that has some models at every provider."""

    def __init__(self, *names: str) -> None:
        self._names = list(names)

    def has(self, provider: str, model: str) -> bool:
        return model in self._names

    def models(self, provider: str) -> list[str]:
        return self._names


class Book:
    """Prices that can be changed; it counts how often it is asked."""

    def __init__(self, *versions: PriceVersion) -> None:
        self.versions = versions
        self.others: dict[str, PriceVersion] = {}

    def of(self, organization_id: str) -> Book:
        return self

    def find(self, provider: str, model: str) -> ModelPrices | None:
        versions = (self.others[model],) if model in self.others else self.versions
        return ModelPrices(provider, model, versions) if versions else None


def version(price: int = 2_500_000, *, at: int = 0, windows: tuple[DailyWindow, ...] = ()) -> PriceVersion:
    rates = (
        Rate("input", price),
        Rate("input", 2 * price, 200_000),
        Rate("output", 4 * price),
        Rate("input_audio", price, 0, "", "input"),
    )
    return PriceVersion(at, {"standard": rates, "batch": (Rate("input", price // 2),)}, windows)


def models_of(
    *names: str, book: Book | None = None, routes: Sequence[Route] = (), provider: Provider = OPENAI
) -> ModelList:
    table = RouteTable(list(routes), [provider], Names(*names))
    return ModelList(table, book or Book(version()), KNOWN_MODELS, created_s=7)


def listed(found: ModelList, asked: ModelsAsked | None = None, at_us: int = 0, **options: Any) -> Any:
    return json.loads(found.render(asked or ModelsAsked("openai"), "org_a", at_us=at_us, **options))


def names_of(page: Any) -> list[str]:
    return [each.get("id") or each["name"] for each in page.get("data") or page.get("models") or ()]


async def get(gateway: FakeGateway, path: str = OPENAI_LIST, **options: Any) -> FakeClient:
    return await gateway.call(b"", method="GET", path=path, **options)


async def test_the_caller_s_headers_and_path_tell_the_dialect() -> None:
    gateway = FakeGateway()
    assert (await get(gateway)).body.startswith(b'{"object":"list","data":[{"id":')
    assert b'"first_id":' in (await get(gateway, headers=CLAUDE)).body
    goog = {"x-goog-api-key": GOOD_KEY}
    for client in (await get(gateway, headers=goog), await get(gateway, GEMINI_LIST)):
        assert client.body.startswith(b'{"models":[{"name":"models/')
    by_query = await get(gateway, GEMINI_LIST, key=None, query=f"key={GOOD_KEY}".encode())
    assert by_query.status == 200


async def test_refusals_are_in_the_dialect_too() -> None:
    gateway = FakeGateway()
    assert (await get(gateway, f"{OPENAI_LIST}/nobody")).error["code"] == "model_not_found"
    assert (await get(gateway, f"{OPENAI_LIST}/nobody", headers=CLAUDE)).error["type"] == "not_found_error"
    assert (await get(gateway, f"{GEMINI_LIST}/nobody")).error["status"] == "NOT_FOUND"
    assert (await get(gateway, GEMINI_LIST, key=POWERLESS_KEY)).error["status"] == "PERMISSION_DENIED"
    assert (await get(gateway, GEMINI_LIST, key=None)).error["status"] == "UNAUTHENTICATED"
    posted = await gateway.call(b"", path=f"{GEMINI_LIST}/{MODEL}:noSuchMethod")
    assert (posted.status, posted.error["status"]) == (404, "NOT_FOUND")


def test_an_entry_tells_limits_kinds_prices_and_providers() -> None:
    (entry,) = listed(models_of("gpt-4o"))["data"]
    assert entry == {
        "id": "gpt-4o",
        "object": "model",
        "created": 7,
        "owned_by": "openai",
        "tollkeeper": {
            "context_window": 128_000,
            "output_limit": 16_384,
            "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
            "deprecated": False,
            "prices_usd_per_million": {
                "standard": {
                    "input": "2.50",
                    "output": "10.00",
                    "long_context": [{"over_tokens": 200_000, "input": "5.00"}],
                },
                "batch": {"input": "1.25"},
            },
            "providers": [{"name": "openai", "model": "gpt-4o"}],
        },
    }


def test_what_nobody_knows_is_null() -> None:
    told = listed(models_of("mystery", book=Book()))["data"][0]["tollkeeper"]
    assert told == {
        "context_window": None,
        "output_limit": None,
        "modalities": {"input": None, "output": None},
        "deprecated": None,
        "prices_usd_per_million": None,
        "providers": [{"name": "openai", "model": "mystery"}],
    }


def test_a_model_of_an_unknown_server_is_not_taken_for_its_namesake() -> None:
    server = Provider("mine", "openai_compatible", "http://127.0.0.1:1/v1")
    route = Route("gpt-4o", (Deployment(server, "gpt-4o"),))
    (entry,) = listed(models_of(routes=[route], provider=server))["data"]
    assert entry["tollkeeper"]["context_window"] is entry["tollkeeper"]["modalities"]["input"] is None


def test_of_several_deployments_the_least_counts_and_other_prices_are_told() -> None:
    book = Book(version())
    book.others["gemini-2.5-pro"] = version(1_000_000)
    route = Route("both", (Deployment(OPENAI, "gpt-4o"), Deployment(GEMINI, "gemini-2.5-pro")))
    told = listed(models_of(book=book, routes=[route]))["data"][0]["tollkeeper"]
    assert (told["context_window"], told["output_limit"]) == (128_000, 16_384)
    assert told["modalities"]["input"] == ["text", "image", "pdf"]
    assert told["prices_usd_per_million"]["standard"]["input"] == "2.50"
    first, second = told["providers"]
    assert first == {"name": "openai", "model": "gpt-4o"}
    assert second["prices_usd_per_million"]["standard"]["input"] == "1.00"


def test_the_window_is_that_of_the_deployments_for_long_context() -> None:
    longer = Deployment(GEMINI, "gemini-2.5-pro", is_for_long_context=True)
    route = Route("both", (Deployment(OPENAI, "gpt-4o"), longer))
    told = listed(models_of(routes=[route]))["data"][0]["tollkeeper"]
    assert (told["context_window"], told["output_limit"]) == (1_048_576, 16_384)


def test_prices_are_those_in_force_now() -> None:
    morning = DailyWindow(0, 3_600)
    book = Book(version(1_000_000), version(2_000_000, windows=(morning,)), version(3_000_000, at=5 * HOUR_US))
    found = models_of("gpt-4o", book=book)
    hours = [0, 2 * HOUR_US, 6 * HOUR_US]
    prices = [listed(found, at_us=at)["data"][0]["tollkeeper"]["prices_usd_per_million"] for at in hours]
    assert [price["standard"]["input"] for price in prices] == ["2.00", "1.00", "3.00"]


def test_a_changed_price_is_told_at_once_and_an_unchanged_one_is_not_rendered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered: list[str] = []
    render = models.render_entry

    def counted(dialect: Any, described: Any) -> bytes:
        rendered.append(described.name)
        return render(dialect, described)

    monkeypatch.setattr(models, "render_entry", counted)
    book = Book(version())
    found = models_of("a", "b", "c", book=book)
    before = listed(found)
    assert listed(found) == before
    assert rendered == ["a", "b", "c"]
    book.others["b"] = version(7_000_000)
    assert listed(found)["data"][1]["tollkeeper"]["prices_usd_per_million"]["standard"]["input"] == "7.00"
    assert rendered == ["a", "b", "c", "b"]
    listed(found, ModelsAsked("anthropic", 2))
    assert rendered[4:] == ["a", "b"]


async def test_the_first_list_lets_calls_go_on_meanwhile() -> None:
    found = models_of(*(f"m{number}" for number in range(100)))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count_turns())
    await found.prepare("openai", "org_a", at_us=0)
    first = turns
    await found.prepare("openai", "org_a", at_us=0)
    counting.cancel()
    assert first >= 10
    assert turns == first
    assert len(found._entries) == 100


def test_the_kept_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "ENTRIES_MAX", 10)
    found = models_of("a")
    for number in range(50):
        found.render_one("openai", f"openai/m{number}", "org_a", at_us=0)
    assert len(found._entries) <= 10
    with pytest.raises(ModelNotFound):
        found.render_one("openai", "openai/" + "m" * 3_000, "org_a", at_us=0)


def test_a_key_sees_what_it_may_call() -> None:
    found = models_of("gpt-a", "gpt-b", "other", routes=[Route("mine", (Deployment(OPENAI, "gpt-a"),))])
    terms = KeyTerms(allowed_models=("gpt-a", "openai/oth*"))
    assert names_of(listed(found, terms=terms)) == ["gpt-a", "mine", "other"]
    assert names_of(listed(found, ModelsAsked("gemini", 1), terms=terms)) == ["models/gpt-a"]
    with pytest.raises(ModelNotAllowed):
        found.render_one("openai", "gpt-b", "org_a", terms, at_us=0)
    with pytest.raises(ModelNotFound):
        found.render_one("openai", "none", "org_a", terms, at_us=0)


def test_pages_of_anthropic_go_both_ways() -> None:
    found = models_of("a", "b", "c", "d", "e")

    def page(**options: Any) -> tuple[list[str], bool, str | None, str | None]:
        got = listed(found, ModelsAsked("anthropic", 2, **options))
        return names_of(got), got["has_more"], got["first_id"], got["last_id"]

    assert page() == (["a", "b"], True, "a", "b")
    assert page(after="b") == (["c", "d"], True, "c", "d")
    assert page(after="d") == (["e"], False, "e", "e")
    assert page(after="e") == ([], False, None, None)
    assert page(before="d") == (["b", "c"], True, "b", "c")
    assert page(before="b") == (["a"], False, "a", "a")
    assert page(after="bb") == (["c", "d"], True, "c", "d"), "a model that is gone still marks its place"


def test_pages_of_gemini_go_on_by_their_token() -> None:
    found = models_of("a", "b", "c")
    first = listed(found, ModelsAsked("gemini", 2))
    rest = listed(found, ModelsAsked("gemini", 2, after=first["nextPageToken"]))
    assert (names_of(first), names_of(rest)) == (["models/a", "models/b"], ["models/c"])
    assert "nextPageToken" not in rest


def test_methods_of_gemini_are_those_that_can_be_called_here() -> None:
    named = ("gemini-2.5-pro", "gemini-embedding-001", "text-embedding-new")
    methods = [
        json.loads(models_of(*named, provider=provider).render_one("gemini", name, "org_a", at_us=0))
        for provider, name in [(GEMINI, named[0]), (GEMINI, named[1]), (GEMINI, named[2]), (OPENAI, named[0])]
    ]
    assert [each["supportedGenerationMethods"][0] for each in methods] == [
        "generateContent", "embedContent", "embedContent", "countTokens",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status", "count"),
    [
        (b"", 200, 2),
        (b"limit=1", 200, 1),
        (b"limit=0", 200, 2),
        (b"limit=9999999", 200, 2),
        (b"limit=x", 400, 0),
        (b"limit=-1", 400, 0),
        (b"limit=" + b"9" * 5_000, 400, 0),
        (b"after_id=%ff%00", 200, 0),
        (b"&".join(b"a%d=1" % n for n in range(99)), 200, 2),
    ],
)
async def test_a_size_must_be_a_number(query: bytes, status: int, count: int) -> None:
    client = await get(FakeGateway(), headers=CLAUDE, query=query)
    assert client.status == status
    if status == 200:
        assert len(msgspec.json.decode(client.body)["data"]) == count
