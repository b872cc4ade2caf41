"""The simulated Anthropic: messages whole and streamed, tools, thoughts, searches, what they cost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from anthropic_calls import HEADERS, KEY, MESSAGES, SEARCH, TIME, WEATHER, events_in, last_usage, priced, said, saying

from tollkeeper_simulator import Settings, Simulator, tokens

OPUS = (4_000, 200, 5_000, 8_000, 20_000)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAyAAAAJY"  # the start of a picture of 800 × 600


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.origin, headers=HEADERS, timeout=10, verify=False) as plain:
        yield plain


async def streamed(http: httpx.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await http.post(MESSAGES, json=body | {"stream": True})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_in(answer.text)


def text_of(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def rebuilt(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the content that the events add up to."""
    content: list[dict[str, Any]] = []
    written: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(content)
            content.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            block, delta = content[event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                written[event["index"]] = written.get(event["index"], "") + delta["partial_json"]
            elif delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            else:
                name = delta["type"].removesuffix("_delta")
                block[name] += delta[name]
    for index, text in written.items():
        content[index]["input"] = json.loads(text)
    return content


async def test_a_message_says_what_it_used(http: httpx.AsyncClient, simulator: Simulator) -> None:
    message = await said(http, saying())
    usage = message["usage"]
    assert usage["output_tokens"] == tokens.count(text_of(message)) > 0
    assert usage["input_tokens"] > 0
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    assert (usage["service_tier"], usage["speed"], usage["inference_geo"]) == ("standard", "standard", "global")
    assert (message["stop_reason"], message["stop_sequence"], message["role"]) == ("end_turn", None, "assistant")
    record = simulator.bill.records[0]
    assert record.amount_nano == priced(usage, OPUS)
    assert (record.provider, record.model, record.api_key_id) == ("anthropic", "claude-opus-5-5", KEY[-6:])


async def test_a_stream_adds_up_to_the_whole_message(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = saying("use the tools", tools=[WEATHER, TIME], thinking={"type": "adaptive"})
    whole = await said(http, body)
    events = await streamed(http, body)
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert "ping" in kinds
    content = rebuilt(events)
    for block in (*content, *whole["content"]):
        block.pop("id", None)
    assert content == whole["content"]
    assert events[-2]["delta"]["stop_reason"] == whole["stop_reason"] == "tool_use"
    assert last_usage(events) == whole["usage"]
    first, second = simulator.bill.records
    assert first.lines == second.lines
    assert second.stream is True
    assert second.usage_sent is True


async def test_the_split_of_cache_writes_stands_in_message_start_alone(http: httpx.AsyncClient) -> None:
    events = await streamed(http, saying("word " * 600, cache_control={"type": "ephemeral"}))
    start, delta = events[0]["message"]["usage"], events[-2]["usage"]
    assert start["cache_creation"]["ephemeral_5m_input_tokens"] == start["cache_creation_input_tokens"] > 512
    assert start["output_tokens"] <= 1 < delta["output_tokens"]
    assert "cache_creation" not in delta
    assert "service_tier" not in delta
    assert delta["cache_creation_input_tokens"] == start["cache_creation_input_tokens"]


async def test_parallel_calls_have_valid_inputs_and_their_own_ids(http: httpx.AsyncClient) -> None:
    message = await said(http, saying("use the tools", tools=[WEATHER, TIME]))
    text, weather, time = message["content"]
    assert (text["type"], weather["name"], time["name"]) == ("text", "get_weather", "get_time")
    assert set(weather["input"]) == {"city", "days"}
    assert 1 <= weather["input"]["days"] <= 7
    assert weather["id"] != time["id"]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["output_tokens"] == tokens.count(text["text"]) + sum(
        tokens.count(call["name"]) + tokens.count(json.dumps(call["input"], separators=(",", ":")))
        for call in (weather, time)
    )


@pytest.mark.parametrize(
    ("choice", "text", "called"),
    [
        ({"type": "any"}, "hi", ["get_weather"]),
        ({"type": "tool", "name": "get_time"}, "hi", ["get_time"]),
        ({"type": "auto"}, "use the tool", ["get_weather"]),
        ({"type": "auto", "disable_parallel_tool_use": True}, "use the tools", ["get_weather"]),
        ({"type": "none"}, "use the tools", []),
        ({"type": "auto"}, "hi", []),
    ],
)
async def test_the_choice_decides_what_is_called(
    http: httpx.AsyncClient, choice: dict[str, Any], text: str, called: list[str]
) -> None:
    message = await said(http, saying(text, tools=[WEATHER, TIME], tool_choice=choice))
    assert [block["name"] for block in message["content"] if block["type"] == "tool_use"] == called


async def test_a_turn_with_tool_results_and_thoughts_goes_on(http: httpx.AsyncClient) -> None:
    body = saying("use the tool", tools=[WEATHER], thinking={"type": "enabled", "budget_tokens": 1_024})
    first = await said(http, body)
    assert [block["type"] for block in first["content"]] == ["thinking", "tool_use"]
    call = first["content"][1]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "sun"}, picture]}
    turns = [
        *body["messages"],
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [result]},
    ]
    second = await said(http, body | {"messages": turns})
    assert second["stop_reason"] == "end_turn"
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"] + 800 * 600 // 750


async def test_thoughts_are_part_of_the_output(http: httpx.AsyncClient, simulator: Simulator) -> None:
    thinking = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    message = await said(http, saying(**thinking))
    usage = message["usage"]
    assert usage["output_tokens_details"] == {"thinking_tokens": 64}
    assert usage["output_tokens"] == 64 + tokens.count(text_of(message))
    assert simulator.bill.records[0].usage.reasoning_tokens == 64
    hidden = await said(http, saying(thinking={"type": "adaptive", "display": "omitted"}))
    assert hidden["content"][0]["thinking"] == ""
    assert hidden["usage"]["output_tokens_details"]["thinking_tokens"] == 192


async def test_searches_have_a_fee_and_their_results_enter_the_prompt(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    body = saying("please search [[sim:searches=2]]", tools=[SEARCH])
    message = await said(http, body)
    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["server_tool_use", "web_search_tool_result"] * 2 + ["text"]
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 2
    assert simulator.bill.records[0].amount_nano == priced(message["usage"], OPUS)
    events = await streamed(http, body)
    start, delta = events[0]["message"]["usage"], events[-2]["usage"]
    assert "server_tool_use" not in start
    assert delta["input_tokens"] == message["usage"]["input_tokens"] >= start["input_tokens"] + 2 * 300
    assert simulator.bill.records[1].lines == simulator.bill.records[0].lines
    few = await said(http, saying("[[sim:searches=9]]", tools=[SEARCH | {"max_uses": 3}]))
    assert few["usage"]["server_tool_use"]["web_search_requests"] == 3


async def test_a_stream_that_is_cut_costs_the_searches_made_by_then(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await http.post(MESSAGES, json=saying("[[sim:searches=3;cut=2600]]", tools=[SEARCH], stream=True))
    record = simulator.bill.records[0]
    assert (record.usage.web_searches, record.complete) == (1, False)
    (entered,) = (line.quantity for line in record.lines if line.dimension == "input")
    assert 300 < entered < 2 * 300


async def test_documents_and_pictures_are_part_of_the_prompt(http: httpx.AsyncClient, simulator: Simulator) -> None:
    plain = (await said(http, saying("what is it?")))["usage"]["input_tokens"]
    sources: list[tuple[str, dict[str, Any], int]] = [
        ("image", {"type": "base64", "media_type": "image/png", "data": PNG}, 800 * 600 // 750),
        ("image", {"type": "url", "url": "https://example.com/1500x1500.png"}, 3_000),
        ("document", {"type": "text", "media_type": "text/plain", "data": "word " * 50}, 50),
        ("document", {"type": "base64", "media_type": "application/pdf", "data": "A" * 50_000}, 3_000),
    ]
    for kind, source, size in sources:
        content = [{"type": kind, "source": source}, {"type": "text", "text": "what is it?"}]
        usage = (await said(http, saying() | {"messages": [{"role": "user", "content": content}]}))["usage"]
        assert usage["input_tokens"] - plain in range(size, size + 3)
        assert simulator.bill.records[-1].usage.input_image_tokens == (size if kind == "image" else 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_output_limit_ends_the_answer(http: httpx.AsyncClient, simulator: Simulator, stream: bool) -> None:
    answer = await http.post(MESSAGES, json=saying(max_tokens=3, stream=stream))
    assert '"stop_reason":"max_tokens"' in answer.text
    assert simulator.bill.records[0].usage.output_tokens == 3


async def test_a_stop_sequence_is_named(http: httpx.AsyncClient) -> None:
    whole = text_of(await said(http, saying()))
    word = whole.split()[4]
    cut = await said(http, saying(stop_sequences=["never said", word]))
    assert (cut["stop_reason"], cut["stop_sequence"]) == ("stop_sequence", word)
    assert text_of(cut) == whole[: whole.index(word)]


async def test_structured_output_satisfies_its_schema(http: httpx.AsyncClient) -> None:
    form = {"type": "json_schema", "schema": WEATHER["input_schema"]}
    message = await said(http, saying(output_config={"format": form}))
    assert set(json.loads(text_of(message))) == {"city", "days"}


@pytest.mark.parametrize(
    ("change", "percent", "prices"),
    [
        ({"speed": "fast"}, 100, (8_000, 400, 10_000, 16_000, 40_000)),
        ({"inference_geo": "us"}, 110, (4_400, 220, 5_500, 8_800, 22_000)),
        ({"model": "claude-haiku-5-5"}, 100, (100, 10, 125, 200, 500)),
    ],
)
async def test_speed_place_and_model_set_the_price(
    http: httpx.AsyncClient, simulator: Simulator, change: dict[str, Any], percent: int, prices: tuple[int, ...]
) -> None:
    usage = (await said(http, saying(**change)))["usage"]
    record = simulator.bill.records[0]
    assert record.amount_nano == priced(usage, prices)  # type: ignore[arg-type]
    assert record.price_percent == percent
    assert usage["speed"] == change.get("speed", "standard")


async def test_long_prompts_cost_haiku_more(http: httpx.AsyncClient, simulator: Simulator) -> None:
    usage = (await said(http, saying("word " * 100_001, model="claude-haiku-5-5", max_tokens=1)))["usage"]
    assert simulator.bill.records[0].amount_nano == usage["input_tokens"] * 500 + 2_500


async def test_priority_capacity_is_used_unless_it_is_declined() -> None:
    async with (
        Simulator(Settings(priority_capacity=True)) as simulator,
        httpx.AsyncClient(base_url=simulator.origin, headers=HEADERS) as http,
    ):
        assert (await said(http, saying()))["usage"]["service_tier"] == "priority"
        assert (await said(http, saying(service_tier="standard_only")))["usage"]["service_tier"] == "standard"


async def test_a_dated_model_is_served_as_it_was_asked_for(http: httpx.AsyncClient, simulator: Simulator) -> None:
    assert (await said(http, saying(model="claude-haiku-4-5")))["model"] == "claude-haiku-4-5-20251001"
    assert (await said(http, saying(model="claude-haiku-4-5-20251001")))["model"] == "claude-haiku-4-5-20251001"
    assert {record.model for record in simulator.bill.records} == {"claude-haiku-4-5"}


async def test_counting_tokens_agrees_with_usage_and_costs_nothing(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    body = saying("how much is this?", system="Be short.", tools=[WEATHER])
    counted = await http.post(
        f"{MESSAGES}/count_tokens", json={name: body[name] for name in body if name != "max_tokens"}
    )
    assert counted.json() == {"input_tokens": (await said(http, body))["usage"]["input_tokens"]}
    assert len(simulator.bill.records) == 1


async def test_models_come_in_the_callers_shape(http: httpx.AsyncClient, simulator: Simulator) -> None:
    listed = (await http.get("/v1/models", params={"limit": 5})).json()
    assert set(listed) == {"data", "has_more", "first_id", "last_id"}
    assert listed["has_more"] is True
    more = (await http.get("/v1/models", params={"limit": 1_000, "after_id": listed["last_id"]})).json()
    names = [model["id"] for model in listed["data"] + more["data"]]
    assert len(set(names)) == len(names) > 15
    assert (await http.get("/v1/models/claude-opus-5-5")).json()["display_name"] == "Claude Opus 5.5"
    async with httpx.AsyncClient(base_url=simulator.origin) as other:
        plain = await other.get("/v1/models", headers={"authorization": "Bearer sk-sim-1"})
    assert plain.json()["object"] == "list"
    assert not any(model["id"].startswith("claude") for model in plain.json()["data"])


async def test_openais_costs_know_nothing_of_anthropics_bill(http: httpx.AsyncClient, simulator: Simulator) -> None:
    await said(http, saying())
    start = simulator.bill.records[0].time
    async with httpx.AsyncClient(base_url=simulator.origin, headers={"authorization": "Bearer sk-sim-1"}) as other:
        page = (await other.get(f"/v1/organization/costs?start_time={start}")).json()
    assert [result for bucket in page["data"] for result in bucket["results"]] == []


async def test_headers_are_anthropics(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await http.post(MESSAGES, json=saying())
    assert answer.headers["request-id"] == simulator.bill.records[0].request_id
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        for what in ("limit", "remaining", "reset"):
            assert answer.headers[f"anthropic-ratelimit-{kind}-{what}"]
    assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert "x-request-id" not in answer.headers
