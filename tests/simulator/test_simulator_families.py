"""DeepSeek and xAI on OpenAI's routes: usage in their words, prices by the hour, stated costs, errors of their own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import openai
import pytest
from simulator_calls import KEY, WEATHER, WITH_USAGE, asking

from tollkeeper_simulator import Settings, Simulator, tokens
from tollkeeper_simulator.openai.families import is_peak

CHAT = "/v1/chat/completions"
DEEPSEEK = {"model": "deepseek-v4-pro"}
GROK = {"model": "grok-4.7"}
XAI_KEY = {"authorization": "Bearer xai-sim-abc123"}


async def answered(http: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post(CHAT, json=body)
    assert answer.status_code == 200, answer.text
    decoded: dict[str, Any] = answer.json()
    return decoded


async def streamed(http: httpx.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the chunks; comments and `[DONE]` are left out."""
    text = (await http.post(CHAT, json=body | {"stream": True})).text
    data = [event.removeprefix("data: ") for event in text.split("\n\n") if event.startswith("data: {")]
    return [json.loads(each) for each in data]


# DeepSeek


async def test_deepseek_tells_cache_hits_and_misses(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = asking("word " * 100) | DEEPSEEK
    first = (await answered(http, body))["usage"]
    second = (await answered(http, body))["usage"]
    size = first["prompt_tokens"]
    assert (first["prompt_cache_hit_tokens"], first["prompt_cache_miss_tokens"]) == (0, size)
    assert second["prompt_cache_hit_tokens"] == second["prompt_tokens_details"]["cached_tokens"] == size // 64 * 64
    assert second["prompt_cache_hit_tokens"] + second["prompt_cache_miss_tokens"] == size
    record = simulator.bill.records[1]
    assert {line.dimension: line.quantity for line in record.lines} == {
        "input": second["prompt_cache_miss_tokens"],
        "cache_read": second["prompt_cache_hit_tokens"],
        "output": second["completion_tokens"],
    }
    assert record.provider == "deepseek"


async def test_deepseeks_thoughts_are_shown_and_within_its_completion(http: httpx.AsyncClient) -> None:
    answer = await answered(http, asking() | DEEPSEEK)
    message, usage = answer["choices"][0]["message"], answer["usage"]
    assert tokens.count(message["reasoning_content"]) == usage["completion_tokens_details"]["reasoning_tokens"] == 192
    assert usage["completion_tokens"] == 192 + tokens.count(message["content"])
    assert "service_tier" not in answer
    plain = await answered(http, asking(thinking={"type": "disabled"}, max_tokens=9) | DEEPSEEK)
    assert "reasoning_content" not in plain["choices"][0]["message"]
    assert plain["usage"]["completion_tokens"] == 9


async def test_a_stream_of_deepseek_keeps_alive_and_thinks_aloud(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = asking() | DEEPSEEK | WITH_USAGE
    assert (await http.post(CHAT, json=body)).text.startswith(": keep-alive\n\n")
    whole = (await answered(http, asking() | DEEPSEEK))["choices"][0]["message"]
    chunks = await streamed(http, body)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == whole["reasoning_content"]
    assert "".join(delta.get("content") or "" for delta in deltas) == whole["content"]
    assert chunks[-1]["usage"]["completion_tokens"] == simulator.bill.records[-1].usage.output_tokens
    assert simulator.bill.records[0].lines == simulator.bill.records[1].lines


@pytest.mark.parametrize(("peak", "tier", "pico"), [(True, "peak", 3_960_000), (False, "default", 1_980_000)])
async def test_deepseek_is_dearer_at_its_peak(peak: bool, tier: str, pico: int) -> None:
    async with (
        Simulator(Settings(peak_hours=peak)) as simulator,
        httpx.AsyncClient(base_url=simulator.origin, headers={"authorization": f"Bearer {KEY}"}) as http,
    ):
        await answered(http, asking() | DEEPSEEK)
    record = simulator.bill.records[0]
    assert record.service_tier == tier
    assert {line.dimension: line.unit_price_pico for line in record.lines}["output"] == pico


@pytest.mark.parametrize(
    ("moment", "peak"),
    [
        ("2026-11-20T00:59:59", False), ("2026-11-20T01:00:00", True), ("2026-11-20T03:59:59", True),
        ("2026-11-20T04:00:00", False), ("2026-11-20T06:00:00", True), ("2026-11-20T10:00:00", False),
        ("2026-11-21T02:00:00", False), ("2026-11-22T07:00:00", False), ("2026-11-23T02:00:00", True),
    ],
)  # fmt: skip
def test_peak_hours_are_those_of_working_days(moment: str, peak: bool) -> None:
    assert is_peak(int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())) == peak


@pytest.mark.parametrize("fault", ["status=402", "status=429:quota"])
async def test_an_empty_balance_is_a_402_to_deepseek(http: httpx.AsyncClient, fault: str) -> None:
    answer = await http.post(CHAT, json=asking() | DEEPSEEK, headers={"x-sim-fault": fault})
    assert (answer.status_code, answer.json()["error"]["message"]) == (402, "Insufficient Balance")


# xAI


async def test_reasoning_is_outside_xais_completion_tokens(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await answered(http, asking() | GROK)
    usage = answer["usage"]
    assert usage["completion_tokens"] == tokens.count(answer["choices"][0]["message"]["content"])
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 192
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + 192
    record = simulator.bill.records[0]
    assert record.usage.output_tokens == usage["completion_tokens"] + 192
    assert (record.provider, "service_tier" in answer) == ("xai", False)


async def test_xai_states_what_it_bills(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = asking("[[sim:searches=3]]", search_parameters={"mode": "on"}) | GROK
    usage = (await answered(http, body))["usage"]
    record = simulator.bill.records[0]
    made = usage["completion_tokens"] + usage["completion_tokens_details"]["reasoning_tokens"]
    assert record.amount_nano == usage["prompt_tokens"] * 2_000 + made * 6_000 + 3 * 5_000_000
    assert usage["cost_in_usd_ticks"] == record.cost_ticks == record.amount_nano * 10
    assert usage["num_sources_used"] == 3
    chunks = await streamed(http, body)
    assert chunks[-1]["usage"] == usage  # without being asked for
    assert simulator.bill.records[1].usage_sent is True
    zero = (await answered(http, asking("[[sim:zero_usage]]") | GROK))["usage"]
    assert (zero["cost_in_usd_ticks"], simulator.bill.records[2].amount_nano) == (0, 0)


async def test_a_discount_is_only_told_by_the_stated_cost() -> None:
    async with (
        Simulator(Settings(grok_percent=80)) as simulator,
        httpx.AsyncClient(base_url=simulator.origin, headers=XAI_KEY) as http,
    ):
        usage = (await answered(http, asking() | GROK))["usage"]
    made = usage["completion_tokens"] + usage["completion_tokens_details"]["reasoning_tokens"]
    listed = usage["prompt_tokens"] * 2_000 + made * 6_000
    assert usage["cost_in_usd_ticks"] == listed * 8
    assert simulator.bill.records[0].amount_nano * 10 == listed * 8
    assert simulator.bill.records[0].price_percent == 80


async def test_other_providers_state_no_cost(http: httpx.AsyncClient, simulator: Simulator) -> None:
    for model in ({}, DEEPSEEK):
        assert "cost_in_usd_ticks" not in (await answered(http, asking() | model))["usage"]
    assert [record.cost_ticks for record in simulator.bill.records] == [None, None]


@pytest.mark.parametrize(("words", "pico"), [(199_990, 2_000_000), (199_999, 4_000_000)])
async def test_two_hundred_thousand_tokens_are_already_long_to_xai(
    http: httpx.AsyncClient, simulator: Simulator, words: int, pico: int
) -> None:
    usage = (await answered(http, asking("word " * words) | GROK))["usage"]
    assert (usage["prompt_tokens"] >= 200_000) == (pico == 4_000_000)
    assert simulator.bill.records[0].lines[0].unit_price_pico == pico


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=503", 503, "The service is currently unavailable"),
        ("status=429", 429, "Some resource has been exhausted"),
        ("status=429:quota", 429, "Some resource has been exhausted"),
        ("status=400", 400, "Client specified an invalid argument"),
    ],
)
async def test_xais_error_is_a_string(http: httpx.AsyncClient, fault: str, status: int, code: str) -> None:
    answer = await http.post(CHAT, json=asking() | GROK, headers={"x-sim-fault": fault})
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"code", "error"}
    assert body["code"] == code
    assert ("used all available credits" in body["error"]) == (fault == "status=429:quota")


async def test_xai_refuses_in_its_own_words(http: httpx.AsyncClient) -> None:
    wrong = await http.post(CHAT, json=asking(stop=["a"]) | GROK)
    assert wrong.json()["error"] == "Argument not supported on this model: stop"
    unknown = await http.post(CHAT, json=asking() | {"model": "grok-0"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "Some requested entity was not found")
    key = await http.post(CHAT, json=asking() | GROK, headers={"authorization": "Bearer xai-bad"})
    assert (key.status_code, isinstance(key.json()["error"], str)) == (401, True)
    assert (await http.post(CHAT, json=asking() | GROK, headers=XAI_KEY)).status_code == 200


async def test_an_error_event_of_xai_is_in_its_shape(http: httpx.AsyncClient) -> None:
    chunks = await streamed(http, asking("[[sim:error_event;tokens=40]]") | GROK)
    assert set(chunks[-1]) == {"code", "error"}


# Both, by OpenAI's client


@pytest.mark.parametrize("model", ["deepseek-flash", "deepseek-v4-pro", "grok-4.7", "grok-4.3", "grok-3-mini"])
async def test_openais_client_reads_them(client: openai.AsyncOpenAI, simulator: Simulator, model: str) -> None:
    body = asking("use the tool", tools=[WEATHER]) | {"model": model}
    answer = await client.chat.completions.create(**body)
    assert answer.choices[0].message.tool_calls
    stream = await client.chat.completions.create(**body, **WITH_USAGE)
    usage = [chunk.usage async for chunk in stream if chunk.usage]
    assert answer.usage is not None
    assert usage[-1].total_tokens == answer.usage.total_tokens
    first, second = simulator.bill.records
    assert first.usage.output_tokens == second.usage.output_tokens


async def test_their_models_are_listed_with_their_owners(client: openai.AsyncOpenAI) -> None:
    owners = {model.id: model.owned_by async for model in client.models.list()}
    assert (owners["deepseek-v4-pro"], owners["grok-4.7"], owners["gpt-4o"]) == ("deepseek", "xai", "system")


async def test_their_bill_is_not_on_openais_costs(http: httpx.AsyncClient, simulator: Simulator) -> None:
    await answered(http, asking() | DEEPSEEK)
    await answered(http, asking() | GROK)
    start = simulator.bill.records[0].time
    page = (await http.get(f"/v1/organization/costs?start_time={start}")).json()
    assert [result for bucket in page["data"] for result in bucket["results"]] == []


@pytest.mark.parametrize("fault", ["blocked", "filtered"])
@pytest.mark.parametrize("model", ["gpt-4o", "deepseek-flash"])
async def test_what_is_filtered_ends_with_content_filter(
    http: httpx.AsyncClient, simulator: Simulator, fault: str, model: str
) -> None:
    answer = await answered(http, asking(f"[[sim:{fault}]]") | {"model": model})
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert (answer["usage"]["completion_tokens"] > 0) == (fault == "filtered")
    assert simulator.bill.total_nano > 0


async def test_the_summary_tells_providers_apart_by_their_models(http: httpx.AsyncClient) -> None:
    await answered(http, asking() | DEEPSEEK)
    await answered(http, asking() | GROK)
    summary = (await http.get("/_bill/summary")).json()
    assert set(summary["by_model"]) == {"deepseek-v4-pro", "grok-4.7"}
    assert summary["total_nano"] == sum(each["amount_nano"] for each in summary["by_model"].values())
    assert summary["by_provider"] == {
        "deepseek": summary["by_model"]["deepseek-v4-pro"]["amount_nano"],
        "xai": summary["by_model"]["grok-4.7"]["amount_nano"],
    }
