"""Counting tokens: passed to a provider of the client's dialect, else estimated; free, but for a request in the rates."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import (
    ANTHROPIC,
    DISABLED_KEY,
    GEMINI,
    GOOD_KEY,
    MODEL,
    OPENAI,
    POWERLESS_KEY,
    PROVIDER_KEY,
    FakeGateway,
)

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import RateExceeded, UpstreamFault

CLAUDE_PATH, GEMINI_PATH = "/v1/messages/count_tokens", f"/v1beta/models/{MODEL}:countTokens"
PICTURE = base64.b64encode(b"x" * 90_000).decode()


def messages(content: Any = "one two three", **changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], **changes}


def contents(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts) or [{"text": "one two three"}]}]}


async def count(gateway: FakeGateway, body: Any = None, path: str = CLAUDE_PATH, **options: Any) -> FakeClient:
    key = options.pop("key", GOOD_KEY)
    name = "x-api-key" if path == CLAUDE_PATH else "x-goog-api-key"
    headers = {name: key, **options.pop("headers", {})}
    asked = (messages() if path == CLAUDE_PATH else contents()) if body is None else body
    return await gateway.call(asked, path=path, key=None, headers=headers, **options)


async def test_a_request_goes_to_anthropic_and_comes_back_as_the_same_bytes() -> None:
    gateway = FakeGateway(ANTHROPIC)
    sent, back = json.dumps(messages(system="x"), indent=1).encode(), b'{ "input_tokens": 14, "new": [] }'
    gateway.will_answer(back)
    client = await count(gateway, sent, headers={"anthropic-beta": "a-beta"})
    assert (client.status, client.body) == (200, back)
    out = gateway.upstream.requests[0]
    assert out.body == sent
    assert b"POST /v1/messages/count_tokens " in out.head
    assert b"anthropic-beta: a-beta" in out.head
    assert b"x-api-key: %b" % PROVIDER_KEY.encode() in out.head
    assert client.headers["request-id"].startswith("req_")


@pytest.mark.parametrize("path", [GEMINI_PATH, GEMINI_PATH.replace("v1beta", "v1")])
async def test_a_request_goes_to_gemini_and_comes_back_as_the_same_bytes(path: str) -> None:
    gateway = FakeGateway(GEMINI)
    sent = json.dumps({"generateContentRequest": {"model": f"models/{MODEL}", **contents()}}, indent=1).encode()
    gateway.will_answer(b'{"totalTokens": 5}')
    client = await count(gateway, sent, path)
    assert (client.status, client.body) == (200, b'{"totalTokens": 5}')
    assert gateway.upstream.requests[0].body == sent
    assert GEMINI_PATH.encode() in gateway.upstream.requests[0].head


async def test_counting_is_free_and_leaves_no_record() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.budgets.left = 0
    gateway.will_answer({"input_tokens": 14})
    assert (await count(gateway)).status == 200
    assert not gateway.ledger.reservations
    assert not gateway.budgets.held
    assert "hold" not in gateway.log


async def test_counting_is_a_request_in_the_rates_without_tokens() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer({"input_tokens": 14})
    client = await count(gateway)
    assert gateway.limiter.released == [0]
    assert client.headers["anthropic-ratelimit-requests-limit"] == "60"
    gateway.limiter.refusal = RateExceeded("Too many requests.", retry_after_s=3.0)
    refused = await count(gateway)
    assert (refused.status, refused.error["type"]) == (429, "rate_limit_error")
    assert [each.code for each in gateway.refusals.noted] == ["rate_limit_exceeded"]


@pytest.mark.parametrize("provider", [OPENAI, GEMINI])
async def test_a_provider_of_another_dialect_is_answered_for_by_an_estimate(provider: Any) -> None:
    gateway = FakeGateway(provider)
    client = await count(gateway, messages(system="four five", tools=[{"name": "six", "input_schema": {}}]))
    assert json.loads(client.body) == {
        "input_tokens": 6 + 3 * 4
    }  # by the fake counter, and 3 for each text and the answer
    assert client.headers["x-tollkeeper-estimated"] == "true"
    assert not gateway.upstream.requests


async def test_an_estimate_for_gemini_clients() -> None:
    client = await count(FakeGateway(OPENAI), path=GEMINI_PATH)
    assert json.loads(client.body) == {"totalTokens": 3 + 3 * 2}


async def test_pictures_are_estimated_and_documents_refused() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    seen = await count(FakeGateway(OPENAI), messages([{"type": "text", "text": "one"}, image]))
    assert json.loads(seen.body) == {"input_tokens": 1 + 3 * 2 + 1_600}
    document = {"type": "document", "source": {"type": "file", "file_id": "f"}}
    refused = await count(FakeGateway(OPENAI), messages([document]))
    assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
    blob = {"inlineData": {"mimeType": "image/png", "data": PICTURE}}
    assert json.loads((await count(FakeGateway(OPENAI), contents(blob), GEMINI_PATH)).body)["totalTokens"] < 2_000


async def test_another_name_of_the_model_is_said_to_the_provider() -> None:
    routes = [Route("clever", (Deployment(ANTHROPIC, "claude-fake"),)), Route("quick", (Deployment(GEMINI, "g"),))]
    gateway = FakeGateway(ANTHROPIC, routes=routes)
    for _ in range(3):
        gateway.will_answer(b"{}")
    await count(gateway, messages(model="clever"))
    whole = {"generate_content_request": {"model": "models/quick", **contents()}}
    await count(gateway, whole, GEMINI_PATH.replace(MODEL, "quick"))
    await count(gateway, contents(), GEMINI_PATH.replace(MODEL, "quick"))
    claude, nested, plain = (json.loads(request.body) for request in gateway.upstream.requests)
    assert claude == messages(model="claude-fake")
    assert nested["generateContentRequest"] == {"model": "models/g", **contents()}
    assert plain == contents()
    assert b"/models/g:countTokens " in gateway.upstream.requests[2].head


async def test_the_next_deployment_answers_when_the_first_cannot() -> None:
    route = Route("both", (Deployment(ANTHROPIC, "claude-fake"), Deployment(OPENAI, MODEL)))
    for fault in (UpstreamFault("connect", "gone", sent=False), None):
        gateway = FakeGateway(ANTHROPIC, routes=[route])
        gateway.will_answer({"type": "error"}, status=529, **({"before": [fault]} if fault else {}))
        client = await count(gateway, messages(model="both"))
        assert (client.status, client.headers["x-tollkeeper-estimated"]) == (200, "true")


async def test_the_providers_refusal_and_its_faults_reach_the_client() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(b'{"type":"error"}', status=400)
    client = await count(gateway)
    assert (client.status, client.body) == (400, b'{"type":"error"}')
    gateway.will_answer({}, before=[UpstreamFault("connect", "gone", sent=False)])
    gone = await count(gateway)
    assert (gone.status, gone.error["type"]) == (502, "api_error")
    assert not gateway.refusals.noted


async def test_the_providers_key_is_taken_out_of_its_answers_and_not_taken_for_the_callers() -> None:
    gateway = FakeGateway(ANTHROPIC)
    gateway.will_answer(b'{"message":"bad key %b"}' % PROVIDER_KEY.encode(), status=403)
    assert PROVIDER_KEY.encode() not in (await count(gateway)).body
    gateway.will_answer(b'{"message":"bad key"}', status=401)
    refused = await count(gateway)
    assert (refused.status, refused.error["code"]) == (502, "provider_key_refused")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CLAUDE_PATH, b"{", 400),
        (CLAUDE_PATH, b"[]", 400),
        (CLAUDE_PATH, {"model": MODEL}, 400),
        (CLAUDE_PATH, {"messages": []}, 400),
        (CLAUDE_PATH, {"model": MODEL, "messages": "x"}, 400),
        (CLAUDE_PATH, {"model": 5, "messages": []}, 400),
        (CLAUDE_PATH, b'{"model":"a","model":"b","messages":[]}', 400),
        (CLAUDE_PATH, b'{"messages":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400),
        (CLAUDE_PATH, messages(model="nobody"), 404),
        (GEMINI_PATH, {}, 400),
        (GEMINI_PATH, {"contents": [], "model": "models/other"}, 400),
        (GEMINI_PATH, {"generateContentRequest": {"model": "models/other", "contents": []}}, 400),
        (GEMINI_PATH.replace(MODEL, "nobody"), contents(), 404),
        (GEMINI_PATH.replace(MODEL, ""), contents(), 400),
    ],
)
async def test_what_cannot_be_understood_is_refused_in_the_dialect(path: str, body: Any, status: int) -> None:
    client = await count(FakeGateway(ANTHROPIC), body, path)
    assert client.status == status
    assert ("status" if path != CLAUDE_PATH else "type") in client.error


async def test_the_usual_checks_hold() -> None:
    gateway = FakeGateway(ANTHROPIC)
    assert (await count(gateway, key=DISABLED_KEY)).status == 401
    assert (await count(gateway, key=POWERLESS_KEY)).status == 403
    assert (await count(gateway, method="GET")).status == 405
    assert (await count(gateway, headers={"content-type": "text/plain"})).status == 415
    assert (await count(gateway, headers={"content-length": "200000"})).status == 413
    by_query = await gateway.call(contents(), path=GEMINI_PATH, key=None, query=f"key={GOOD_KEY}".encode())
    assert by_query.status == 200


async def test_a_fault_says_where_it_was_and_of_no_bill() -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (Deployment(ANTHROPIC, "claude-fake"),))])
    gateway.will_answer({}, before=[UpstreamFault("closed", "gone", sent=True)])
    error = json.loads((await count(gateway)).body)["error"]
    assert "The provider 'anthropic'" in error["message"]
    assert f"for model '{MODEL}'" in error["message"]
    assert "billed" not in error["message"]
