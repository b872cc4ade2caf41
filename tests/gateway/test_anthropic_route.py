"""Calls in the Anthropic dialect to a provider that speaks it: bytes unchanged, usage in disjoint classes, own refusals."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import ANTHROPIC, GOOD_KEY, MODEL, PROVIDER_KEY, UNLIMITED_KEY, FakeGateway
from tests.fakes.upstream import Script

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome
from tollkeeper.gateway.wire import anthropic as anthropic_wire

# Fields as in https://platform.claude.com/docs/en/build-with-claude/prompt-caching (read 2026-11-22), with own figures.
USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 3000,
    "cache_read_input_tokens": 5000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
    "output_tokens": 500,
    "output_tokens_details": {"thinking_tokens": 200},
    "service_tier": "standard",
}
QUANTITIES = {"input": 100, "cache_read": 5000, "cache_write_5m": 1000, "cache_write_1h": 2000, "output": 500}
COST_NANOS = 100 + 5000 // 2 + 1250 + 2 * 2000 + 4 * 500


def message(**changes: Any) -> dict[str, Any]:
    asked = [{"role": "user", "content": "one two three"}]
    return {"model": MODEL, "max_tokens": 64, "messages": asked, **changes}


def answer(**changes: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": "four five"}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": content, **changes}


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


START = event("message_start", message={**answer(content=[]), "usage": {**USAGE, "output_tokens": 1}})
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "four five"})
DELTA = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 500})
STOP = event("message_stop")


async def call(gateway: FakeGateway, body: Any = None, **options: Any) -> FakeClient:
    options = {"path": "/v1/messages", "key": UNLIMITED_KEY, **options}
    return await gateway.call(message() if body is None else body, **options)


async def test_a_message_goes_out_and_comes_back_as_the_same_bytes() -> None:
    gateway = FakeGateway(ANTHROPIC)
    sent = b'{"max_tokens": 64,\n "messages":[{"role":"user","content":"\xea\xb0\x80"}], "model":"%b"}' % MODEL.encode()
    back = json.dumps(answer(usage=USAGE), indent=1).encode()
    gateway.will_answer(back)
    client = await call(gateway, sent)
    assert (client.status, client.body) == (200, back)
    request = gateway.upstream.requests[0]
    assert request.body == sent
    assert b"POST /v1/messages" in request.head
    assert b"x-api-key: %b" % PROVIDER_KEY.encode() in request.head
    assert b"authorization" not in request.head
    assert b"anthropic-version: 2023-06-01" in request.head


async def test_what_the_client_says_of_version_and_betas_is_passed_on() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(answer(usage=USAGE))
    await call(gateway, headers={"anthropic-version": "2024-01-01", "anthropic-beta": "context-1m"})
    head = gateway.upstream.requests[0].head
    assert b"anthropic-version: 2024-01-01" in head
    assert head.count(b"anthropic-version") == 1
    assert b"anthropic-beta: context-1m" in head


async def test_cache_classes_are_disjoint_and_each_has_its_price() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(answer(usage=USAGE))
    client = await call(gateway)
    record = gateway.ledger.only
    assert record.quantities == QUANTITIES
    assert (record.reasoning_tokens, record.amount_nanos, record.cost_state) == (200, COST_NANOS, CostState.COMPUTED)
    assert (record.operation, record.provider, record.service_tier) == ("messages", "anthropic", "standard")
    assert client.headers["x-tollkeeper-cost-usd"] == f"0.{COST_NANOS:09d}"


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
async def test_a_stream_passes_unchanged_and_its_last_figures_count(size: int) -> None:
    gateway = FakeGateway(ANTHROPIC)
    whole = START + event("ping") + TEXT + DELTA + STOP
    gateway.will_stream(*[whole[at : at + size] for at in range(0, len(whole), size)])
    client = await call(gateway, message(stream=True))
    assert client.body == whole
    record = gateway.ledger.only
    assert (record.quantities, record.outcome, record.is_estimated) == (QUANTITIES, Outcome.COMPLETE, False)
    assert (record.model_served, record.amount_nanos) == (MODEL, COST_NANOS)


async def test_a_stream_that_breaks_off_keeps_its_stated_input_and_counts_its_output() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_stream(START, TEXT, UpstreamFault("closed", "gone", sent=True))
    client = await call(gateway, message(stream=True))
    record = gateway.ledger.only
    assert record.quantities == {**QUANTITIES, "output": 2}, "a token for each word"
    assert (record.is_estimated, record.outcome) == (True, Outcome.BROKEN)
    last = client.body.rpartition(b"event: error\ndata: ")[2]
    assert json.loads(last)["error"]["type"] == "api_error"


async def test_an_error_event_of_the_provider_ends_the_call_as_broken() -> None:
    gateway = FakeGateway(ANTHROPIC)
    overloaded = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    gateway.will_stream(START, overloaded)
    client = await call(gateway, message(stream=True))
    assert client.body == START + overloaded
    assert gateway.ledger.only.outcome is Outcome.BROKEN


async def test_what_another_model_wrote_within_the_call_leaves_it_unpriced() -> None:
    gateway = FakeGateway(ANTHROPIC)
    advised = {"type": "advisor_message", "input_tokens": 10, "output_tokens": 20}
    compacted = {"type": "compaction", "input_tokens": 7, "output_tokens": 3}
    gateway.will_answer(answer(usage={**USAGE, "iterations": [advised, compacted]}))
    await call(gateway)
    record = gateway.ledger.only
    assert record.quantities == {**QUANTITIES, "input": 107, "output": 503, "other_models": 30}
    assert (record.cost_state, record.amount_nanos) == (CostState.UNPRICED, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": MODEL, "messages": []}, "max_tokens"),
        ({"max_tokens": 1, "messages": []}, "model"),
        (message(messages="hello"), "messages"),
        (message(max_tokens="64"), "max_tokens"),
        (message(fallbacks=[{"model": "other"}]), "fallbacks"),
        (message(Max_Tokens=1_000_000), "Max_Tokens"),
    ],
)
async def test_what_is_wrong_is_refused_in_the_dialect_and_named(body: Any, field: str) -> None:
    gateway = FakeGateway(ANTHROPIC)
    client = await call(gateway, body)
    refused = json.loads(client.body)
    assert (client.status, refused["type"], refused["error"]["type"]) == (400, "error", "invalid_request_error")
    assert (refused["error"]["param"], refused["request_id"]) == (field, client.headers["request-id"])
    assert not gateway.upstream.requests


async def test_a_missing_key_is_an_authentication_error() -> None:
    client = await call(FakeGateway(ANTHROPIC), key=None)
    assert (client.status, json.loads(client.body)["error"]["type"]) == (401, "authentication_error")


async def test_the_rates_are_told_in_the_dialects_headers_too() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.limiter.shown = [(b"x-ratelimit-remaining-requests", b"59"), (b"x-ratelimit-reset-requests", b"1m0s")]
    gateway.will_answer(answer(usage=USAGE))
    client = await call(gateway, key=GOOD_KEY)
    assert client.headers["anthropic-ratelimit-requests-remaining"] == "59"
    assert client.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


@pytest.mark.parametrize(
    "asked",
    [
        {"container": "container_1"},
        {"tools": [{"type": "code_execution_20260521", "name": "code_execution"}]},
        {"tools": [{"type": "something_20270101", "name": "new"}]},
    ],
)
async def test_what_may_cause_fees_that_no_usage_states_is_unpriced(asked: dict[str, Any]) -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(answer(usage=USAGE))
    await call(gateway, message(**asked))
    assert gateway.ledger.only.cost_state is CostState.UNPRICED


async def test_tools_that_the_client_runs_cause_no_fees() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(answer(usage=USAGE))
    own = [{"name": "f", "input_schema": {}}, {"type": "custom", "name": "g"}]
    await call(gateway, message(tools=[*own, {"type": "bash_20250124", "name": "bash"}]))
    assert gateway.ledger.only.cost_state is CostState.COMPUTED


async def test_a_whole_answer_without_usage_is_counted() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(answer())
    await call(gateway)
    record = gateway.ledger.only
    assert (record.is_estimated, record.quantities["output"]) == (True, 2)


async def test_gzip_nobody_asked_for_is_metered_all_the_same() -> None:
    gateway = FakeGateway(ANTHROPIC)
    body = msgspec.json.encode(answer(usage=USAGE))
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    gateway.upstream.scripts.append(Script(200, headers=headers, steps=[gzip.compress(body)]))
    client = await call(gateway)
    assert (client.body, gateway.ledger.only.quantities) == (body, QUANTITIES)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "sound_of_the_future", "source": {"type": "url", "url": "https://x.test/a"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "document", "source": {"type": "url"}}]},
    ],
)
def test_what_has_a_source_and_is_no_picture_may_be_as_long_as_the_window(block: dict[str, Any]) -> None:
    asked = message(messages=[{"role": "user", "content": [block]}])
    assert anthropic_wire.parse(msgspec.json.encode(asked)).unseen().is_unbounded
