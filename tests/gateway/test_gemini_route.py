"""Calls in the Gemini dialect to a provider that speaks it: bytes unchanged, usage in disjoint classes, own refusals."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import GEMINI, GOOD_KEY, MODEL, PROVIDER_KEY, UNLIMITED_KEY, FakeGateway

from tollkeeper.domain.errors import RateExceeded, UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome

# Fields as in https://ai.google.dev/api/generate-content#UsageMetadata (read 2026-11-22), with own figures.
USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 400,
    "candidatesTokenCount": 200,
    "thoughtsTokenCount": 300,
    "toolUsePromptTokenCount": 50,
    "totalTokenCount": 1550,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
}
QUANTITIES = {"input": 650, "cache_read": 400, "output": 500}
COST_NANOS = 650 + 400 // 2 + 4 * 500
PATH = f"/v1beta/models/{MODEL}:generateContent"
STREAM_PATH = f"/v1beta/models/{MODEL}:streamGenerateContent"


def request(**changes: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "one two three"}]}], **changes}


def answer(text: str = "four five", **changes: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "modelVersion": MODEL, "usageMetadata": USAGE, **changes}


def chunk(text: str, **changes: Any) -> bytes:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return b"data: %b\r\n\r\n" % msgspec.json.encode({"candidates": [candidate], "modelVersion": MODEL, **changes})


FIRST = chunk("four ", usageMetadata={"promptTokenCount": 1000, "candidatesTokenCount": 1})
LAST = b"data: %b\r\n\r\n" % msgspec.json.encode(answer("five"))


async def call(gateway: FakeGateway, body: Any = None, **options: Any) -> FakeClient:
    options = {"path": PATH, "key": None, "headers": {"x-goog-api-key": UNLIMITED_KEY}, **options}
    return await gateway.call(request() if body is None else body, **options)


async def test_a_request_goes_out_and_comes_back_as_the_same_bytes() -> None:
    gateway = FakeGateway(GEMINI)
    sent = json.dumps(request(generation_config={"max_output_tokens": 5}), indent=1).encode()
    back = json.dumps(answer(), indent=1).encode()
    gateway.will_answer(back)
    client = await call(gateway, sent)
    assert (client.status, client.body) == (200, back)
    out = gateway.upstream.requests[0]
    assert out.body == sent
    assert f"POST /v1beta/models/{MODEL}:generateContent ".encode() in out.head
    assert b"x-goog-api-key: %b" % PROVIDER_KEY.encode() in out.head
    assert UNLIMITED_KEY.encode() not in out.head


@pytest.mark.parametrize("prefix", ["/v1beta", "/v1"])
async def test_both_versions_of_the_path_and_a_key_in_the_query_are_taken(prefix: str) -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    path = f"{prefix}/models/{MODEL}:generateContent"
    client = await call(gateway, path=path, headers={}, query=f"key={UNLIMITED_KEY}".encode())
    assert client.status == 200


async def test_classes_are_disjoint_and_thoughts_are_output() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    await call(gateway)
    record = gateway.ledger.only
    assert (record.quantities, record.reasoning_tokens) == (QUANTITIES, 300)
    assert (record.amount_nanos, record.operation, record.provider) == (COST_NANOS, "generate_content", "gemini")


async def test_sound_is_its_own_class_cached_or_not() -> None:
    gateway = FakeGateway(GEMINI)
    heard = {
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 300}, {"modality": "TEXT", "tokenCount": 700}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 100}, {"modality": "TEXT", "tokenCount": 300}],
    }
    gateway.will_answer(answer(usageMetadata={**USAGE, **heard}))
    await call(gateway)
    expected = {"input": 450, "cache_read": 300, "input_audio": 200, "cache_read_audio": 100, "output": 500}
    assert gateway.ledger.only.quantities == expected


@pytest.mark.parametrize("size", [1, 9, 64, 10_000])
async def test_a_stream_of_events_passes_unchanged_and_its_last_figures_count(size: int) -> None:
    gateway = FakeGateway(GEMINI)
    whole = FIRST + LAST
    gateway.will_stream(*[whole[at : at + size] for at in range(0, len(whole), size)])
    client = await call(gateway, path=STREAM_PATH, query=b"alt=sse")
    assert client.body == whole
    assert b":streamGenerateContent?alt=sse " in gateway.upstream.requests[0].head
    record = gateway.ledger.only
    assert (record.quantities, record.outcome, record.is_stream) == (QUANTITIES, Outcome.COMPLETE, True)


async def test_a_prompt_that_is_refused_for_what_it_says_ends_its_stream_and_is_charged_as_stated() -> None:
    gateway = FakeGateway(GEMINI)
    refused = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1000}}
    gateway.will_stream(b"data: %b\r\n\r\n" % msgspec.json.encode(refused))
    await call(gateway, path=STREAM_PATH, query=b"alt=sse")
    record = gateway.ledger.only
    assert (record.outcome, record.is_estimated, record.cost_state) == (Outcome.COMPLETE, False, CostState.COMPUTED)
    assert record.amount_nanos == 1000


async def test_a_stream_that_ends_with_an_error_says_so_in_its_record() -> None:
    gateway = FakeGateway(GEMINI)
    error = {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}
    gateway.will_stream(FIRST, b"data: %b\r\n\r\n" % msgspec.json.encode(error))
    await call(gateway, path=STREAM_PATH, query=b"alt=sse")
    record = gateway.ledger.only
    assert (record.outcome, record.reason) == (Outcome.BROKEN, "the provider ended the stream with an error")


@pytest.mark.parametrize("size", [1, 64, 10_000])
async def test_without_alt_sse_a_stream_is_an_array(size: int) -> None:
    gateway = FakeGateway(GEMINI)
    whole = FIRST + LAST
    gateway.will_stream(*[whole[at : at + size] for at in range(0, len(whole), size)])
    client = await call(gateway, path=STREAM_PATH)
    assert client.headers["content-type"] == "application/json"
    assert [each["candidates"][0]["content"]["parts"][0]["text"] for each in json.loads(client.body)] == [
        "four ",
        "five",
    ]
    assert gateway.ledger.only.quantities == QUANTITIES


async def test_a_stream_that_breaks_off_is_charged_for_what_it_had_stated_as_an_estimate() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_stream(FIRST, UpstreamFault("closed", "gone", sent=True))
    client = await call(gateway, path=STREAM_PATH, query=b"alt=sse")
    record = gateway.ledger.only
    assert (record.quantities, record.is_estimated) == ({"input": 1000, "output": 1}, True)
    assert json.loads(client.body.rpartition(b"data: ")[2])["error"]["status"] == "UNAVAILABLE"


async def test_a_stream_without_its_end_is_broken_however_cleanly_it_closed() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_stream(FIRST)
    await call(gateway, path=STREAM_PATH, query=b"alt=sse")
    assert gateway.ledger.only.outcome is Outcome.BROKEN


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "contents"),
        (request(generationConfig={"maxOutputTokens": "5x"}), "generationConfig"),
        (request(generationConfig={"candidateCount": 0}), "generationConfig"),
        (request(generationConfig={}, generation_config={}), "generationConfig"),
        (request(tools={}), "tools"),
    ],
)
async def test_what_is_wrong_is_refused_in_the_dialect_and_named(body: Any, field: str) -> None:
    gateway = FakeGateway(GEMINI)
    client = await call(gateway, body)
    refused = json.loads(client.body)["error"]
    assert (client.status, refused["code"], refused["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert refused["details"][0]["metadata"]["param"] == field
    assert not gateway.upstream.requests


@pytest.mark.parametrize(
    "config",
    [
        b'"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9000}',
        b'"generation_config":{"max_output_tokens":1},"generation_config":{"max_output_tokens":9000}',
        b'"generationConfig":{"maxOutputTokens":1},"\\u0067enerationConfig":{"maxOutputTokens":9000}',
        b'"generationConfig":{"candidate_count":1,"candidate_count":8}',
        b'"serviceTier":"flex","serviceTier":"priority"',
    ],
)
async def test_what_decides_and_stands_twice_is_refused(config: bytes) -> None:
    assert (await call(FakeGateway(GEMINI), b'{"contents":[],%b}' % config)).status == 400


async def test_a_wait_is_told_as_retry_info() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.limiter.refusal = RateExceeded("too fast", retry_after_seconds=1.5)
    client = await call(gateway, headers={"x-goog-api-key": GOOD_KEY})
    refused = json.loads(client.body)["error"]
    assert (client.status, refused["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert refused["details"][1]["retryDelay"] == "1.500s"


@pytest.mark.parametrize("tool", [{"googleMaps": {}}, {"google_maps": {}}, {"exaAiSearch": {}}])
async def test_tools_of_google_whose_fees_no_answer_states_leave_the_call_unpriced(tool: dict[str, Any]) -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    await call(gateway, request(tools=[tool]))
    assert gateway.ledger.only.cost_state is CostState.UNPRICED


async def test_functions_of_the_client_cause_no_fees() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    await call(gateway, request(tools=[{"function_declarations": [{"name": "f"}]}]))
    assert gateway.ledger.only.cost_state is CostState.COMPUTED


async def test_a_call_without_a_limit_gets_the_one_that_fits() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.budgets.left = 300_000
    gateway.will_answer(answer())
    await call(gateway, headers={"x-goog-api-key": GOOD_KEY})
    sent = json.loads(gateway.upstream.requests[0].body)
    assert sent["generationConfig"]["maxOutputTokens"] > 0


async def test_pictures_and_sound_are_not_taken_for_text() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(b"x" * 9_000).decode()}}
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    await call(gateway, request(contents=[{"role": "user", "parts": [picture]}]))
    assert gateway.ledger.only.cost_state is CostState.COMPUTED


async def test_a_models_name_cannot_leave_its_place_in_the_path() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    await call(gateway, path="/v1beta/models/gemini/../x?y#z:generateContent")
    assert b"POST /v1beta/models/..%2Fx%3Fy%23z:generateContent " in gateway.upstream.requests[0].head


@pytest.mark.parametrize("query", [b"&".join(b"a%d=1" % n for n in range(99)), b"%ff%00=&;=;", b"key"])
async def test_a_query_that_makes_no_sense_is_none(query: bytes) -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    assert (await call(gateway, query=query)).status == 200
    assert (await call(gateway, query=query, headers={})).status == 401


@pytest.mark.parametrize("name", ["tools", "contents", "generationConfig", "other"])
async def test_a_body_nested_too_deeply_is_the_clients_mistake(name: str) -> None:
    nested = b"[" * 5_000 + b"]" * 5_000
    body = b'{"contents":[],"%b":%b}' % (name.encode(), nested)
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer())
    assert (await call(gateway, body)).status == 400


async def test_one_of_several_answers_that_ends_does_not_end_the_stream() -> None:
    gateway = FakeGateway(GEMINI)
    error = b'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\r\n\r\n'
    gateway.will_stream(FIRST, LAST, error)
    asked = request(generationConfig={"candidateCount": 2, "maxOutputTokens": 9})
    await call(gateway, asked, path=STREAM_PATH, query=b"alt=sse")
    record = gateway.ledger.only
    assert (record.outcome, record.cost_state, record.is_estimated) == (Outcome.BROKEN, "estimated", True)
