"""A call without an output limit, under a budget that is nearly used up, is sent with the limit that fits, and no other call is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from ceiling_factories import ROUNDING
from tests.fakes.gateway import DONE, USAGE_CHUNK, FakeGateway, answer, chat, chunk

from tollkeeper.domain.deployment import Provider, ProviderKind, RouteTable
from tollkeeper.gateway.ceiling import HIDDEN_TOKENS, OUTPUT_TOKENS_MIN, OUTPUT_TOKENS_UNREFUSED

LIMITS = {"max_tokens", "max_completion_tokens"}
OUTPUT_NANOS = 4  # what a token costs by the fake prices; one of the input costs 1


class Everything:
    """A catalogue that has every model."""

    def has(self, provider: str, model: str) -> bool:
        return True

    def models(self, provider: str) -> list[str]:
        return []


def gateway_to(kind: ProviderKind) -> FakeGateway:
    gateway = FakeGateway()
    provider = Provider("theirs", kind, "https://provider.test/v1", "sk-x", "theirs")
    pipeline = gateway.app._pipeline
    gateway.app._pipeline = msgspec.structs.replace(pipeline, routes=RouteTable([], [provider], Everything()))
    return gateway


def leave(gateway: FakeGateway, body: bytes, *, output_tokens: int, kind: ProviderKind = "openai") -> None:
    """Let the budget have just enough for this much output."""
    hidden = 0 if kind == "openai" else HIDDEN_TOKENS
    gateway.budgets.left = len(body) + hidden + output_tokens * OUTPUT_NANOS + ROUNDING


async def send(gateway: FakeGateway, body: bytes, path: str = "/v1/chat/completions") -> dict[str, Any]:
    gateway.will_answer(answer())
    client = await gateway.call(body, path=path)
    assert client.status == 200, client.body
    fields: dict[str, Any] = json.loads(gateway.upstream.requests[0].body)
    return fields


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("openai", "/v1/chat/completions", "max_completion_tokens"),
        ("deepseek", "/v1/chat/completions", "max_tokens"),
        ("openai_compatible", "/v1/chat/completions", "max_tokens"),
        ("openai_compatible", "/v1/completions", "max_tokens"),
    ],
)
async def test_the_limit_has_the_name_that_its_provider_knows(kind: ProviderKind, path: str, name: str) -> None:
    gateway = gateway_to(kind)
    asked = chat(model="gpt-4o") if "chat" in path else {"model": "gpt-4o", "prompt": "one two"}
    body = msgspec.json.encode(asked)
    leave(gateway, body, output_tokens=1_000, kind=kind)
    sent = await send(gateway, body, path)
    assert sent == {**asked, name: 1_000}
    record = gateway.ledger.only
    assert record.reserved_nanos == gateway.budgets.left


async def test_a_text_completion_at_openai_needs_none() -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode({"model": "davinci-002", "prompt": "one two"})
    leave(gateway, body, output_tokens=16)
    assert not LIMITS & (await send(gateway, body, "/v1/completions")).keys()
    gateway.budgets.left -= 1
    assert (await gateway.call(body, path="/v1/completions")).status == 429


async def test_the_limit_is_for_each_answer() -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="gpt-4o", n=3))
    leave(gateway, body, output_tokens=3 * 500)
    assert (await send(gateway, body))["max_completion_tokens"] == 500


@pytest.mark.parametrize("null", sorted(LIMITS))
async def test_a_limit_that_is_null_is_replaced(null: str) -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="gpt-4o", **{null: None}))
    leave(gateway, body, output_tokens=700)
    sent = await send(gateway, body)
    assert {name: sent[name] for name in LIMITS & sent.keys()} == {"max_completion_tokens": 700}


async def test_an_ambiguous_body_gets_the_limit_too_and_loses_nothing() -> None:
    gateway = gateway_to("openai")
    asked = chat(model="gpt-4o", metadata={"model": "x", "max_tokens": "7"})
    body = json.dumps(asked).replace('"content"', '"\\u0063ontent"').encode()
    leave(gateway, body, output_tokens=700)
    assert await send(gateway, body) == {**asked, "max_completion_tokens": 700}


async def test_a_stream_gets_limit_and_usage() -> None:
    gateway = gateway_to("openai")
    gateway.will_stream(chunk("hello"), USAGE_CHUNK, DONE)
    body = msgspec.json.encode(chat(model="gpt-4o", stream=True))
    leave(gateway, body, output_tokens=700)
    assert (await gateway.call(body)).status == 200
    sent = json.loads(gateway.upstream.requests[0].body)
    assert sent["max_completion_tokens"] == 700
    assert sent["stream_options"] == {"include_usage": True}


async def test_a_call_that_fits_is_sent_as_it_is() -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="gpt-4o"))
    leave(gateway, body, output_tokens=16_384)
    await send(gateway, body)
    assert gateway.upstream.requests[0].body == body


@pytest.mark.parametrize("name", sorted(LIMITS))
@pytest.mark.parametrize("more", [{}, {"stream": True}])
async def test_a_stated_limit_is_never_changed(name: str, more: dict[str, Any]) -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="gpt-4o", **{name: 5_000}, **more))
    leave(gateway, body, output_tokens=4_999)
    assert (await gateway.call(body)).status == 429
    leave(gateway, body, output_tokens=5_000)
    gateway.will_stream(chunk("hello"), USAGE_CHUNK, DONE) if more else gateway.will_answer(answer())
    assert (await gateway.call(body)).status == 200
    assert json.loads(gateway.upstream.requests[0].body)[name] == 5_000


async def test_a_call_that_predicts_its_output_is_refused_rather_than_limited() -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="gpt-4o", prediction={"type": "content", "content": "one"}))
    leave(gateway, body, output_tokens=10_000)
    assert (await gateway.call(body)).status == 429
    assert gateway.upstream.requests == []


async def test_less_than_the_least_is_refused() -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="gpt-4o", n=2))
    leave(gateway, body, output_tokens=2 * OUTPUT_TOKENS_MIN)
    assert (await send(gateway, body))["max_completion_tokens"] == OUTPUT_TOKENS_MIN
    gateway.budgets.left -= 1
    assert (await gateway.call(body)).status == 429


async def test_a_model_that_nobody_listed_is_not_given_a_limit_that_it_may_refuse() -> None:
    gateway = gateway_to("openai")
    body = msgspec.json.encode(chat(model="unheard-of"))
    leave(gateway, body, output_tokens=100_000)
    assert (await send(gateway, body))["max_completion_tokens"] == OUTPUT_TOKENS_UNREFUSED


async def test_a_limit_leaves_the_input_its_place_in_a_small_window() -> None:
    gateway = gateway_to("openai")
    asked = chat(model="gpt-4")
    asked["messages"][0]["content"] = "a" * 5_000
    body = msgspec.json.encode(asked)
    leave(gateway, body, output_tokens=8_000)
    assert (await send(gateway, body))["max_completion_tokens"] == 8_192 - len(body)


@pytest.mark.parametrize("script", ["한글은 세 바이트다. ", "plain words of text, "])
async def test_a_counted_input_is_never_less_than_what_its_provider_counts(script: str) -> None:
    """Names, schemas and frames are no counted texts: their bytes bound them."""
    gateway = gateway_to("openai")
    properties = {f"속성_{number}": {"type": "string"} for number in range(50)}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}
    asked = chat(model="gpt-4o", tools=[tool], max_tokens=10)
    asked["messages"] = [{"role": "user", "content": script * 100}, *[{"role": "user", "content": "a"}] * 100]
    body = json.dumps(asked).encode()
    gateway.budgets.left = len(body)
    gateway.will_answer(answer())
    assert (await gateway.call(body)).status == 200
    words = sum(map(len, map(str.split, gateway.counter.asked[0])))
    unseen = len("".join(properties).encode()) + 101 * len('{"role":"user","content":""}')
    assert gateway.ledger.only.reserved_nanos >= words + unseen + 10 * OUTPUT_NANOS


async def test_what_can_be_read_in_two_ways_is_not_counted() -> None:
    gateway = gateway_to("openai")
    asked = chat(model="gpt-4o", max_tokens=10)
    asked["messages"][0]["content"] = "word " * 1_000
    body = msgspec.json.encode(asked).replace(b'"role":"user"', b'"role":"user","content":"short"')
    gateway.budgets.left = len(body)
    assert (await gateway.call(body)).status == 429
    assert gateway.counter.asked == []


async def test_a_fee_that_nobody_knows_is_told_as_such() -> None:
    gateway = gateway_to("openai")
    client = await gateway.call(chat(model="gpt-4o", web_search_options={}))
    error = json.loads(client.body)["error"]
    assert (client.status, error["code"]) == (429, "price_unknown")
    assert "search" in error["message"]
