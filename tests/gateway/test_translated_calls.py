"""Calls to a provider of another dialect: translated there and back, metered by what the provider itself stated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fakes.gateway import (
    ANTHROPIC,
    DONE,
    GOOD_KEY,
    MODEL,
    PROVIDER_KEY,
    UNLIMITED_KEY,
    USAGE_CHUNK,
    FakeGateway,
    answer,
    chat,
    chunk,
)
from tests.gateway import test_anthropic_route as claude

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome


def events_of(body: bytes) -> list[Any]:
    """Return the JSON of every event of a stream."""
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


async def test_an_openai_client_is_served_by_anthropic() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    client = await gateway.call(chat(max_tokens=64), key=UNLIMITED_KEY)
    request = gateway.upstream.requests[0]
    sent = json.loads(request.body)
    assert b"POST /v1/messages" in request.head
    assert b"x-api-key: %b" % PROVIDER_KEY.encode() in request.head
    assert b"anthropic-version: 2023-06-01" in request.head
    assert (sent["model"], sent["max_tokens"], sent["messages"][0]["role"]) == (MODEL, 64, "user")
    got = json.loads(client.body)
    assert got["object"] == "chat.completion"
    assert got["choices"][0]["message"]["content"] == "four five"
    assert got["usage"]["prompt_tokens"] == 100 + 3000 + 5000
    record = gateway.ledger.only
    assert (record.quantities, record.amount_nanos) == (claude.QUANTITIES, claude.COST_NANOS)
    assert (record.operation, record.provider) == ("chat.completions", "anthropic")
    assert client.headers["x-tollkeeper-cost-usd"] == f"0.{claude.COST_NANOS:09d}"


@pytest.mark.parametrize("size", [3, 50, 10_000])
async def test_a_stream_of_anthropic_reaches_an_openai_client_with_usage_and_cost(size: int) -> None:
    gateway = FakeGateway(ANTHROPIC)
    begin = claude.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    whole = (
        claude.START + begin + claude.TEXT + claude.event("content_block_stop", index=0) + claude.DELTA + claude.STOP
    )
    gateway.will_stream(*[whole[at : at + size] for at in range(0, len(whole), size)])
    asked = chat(stream=True, stream_options={"include_usage": True}, max_tokens=64)
    client = await gateway.call(asked, key=UNLIMITED_KEY)
    events = events_of(client.body)
    assert client.body.endswith(b"data: [DONE]\n\n")
    text = "".join(choice["delta"].get("content") or "" for each in events for choice in each["choices"])
    assert text == "four five"
    assert events[-1]["usage"]["completion_tokens"] == 500
    assert float(events[-1]["usage"]["cost"]) == claude.COST_NANOS / 1e9
    record = gateway.ledger.only
    assert (record.quantities, record.outcome) == (claude.QUANTITIES, Outcome.COMPLETE)


async def test_an_anthropic_client_is_served_by_openai() -> None:
    gateway = FakeGateway()
    gateway.will_answer(answer())
    client = await claude.call(gateway)
    request = gateway.upstream.requests[0]
    assert b"POST /v1/chat/completions" in request.head
    assert b"authorization: Bearer %b" % PROVIDER_KEY.encode() in request.head
    assert b"anthropic" not in request.head
    got = json.loads(client.body)
    assert (got["type"], got["content"][0]["text"]) == ("message", "four five")
    assert (got["usage"]["input_tokens"], got["usage"]["output_tokens"]) == (10, 5)
    record = gateway.ledger.only
    assert (record.quantities, record.operation) == ({"input": 10, "output": 5}, "messages")


async def test_a_stream_of_openai_reaches_an_anthropic_client() -> None:
    gateway = FakeGateway()
    stop = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    gateway.will_stream(chunk("four "), chunk("five"), stop, USAGE_CHUNK, DONE)
    client = await claude.call(gateway, claude.message(stream=True))
    kinds = [each["type"] for each in events_of(client.body)]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert gateway.ledger.only.quantities == {"input": 10, "output": 5}


async def test_an_error_of_the_provider_comes_in_the_clients_dialect() -> None:
    gateway = FakeGateway(ANTHROPIC)
    refused = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "req_x"}
    gateway.will_answer(refused, 429)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, json.loads(client.body)["error"]["code"]) == (429, "rate_limit_exceeded")
    assert gateway.ledger.only.cost_state is CostState.UNBILLED


async def test_a_translated_stream_that_breaks_ends_with_an_error_in_the_clients_dialect() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_stream(claude.START, claude.TEXT, UpstreamFault("closed", "gone", sent=True))
    client = await gateway.call(chat(stream=True, max_tokens=9), key=UNLIMITED_KEY)
    assert "error" in events_of(client.body)[-1]
    record = gateway.ledger.only
    assert (record.is_estimated, record.quantities["cache_read"]) == (True, 5000)


async def test_what_cannot_be_translated_is_refused_before_anything_is_reserved() -> None:
    gateway = FakeGateway(ANTHROPIC)
    client = await gateway.call(chat(n=2), key=UNLIMITED_KEY)
    refused = json.loads(client.body)["error"]
    assert (client.status, refused["param"]) == (400, "n")
    assert not gateway.ledger.reservations
    assert not gateway.upstream.requests


async def test_a_text_that_json_cannot_carry_is_the_clients_mistake() -> None:
    gateway = FakeGateway(ANTHROPIC)
    body = b'{"model":"%b","messages":[{"role":"user","content":"\\ud83d"}]}' % MODEL.encode()
    client = await gateway.call(body, key=UNLIMITED_KEY)
    assert (client.status, gateway.upstream.requests) == (400, [])


async def test_what_was_held_is_let_go_when_the_translation_refuses() -> None:
    gateway = FakeGateway(ANTHROPIC)
    client = await gateway.call(chat(n=2), key=GOOD_KEY)
    assert client.status == 400
    assert all(each.is_released for each in gateway.budgets.held)


async def test_a_route_without_a_counterpart_is_refused_by_the_models_name() -> None:
    gateway = FakeGateway(ANTHROPIC)
    body = {"model": MODEL, "input": "one"}
    client = await gateway.call(body, key=UNLIMITED_KEY, path="/v1/embeddings")
    assert (client.status, json.loads(client.body)["error"]["param"]) == (400, "model")
