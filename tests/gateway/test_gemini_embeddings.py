"""Embeddings of Gemini's: bytes unchanged, usage by kind of input, counted where none is stated; and for OpenAI's clients."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import ANTHROPIC, GEMINI, GOOD_KEY, MODEL, OPENAI, POWERLESS_KEY, UNLIMITED_KEY, FakeGateway

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.usage import CostState

ONE, MANY = f"/v1beta/models/{MODEL}:embedContent", f"/v1beta/models/{MODEL}:batchEmbedContents"
PICTURE = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(b"x" * 900).decode()}}


def one(text: str = "one two three", **changes: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}, **changes}


def many(*texts: str, model: str = MODEL) -> dict[str, Any]:
    return {"requests": [one(text, model=f"models/{model}") for text in texts]}


def answer(*vectors: list[float], tokens: int | None = 7, **usage: Any) -> dict[str, Any]:
    stated = {} if tokens is None else {"usageMetadata": {"promptTokenCount": tokens, **usage}}
    return {"embeddings": [{"values": vector} for vector in vectors], **stated}


async def call(gateway: FakeGateway, body: Any, path: str = MANY, **options: Any) -> FakeClient:
    options = {"key": None, "headers": {"x-goog-api-key": UNLIMITED_KEY}, **options}
    return await gateway.call(body, path=path, **options)


@pytest.mark.parametrize(("path", "body"), [(ONE, one(taskType="CLUSTERING")), (MANY, many("a", "b"))])
async def test_a_request_goes_out_and_comes_back_as_the_same_bytes(path: str, body: Any) -> None:
    gateway = FakeGateway(GEMINI)
    sent, back = json.dumps(body, indent=1).encode(), json.dumps(answer([0.5], tokens=7), indent=1).encode()
    gateway.will_answer(back)
    client = await call(gateway, sent, path)
    assert (client.status, client.body) == (200, back)
    assert gateway.upstream.requests[0].body == sent
    assert f"POST {path} ".encode() in gateway.upstream.requests[0].head
    record = gateway.ledger.only
    assert (record.operation, record.quantities, record.amount_nanos) == ("embeddings", {"input": 7}, 7)
    assert record.cost_state is CostState.COMPUTED


async def test_kinds_of_input_are_classes_of_their_own() -> None:
    gateway = FakeGateway(GEMINI)
    details = [{"modality": kind, "tokenCount": count} for kind, count in (("TEXT", 3), ("IMAGE", 258), ("AUDIO", 32))]
    gateway.will_answer(answer([0.5], tokens=293, promptTokenDetails=details))
    await call(gateway, {"content": {"parts": [{"text": "x"}, PICTURE]}}, ONE)
    assert gateway.ledger.only.quantities == {"input": 3, "input_audio": 32, "input_image": 258}


async def test_tokens_that_are_not_stated_are_counted_and_marked() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer([0.5], [0.25], tokens=None))
    await call(gateway, many("one two three", "four five"))
    record = gateway.ledger.only
    assert (record.quantities, record.cost_state) == ({"input": 5, "output": 0}, CostState.ESTIMATED)


@pytest.mark.parametrize(
    "part",
    [
        {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
        {"inline_data": {"mime_type": "application/pdf", "data": "AAAA"}},
        {"fileData": {"fileUri": "https://x.test/f"}},
    ],
)
async def test_what_has_no_price_by_tokens_is_unpriced_and_no_call_within_a_budget(part: Any) -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer([0.5], tokens=300))
    await call(gateway, {"content": {"parts": [part]}}, ONE)
    assert gateway.ledger.only.cost_state is CostState.UNPRICED
    refused = await call(gateway, {"content": {"parts": [part]}}, ONE, headers={"x-goog-api-key": GOOD_KEY})
    assert refused.status == 429


async def test_another_name_of_the_model_is_said_in_every_request() -> None:
    route = Route("vectors", (Deployment(GEMINI, "gemini-fake"),))
    gateway = FakeGateway(GEMINI, routes=[route])
    for path, body in ((MANY, many("a", "b", model="vectors")), (ONE, one(model="models/vectors"))):
        gateway.will_answer(answer([0.5]))
        assert (await call(gateway, body, path.replace(MODEL, "vectors"))).status == 200
    batch, single = (json.loads(request.body) for request in gateway.upstream.requests)
    assert [each["model"] for each in batch["requests"]] == ["models/gemini-fake"] * 2
    assert (single["model"], single["content"]) == ("models/gemini-fake", one()["content"])
    assert b"/models/gemini-fake:batchEmbedContents " in gateway.upstream.requests[0].head


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (ONE, {}, "content"),
        (ONE, one(model="models/dearer"), "model"),
        (MANY, {}, "requests"),
        (MANY, {"requests": []}, "requests"),
        (MANY, {"requests": [one(model="models/dearer")]}, "requests[0].model"),
        (MANY, {"requests": [one(), {"content": "x"}]}, "requests[1].content"),
        (MANY, b'{"requests":[{"content":{},"content":{}}]}', None),
        (MANY, b"[]", None),
        (MANY, b'{"requests":' + b"[" * 5_000 + b"]" * 5_000 + b"}", None),
    ],
)
async def test_what_cannot_be_understood_is_refused_in_the_dialect(path: str, body: Any, field: str | None) -> None:
    gateway = FakeGateway(GEMINI)
    client = await call(gateway, body, path)
    assert (client.status, client.error["status"]) == (400, "INVALID_ARGUMENT")
    if field is not None:
        assert client.error["details"][0]["metadata"]["param"] == field


async def test_the_permission_for_embeddings_is_what_it_needs() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer([0.5]))
    embeds_only = {"x-goog-api-key": POWERLESS_KEY}
    assert (await call(gateway, many("a"), headers=embeds_only)).status == 200
    assert (
        await call(gateway, many("a"), f"/v1beta/models/{MODEL}:generateContent", headers=embeds_only)
    ).status == 403


async def test_a_provider_of_another_dialect_cannot_be_asked() -> None:
    for provider in (OPENAI, ANTHROPIC):
        client = await call(FakeGateway(provider), many("a"))
        assert (client.status, client.error["details"][0]["metadata"]["param"]) == (400, "model")


def openai_body(given: Any = "one two three", **changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": given, **changes}


async def ask(gateway: FakeGateway, body: Any, key: str = UNLIMITED_KEY) -> FakeClient:
    return await gateway.call(body, path="/v1/embeddings", key=key)


async def test_an_openai_client_is_served_by_gemini() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer([0.5, -0.25], [1.0, 0.0], tokens=9))
    client = await ask(gateway, openai_body(["a", "b"], dimensions=2, user="u"), GOOD_KEY)
    out = gateway.upstream.requests[0]
    assert f"POST /v1beta/models/{MODEL}:batchEmbedContents ".encode() in out.head
    assert json.loads(out.body) == {
        "requests": [
            {"model": f"models/{MODEL}", "outputDimensionality": 2, "content": {"parts": [{"text": text}]}}
            for text in ("a", "b")
        ]
    }
    assert json.loads(client.body) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]},
            {"object": "embedding", "index": 1, "embedding": [1.0, 0.0]},
        ],
        "model": MODEL,
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    assert (gateway.ledger.only.quantities, gateway.ledger.only.end_user) == ({"input": 9}, "u")


async def test_base64_holds_32_bit_floats() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer([0.1, -2.0]))
    found = json.loads((await ask(gateway, openai_body(encoding_format="base64"))).body)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(found)) == pytest.approx((0.1, -2.0), rel=1e-7)


async def test_a_usage_that_gemini_does_not_state_is_not_made_up() -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answer([0.5], tokens=None))
    assert json.loads((await ask(gateway, openai_body())).body)["usage"] is None
    assert gateway.ledger.only.cost_state is CostState.ESTIMATED


@pytest.mark.parametrize(
    "stated", [7, "x", [], {}, None, {"promptTokenCount": "x"}, {"promptTokenCount": -1}, {"promptTokenDetails": 1}]
)
async def test_a_usage_that_cannot_be_read_spoils_no_answer(stated: Any) -> None:
    answered = {**answer([0.5]), "usageMetadata": stated}
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answered)
    client = await ask(gateway, openai_body())
    assert (client.status, json.loads(client.body)["usage"]) == (200, None)
    assert json.loads(client.body)["data"][0]["embedding"] == [0.5]
    assert gateway.ledger.only.cost_state is CostState.ESTIMATED
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(answered)
    assert (await call(gateway, one(), ONE)).status == 200
    assert gateway.ledger.only.cost_state is CostState.ESTIMATED


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input": [1, 2, 3]}, "input[0]"),
        ({"input": [[1, 2]]}, "input[0]"),
        ({"input": []}, "input"),
        ({"input": {"text": "x"}}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"task": "x"}, "task"),
    ],
)
async def test_what_gemini_cannot_be_told_names_its_field(changes: Any, field: str) -> None:
    client = await ask(FakeGateway(GEMINI), openai_body(**changes))
    assert (client.status, client.error["param"]) == (400, field)


async def test_errors_of_gemini_come_in_openais_words() -> None:
    gateway = FakeGateway(GEMINI)
    body = {"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}
    gateway.will_answer(body, status=404)
    client = await ask(gateway, openai_body())
    assert (client.status, client.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"embeddings":[{"values":"x"}]}', b"\xff"])
async def test_an_answer_without_embeddings_is_the_providers_fault(body: bytes) -> None:
    gateway = FakeGateway(GEMINI)
    gateway.will_answer(body)
    assert (await ask(gateway, openai_body())).status == 502
    gateway.ledger.assert_balanced()
