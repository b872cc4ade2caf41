"""The simulated Gemini: answers whole and streamed, functions, thoughts, grounding, caching, embeddings, what they cost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gemini_calls import (
    FLASH,
    FUNCTIONS,
    HEADERS,
    KEY,
    SEARCH,
    WEATHER,
    asking,
    no_thoughts,
    priced,
    route,
    said,
    streamed,
    text_of,
    user,
)

from tollkeeper_simulator import Simulator, tokens

PRICES = (750, 75, 3_750)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAyAAAAJY"  # the start of a picture of 800 × 600


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.origin, headers=HEADERS, timeout=10, verify=False) as plain:
        yield plain


async def test_an_answer_says_what_it_used(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await said(http, asking())
    usage = answer["usageMetadata"]
    assert usage["candidatesTokenCount"] == tokens.count(text_of(answer)) > 0
    assert usage["thoughtsTokenCount"] == 192
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] + 192
    assert usage["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": usage["promptTokenCount"]}]
    assert answer["candidates"][0]["finishReason"] == "STOP"
    assert answer["modelVersion"] == FLASH
    record = simulator.bill.records[0]
    assert answer["responseId"] == record.request_id
    assert record.amount_nano == priced(usage, PRICES)
    assert (record.provider, record.model, record.api_key_id) == ("gemini", FLASH, KEY[-6:])
    assert "cachedContentTokenCount" not in usage


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("key", [{"headers": HEADERS}, {"params": {"key": KEY}}])
async def test_both_versions_and_both_places_of_the_key_work(
    simulator: Simulator, version: str, key: dict[str, Any]
) -> None:
    async with httpx.AsyncClient(base_url=simulator.origin) as anyone:
        answer = await anyone.post(route(version=version), json=asking(), **key)
    assert answer.status_code == 200


async def test_a_stream_adds_up_to_the_whole_answer(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = asking(generationConfig={"thinkingConfig": {"includeThoughts": True}, "candidateCount": 2})
    whole = await said(http, body)
    chunks = await streamed(http, body)
    assert [text_of(whole, place) for place in (0, 1)] == [
        "".join(text_of(chunk) for chunk in chunks if chunk["candidates"][0]["index"] == place) for place in (0, 1)
    ]
    totals = [chunk["usageMetadata"]["totalTokenCount"] for chunk in chunks]
    assert totals == sorted(totals)
    assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert "finishReason" not in chunks[0]["candidates"][0]
    first, second = simulator.bill.records
    assert first.lines == second.lines
    assert (second.stream, second.usage_sent, second.complete) == (True, True, True)


async def test_without_alt_sse_a_stream_is_one_array(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await http.post(route(method="streamGenerateContent"), json=asking())
    assert answer.headers["content-type"].startswith("application/json")
    chunks = answer.json()
    assert len(chunks) > 3
    assert chunks == [chunk | {"responseId": chunks[0]["responseId"]} for chunk in await streamed_anew(http, asking())]
    assert simulator.bill.records[0].complete is True


async def streamed_anew(http: httpx.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    chunks = await streamed(http, body)
    return [{name: value for name, value in chunk.items() if name != "responseId"} for chunk in chunks]


async def test_thoughts_are_apart_from_candidates(http: httpx.AsyncClient, simulator: Simulator) -> None:
    config = {"thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}}
    answer = await said(http, asking(generationConfig=config))
    assert answer["candidates"][0]["content"]["parts"][0]["thought"] is True
    usage = answer["usageMetadata"]
    assert usage["thoughtsTokenCount"] == 64
    assert usage["candidatesTokenCount"] == tokens.count(text_of(answer))
    assert simulator.bill.records[0].usage.output_tokens == 64 + usage["candidatesTokenCount"]
    none = await said(http, asking(**no_thoughts()))
    assert "thoughtsTokenCount" not in none["usageMetadata"]


async def test_functions_are_called_in_parallel_with_ids_and_one_signature(http: httpx.AsyncClient) -> None:
    answer = await said(http, asking("use the tools", **FUNCTIONS))
    weather, time = answer["candidates"][0]["content"]["parts"]
    assert set(weather["functionCall"]["args"]) == {"city", "days"}
    assert 1 <= weather["functionCall"]["args"]["days"] <= 7
    assert weather["functionCall"]["id"] != time["functionCall"]["id"]
    assert ("thoughtSignature" in weather, "thoughtSignature" in time) == (True, False)
    old = await said(http, asking("use the tool", **FUNCTIONS), "gemini-2.5-flash")
    (part,) = old["candidates"][0]["content"]["parts"]
    assert "id" not in part["functionCall"]
    streamed_calls = (await streamed(http, asking("use the tools", **FUNCTIONS)))[-1]["candidates"][0]["content"][
        "parts"
    ]
    assert [part["functionCall"]["args"] for part in streamed_calls] == [
        part["functionCall"]["args"] for part in (weather, time)
    ]


@pytest.mark.parametrize(
    ("config", "text", "called"),
    [
        ({"mode": "ANY"}, "hi", ["get_weather"]),
        ({"mode": "ANY", "allowedFunctionNames": ["get_time"]}, "hi", ["get_time"]),
        ({"mode": "NONE"}, "use the tools", []),
        ({}, "use the tool", ["get_weather"]),
        ({}, "hi", []),
    ],
)
async def test_the_mode_decides_what_is_called(
    http: httpx.AsyncClient, config: dict[str, Any], text: str, called: list[str]
) -> None:
    answer = await said(http, asking(text, toolConfig={"functionCallingConfig": config}, **FUNCTIONS))
    parts = answer["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part] == called


async def test_a_turn_with_function_responses_needs_the_signature(http: httpx.AsyncClient) -> None:
    body = asking("use the tool", **FUNCTIONS)
    content = (await said(http, body))["candidates"][0]["content"]
    response = {"functionResponse": {"name": "get_weather", "response": {"result": "sun"}}}
    turns = [*body["contents"], content, user(response)]
    assert (await said(http, body | {"contents": turns}))["candidates"][0]["finishReason"] == "STOP"
    signature = content["parts"][0].pop("thoughtSignature")
    lost = await http.post(route(), json=body | {"contents": turns})
    assert lost.status_code == 400
    assert "Function call is missing a thought_signature" in lost.json()["error"]["message"]
    content["parts"][0]["thoughtSignature"] = signature[:-8] + "AAAAAAA="
    wrong = await http.post(route(), json=body | {"contents": turns})
    assert wrong.json()["error"]["message"] == "Corrupted thought signature."
    content["parts"][0]["thought_signature"] = content["parts"][0].pop("thoughtSignature") and signature
    assert await said(http, body | {"contents": turns})
    content["parts"][0]["thought_signature"] = "skip_thought_signature_validator"
    assert await said(http, body | {"contents": turns})
    del content["parts"][0]["thought_signature"]
    assert await said(http, body | {"contents": turns}, "gemini-2.5-flash")
    assert await said(
        http, body | {"contents": [*turns, {"role": "model", "parts": [{"text": "sun"}]}, user("and now?")]}
    )


@pytest.mark.parametrize(
    ("model", "prices", "fee"), [(FLASH, PRICES, 3 * 14_000_000), ("gemini-2.5-flash", (300, 30, 2_500), 35_000_000)]
)
async def test_grounding_costs_by_query_or_by_prompt(
    http: httpx.AsyncClient, simulator: Simulator, model: str, prices: tuple[int, int, int], fee: int
) -> None:
    body = asking("[[sim:searches=3]] please search", **SEARCH)
    answer = await said(http, body, model)
    usage = answer["usageMetadata"]
    assert len(answer["candidates"][0]["groundingMetadata"]["webSearchQueries"]) == 3
    assert usage["toolUsePromptTokenCount"] == 900
    assert usage["totalTokenCount"] == sum(
        usage[name]
        for name in ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    )
    assert simulator.bill.records[0].amount_nano == priced(usage, prices, fee)
    assert (await streamed(http, body, model))[-1]["usageMetadata"] == usage
    plain = await said(http, asking("hi", **SEARCH), model)
    assert "groundingMetadata" not in plain["candidates"][0]


async def test_long_prompts_are_cached_by_themselves(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = asking("word " * 5_000)
    first = (await said(http, body))["usageMetadata"]
    second = (await said(http, body))["usageMetadata"]
    assert "cachedContentTokenCount" not in first
    assert second["cachedContentTokenCount"] == second["promptTokenCount"] // 128 * 128
    assert second["cacheTokensDetails"] == [{"modality": "TEXT", "tokenCount": second["cachedContentTokenCount"]}]
    assert simulator.bill.records[1].amount_nano == priced(second, PRICES)
    for _ in range(2):
        short = (await said(http, asking("word " * 3_000)))["usageMetadata"]
    assert "cachedContentTokenCount" not in short


async def test_media_are_counted_by_modality_and_sound_has_its_price(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    sound = {"inlineData": {"mimeType": "audio/mp3", "data": "A" * 64_000 * 4}}
    picture = {"inline_data": {"mime_type": "image/png", "data": PNG}}
    for _ in range(2):
        usage = (await said(http, {"contents": [user("what?", picture, sound)]}, "gemini-2.5-flash"))["usageMetadata"]
    counts = {each["modality"]: each["tokenCount"] for each in usage["promptTokensDetails"]}
    assert counts["IMAGE"] == 2 * 258
    assert counts["AUDIO"] == 32 * 64_000 * 3 // 16_000
    assert sum(counts.values()) == usage["promptTokenCount"]
    lines = [{line.dimension: line.unit_price_pico for line in record.lines} for record in simulator.bill.records]
    assert lines[0]["input_audio"] == 1_000_000
    assert simulator.bill.records[0].usage.input_audio_tokens == counts["AUDIO"]
    newer = (await said(http, {"contents": [user(picture)]}))["usageMetadata"]
    assert {"modality": "IMAGE", "tokenCount": 1_120} in newer["promptTokensDetails"]


async def test_cached_sound_is_cheaper_than_fresh_sound(http: httpx.AsyncClient, simulator: Simulator) -> None:
    sound = {"inlineData": {"mimeType": "audio/mp3", "data": "A" * 2_000_000}}
    for _ in range(2):
        usage = (await said(http, {"contents": [user(sound, "what?")]}, "gemini-2.5-flash"))["usageMetadata"]
    cached = {each["modality"]: each["tokenCount"] for each in usage["cacheTokensDetails"]}
    lines = {line.dimension: (line.quantity, line.unit_price_pico) for line in simulator.bill.records[1].lines}
    assert lines["cache_read_audio"] == (cached["AUDIO"], 100_000)


async def test_structured_output_satisfies_either_schema(http: httpx.AsyncClient) -> None:
    for schema in (
        {"responseSchema": WEATHER["parameters"]},
        {"responseJsonSchema": {"type": "object", "properties": {"a": {"type": "null"}}}},
    ):
        answer = await said(http, asking(generationConfig={"responseMimeType": "application/json", **schema}))
        (properties,) = (each["properties"] for each in schema.values())
        assert set(json.loads(text_of(answer))) == set(properties)
    free = await said(http, asking(generationConfig={"response_mime_type": "application/json"}))
    assert isinstance(json.loads(text_of(free)), dict)


async def test_limits_and_stops_end_the_answer(http: httpx.AsyncClient) -> None:
    cut = await said(http, asking(**no_thoughts(maxOutputTokens=3)))
    assert cut["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert cut["usageMetadata"]["candidatesTokenCount"] == 3
    thought = await said(http, asking(generationConfig={"maxOutputTokens": 100}))
    assert thought["candidates"][0]["content"] == {"role": "model"}
    assert thought["usageMetadata"]["thoughtsTokenCount"] == 100
    whole = text_of(await said(http, asking(**no_thoughts())))
    word = whole.split()[4]
    assert text_of(await said(http, asking(**no_thoughts(stopSequences=[word])))) == whole[: whole.index(word)]


@pytest.mark.parametrize(("tier", "pico"), [("flex", 375_000), ("PRIORITY", 1_350_000), ("standard", 750_000)])
async def test_the_service_tier_sets_the_price(
    http: httpx.AsyncClient, simulator: Simulator, tier: str, pico: int
) -> None:
    answer = await http.post(route(), json=asking(serviceTier=tier))
    assert answer.headers["x-gemini-service-tier"] == answer.json()["usageMetadata"]["serviceTier"] == tier.lower()
    assert simulator.bill.records[0].lines[0].unit_price_pico == pico


async def test_a_long_prompt_costs_pro_more(http: httpx.AsyncClient, simulator: Simulator) -> None:
    usage = (await said(http, asking("word " * 200_001), "gemini-2.5-pro"))["usageMetadata"]
    assert simulator.bill.records[0].amount_nano == priced(usage, (2_500, 250, 15_000))


async def test_counting_tokens_agrees_with_usage_and_costs_nothing(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    body = asking("how much is this?", systemInstruction={"parts": [{"text": "Be short."}]}, **FUNCTIONS)
    used = (await said(http, body))["usageMetadata"]["promptTokenCount"]
    whole = await http.post(route(method="countTokens"), json={"generateContentRequest": body})
    assert whole.json()["totalTokens"] == used
    part = await http.post(route(method="countTokens"), json={"contents": body["contents"]})
    assert 0 < part.json()["totalTokens"] < used
    assert len(simulator.bill.records) == 1


async def test_embeddings_are_unit_vectors_and_only_newer_models_tell_their_usage(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    text = {"content": {"parts": [{"text": "hello you"}]}, "outputDimensionality": 8}
    one = (await http.post(route("gemini-embedding-001", "embedContent"), json=text)).json()
    assert "usageMetadata" not in one
    assert len(one["embedding"]["values"]) == 8
    assert sum(value**2 for value in one["embedding"]["values"]) == pytest.approx(1)
    many = (await http.post(route("gemini-embedding-2", "batchEmbedContents"), json={"requests": [text, text]})).json()
    assert many["usageMetadata"]["promptTokenCount"] == 4
    assert len(many["embeddings"]) == 2
    first, second = simulator.bill.records
    assert (first.amount_nano, first.usage_sent) == (2 * 150, False)
    assert (second.amount_nano, second.usage_sent) == (4 * 200, True)


async def test_models_come_in_the_callers_shape(http: httpx.AsyncClient) -> None:
    page = (await http.get("/v1beta/models", params={"pageSize": 10})).json()
    rest = (await http.get("/v1/models", params={"pageSize": 1_000, "pageToken": page["nextPageToken"]})).json()
    names = [model["name"] for model in page["models"] + rest["models"]]
    assert f"models/{FLASH}" in names
    assert len(set(names)) == len(names) > 12
    one = (await http.get(f"/v1beta/models/{FLASH}")).json()
    assert "generateContent" in one["supportedGenerationMethods"]
    assert (await http.get("/v1beta/models/gemini-0")).json()["error"]["status"] == "NOT_FOUND"


async def test_all_answers_rest_on_the_same_searches_which_are_billed_once(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    body = asking("[[sim:searches=3]] please search", generationConfig={"candidateCount": 2}, **SEARCH)
    answer = await said(http, body, FLASH)
    first, second = (each["groundingMetadata"]["webSearchQueries"] for each in answer["candidates"])
    assert first == second
    assert len(set(first)) == 3
    assert simulator.bill.records[0].amount_nano == priced(answer["usageMetadata"], PRICES, 3 * 14_000_000)
