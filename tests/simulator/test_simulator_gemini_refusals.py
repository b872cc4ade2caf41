"""What Google refuses, the simulator refuses, in the same shape and for nothing; faults are told in its words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gemini_calls import FLASH, FUNCTIONS, HEADERS, SEARCH, WEATHER, asking, route, said, streamed, user
from simulator_calls import settled

from tollkeeper_simulator import Simulator

CALL = {
    "role": "model",
    "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"}],
}
RESPONSE = user({"functionResponse": {"name": "f", "response": {}}})
OLD = "gemini-2.5-pro"


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.origin, headers=HEADERS, timeout=10, verify=False) as plain:
        yield plain


def config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


def functions(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [WEATHER | fields]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contents": None}, "* GenerateContentRequest.contents: contents is not specified"),
        ({"contents": "hi"}, "Invalid value at 'contents'"),
        ({"contents": [{"role": "boss", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
        ({"contents": [{"role": "user", "parts": []}]}, "* GenerateContentRequest.contents[0].parts: contents.parts must not"),
        ({"contents": [user({"thought": True})]}, "* GenerateContentRequest.contents[0].parts[0].data: required oneof"),
        ({"contents": [user({"text": "a", "inlineData": {}})]}, "* GenerateContentRequest.contents[0].parts[0].data"),
        ({"contents": [user({"colour": "red", "text": "x"})]}, 'Invalid JSON payload received. Unknown name "colour" at'),
        ({"contents": [user({"text": 5})]}, "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5"),
        ({"contents": [user("a"), CALL, user("b", RESPONSE["parts"][0], RESPONSE["parts"][0])]}, "Please ensure that the number"),
        ({"contents": [user("a"), RESPONSE]}, "Please ensure that the number of function response parts"),
        ({"contents": [CALL, RESPONSE]}, "Please ensure that function call turn comes immediately after"),
        ({"colour": "red"}, 'Invalid JSON payload received. Unknown name "colour": Cannot find field.'),
        (config(colour=1), "Invalid JSON payload received. Unknown name \"colour\" at 'generation_config'"),
        (config(temperature=3), "Invalid value at 'generation_config.temperature'"),
        (config(maxOutputTokens=99_999), "Unable to submit request because it has a maxOutputTokens value of 99999"),
        (config(candidateCount=9), "Unable to submit request because it has a candidateCount value of 9"),
        (config(stopSequences=["a"] * 6), "* GenerateContentRequest.generation_config.stop_sequences"),
        (config(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}), "You can only set only one of thinking"),
        (config(responseSchema={"type": "OBJECT"}), "* GenerateContentRequest.generation_config.response_schema: only"),
        (config(responseMimeType="text/html"), "* GenerateContentRequest.generation_config.response_mime_type"),
        (config(responseMimeType="application/json", responseSchema={"$ref": "#"}), 'Invalid JSON payload received. Unknown name "$ref"'),
        (config(responseMimeType="application/json", responseSchema={"type": "thing"}), "Invalid value at 'generation_config.response_schema.type'"),
        (functions(parameters={"type": "OBJECT", "additionalProperties": False}), 'Invalid JSON payload received. Unknown name "additionalProperties"'),
        (functions(name="a b"), "* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name."),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "Invalid value at 'tool_config.function_calling_config.mode'"),
        (FUNCTIONS | {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}}, "Function calling config"),
        ({"serviceTier": "gold"}, "Invalid value at 'service_tier'"),
        ({"contents": [user({"inlineData": {"mimeType": "chemical/x", "data": "AA"}})]}, "Unsupported MIME type: chemical/x"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(
    http: httpx.AsyncClient, simulator: Simulator, change: dict[str, Any], message: str
) -> None:
    answer = await http.post(route(), json=asking() | change)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"].startswith(message)
    assert simulator.bill.total_nano == 0
    assert simulator.bill.records[0].provider == "gemini"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            config(thinkingConfig={"thinkingBudget": 0}),
            "The thinking budget 0 is invalid. Please choose a value between 128",
        ),
        (config(thinkingConfig={"thinkingLevel": "LOW"}), "Thinking level is not supported for this model."),
        (
            {"tools": FUNCTIONS["tools"] + SEARCH["tools"]},
            "Tool use with function calling is unsupported by the model.",
        ),
    ],
)
async def test_older_models_refuse_what_newer_ones_take(
    http: httpx.AsyncClient, change: dict[str, Any], message: str
) -> None:
    answer = await http.post(route(OLD), json=asking() | change)
    assert answer.json()["error"]["message"].startswith(message)
    assert (await http.post(route(), json=asking() | change)).status_code == 200


async def test_a_bad_key_is_a_400_with_a_reason_and_none_a_403(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.origin) as nobody:
        for path in (route(), route(method="countTokens")):
            bad = await nobody.post(path, json=asking(), headers={"x-goog-api-key": "bad-1"})
            assert bad.status_code == 400
            assert bad.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
            assert (await nobody.post(path, json=asking())).json()["error"]["status"] == "PERMISSION_DENIED"


async def test_unknown_models_methods_and_caches_are_not_found(http: httpx.AsyncClient) -> None:
    for path in (
        route("gemini-0"),
        route("gemini-embedding-001"),
        route(FLASH, "embedContent"),
        route(FLASH, "paint"),
        "/v1beta/x",
    ):
        answer = await http.post(path, json=asking())
        assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert (await http.post(route(), json=asking(cachedContent="cachedContents/1"))).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_a_body_that_is_no_json_object_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    for method in ("generateContent", "countTokens"):
        answer = await http.post(route(method=method), content=body)
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("status=503", 503, "UNAVAILABLE"),
        ("status=500", 500, "INTERNAL"),
        ("status=504", 504, "DEADLINE_EXCEEDED"),
        ("status=429:rate", 429, "RESOURCE_EXHAUSTED"),
        ("status=429:quota", 429, "RESOURCE_EXHAUSTED"),
        ("status=400:quota", 400, "FAILED_PRECONDITION"),
        ("status=401", 401, "UNAUTHENTICATED"),
        ("status=403", 403, "PERMISSION_DENIED"),
    ],
)
@pytest.mark.parametrize("as_events", [True, False])
async def test_a_fault_has_googles_shape_and_costs_nothing(
    http: httpx.AsyncClient, simulator: Simulator, fault: str, code: int, status: str, as_events: bool
) -> None:
    headers = {"x-sim-fault": fault}
    plain = (await http.post(route(), json=asking(), headers=headers)).json()
    params = {"alt": "sse"} if as_events else {}
    answer = await http.post(route(method="streamGenerateContent"), json=asking(), headers=headers, params=params)
    assert answer.status_code == code
    assert answer.json() == (plain if as_events else [plain])
    assert (plain["error"]["code"], plain["error"]["status"]) == (code, status)
    assert "retry-after" not in answer.headers
    assert simulator.bill.total_nano == 0
    if code == 429:
        quota, _, retry = plain["error"]["details"]
        assert ("PerDay" in quota["violations"][0]["quotaId"]) == (fault == "status=429:quota")
        assert retry["@type"] == "type.googleapis.com/google.rpc.RetryInfo"
        assert retry["retryDelay"].endswith("s")


@pytest.mark.parametrize("as_events", [True, False])
async def test_an_error_breaks_a_stream_and_what_was_made_is_billed(
    http: httpx.AsyncClient, simulator: Simulator, as_events: bool
) -> None:
    params = {"alt": "sse"} if as_events else {}
    text = (
        await http.post(
            route(method="streamGenerateContent"), json=asking("[[sim:error_event;tokens=40]]"), params=params
        )
    ).text
    last = json.loads(text.split("\r\n\r\n")[-2].removeprefix("data: ")) if as_events else json.loads(text)[-1]
    assert last["error"]["status"] == "UNAVAILABLE"
    record = simulator.bill.records[0]
    assert 0 < record.usage.output_tokens < 40
    assert (record.complete, record.usage_sent) == (False, False)


async def test_a_cut_stream_costs_the_prompt_and_the_tokens_made(http: httpx.AsyncClient, simulator: Simulator) -> None:
    for cut in (3_000, 9_000):
        with pytest.raises(httpx.RemoteProtocolError):
            await streamed(http, asking(f"[[sim:tokens=300;cut={cut}]]"))
    await settled(simulator)
    short, long = (record.usage for record in simulator.bill.records)
    assert 0 < short.output_tokens < long.output_tokens < 300


async def test_usage_can_be_left_out_be_late_or_zero(http: httpx.AsyncClient, simulator: Simulator) -> None:
    assert "usageMetadata" not in await said(http, asking("[[sim:no_usage]]"))
    assert not any("usageMetadata" in chunk for chunk in await streamed(http, asking("[[sim:no_usage]]")))
    late = await streamed(http, asking("[[sim:late_usage]]"))
    assert ["usageMetadata" in chunk for chunk in late] == [False] * (len(late) - 1) + [True]
    zero = (await said(http, asking("[[sim:zero_usage]]")))["usageMetadata"]
    assert (zero["promptTokenCount"], zero["totalTokenCount"]) == (0, 0)
    assert [record.usage_sent for record in simulator.bill.records] == [False, False, True, True]
    assert [record.amount_nano > 0 for record in simulator.bill.records] == [True, True, True, False]


async def test_what_costs_nothing_has_searched_nothing(http: httpx.AsyncClient, simulator: Simulator) -> None:
    for fault, tells in (("searches=2", True), ("zero_usage;searches=2", False)):
        answer = await said(http, asking(f"[[sim:{fault}]]") | {"tools": [{"googleSearch": {}}]})
        assert ("groundingMetadata" in answer["candidates"][0]) == tells
    assert [record.amount_nano > 0 for record in simulator.bill.records] == [True, False]


async def test_a_blocked_prompt_is_an_answer_and_is_billed(http: httpx.AsyncClient, simulator: Simulator) -> None:
    for answer in (await said(http, asking("[[sim:blocked]]")), (await streamed(http, asking("[[sim:blocked]]")))[-1]):
        assert answer["promptFeedback"]["blockReason"] == "SAFETY"
        assert "candidates" not in answer
        assert "candidatesTokenCount" not in answer["usageMetadata"]
    assert all({line.dimension for line in record.lines} == {"input"} for record in simulator.bill.records)


async def test_a_filtered_answer_ends_for_safety(http: httpx.AsyncClient) -> None:
    for answer in (
        await said(http, asking("[[sim:filtered]]")),
        (await streamed(http, asking("[[sim:filtered]]")))[-1],
    ):
        candidate = answer["candidates"][0]
        assert candidate["finishReason"] == "SAFETY"
        assert candidate["safetyRatings"][0]["blocked"] is True


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
async def test_tokens_sets_the_exact_output(http: httpx.AsyncClient, simulator: Simulator, method: str) -> None:
    await http.post(route(method=method), json=asking("[[sim:tokens=777]]"))
    assert simulator.bill.records[0].usage.output_tokens == 777


async def test_rules_match_the_model_of_the_path(http: httpx.AsyncClient) -> None:
    await http.post("/_faults", json={"match": {"model": FLASH, "path": route()}, "fault": "status=503"})
    assert (await http.post(route(OLD), json=asking())).status_code == 200
    assert [(await http.post(route(), json=asking())).status_code for _ in range(2)] == [503, 200]


async def test_faults_work_for_embeddings(http: httpx.AsyncClient, simulator: Simulator) -> None:
    content = {"content": {"parts": [{"text": "[[sim:status=503]]"}]}}
    one = await http.post(route("gemini-embedding-2", "embedContent"), json=content)
    many = await http.post(route("gemini-embedding-2", "batchEmbedContents"), json={"requests": [content]})
    assert (one.status_code, many.status_code) == (503, 503)
    assert simulator.bill.total_nano == 0
