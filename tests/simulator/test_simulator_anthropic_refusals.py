"""What Anthropic refuses, the simulator refuses, in the same shape and for nothing; faults are told in its words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from anthropic_calls import HEADERS, MESSAGES, SEARCH, WEATHER, events_in, last_usage, said, saying
from simulator_calls import settled

from tollkeeper_simulator import Simulator

CALL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sun"}
THINKING = {"type": "enabled", "budget_tokens": 1_024}


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.origin, headers=HEADERS, timeout=10, verify=False) as plain:
        yield plain


def turns(*contents: Any) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 200_000}, "max_tokens: 200000 > 128000, which is the maximum allowed"),
        ({"model": None}, "model: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hi"}, "messages: Input should be a valid list"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'messages: Unexpected role "system"'),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 'messages: first message must use the "user" role'),
        ({"messages": turns("")}, "messages: text content blocks must be non-empty"),
        ({"messages": turns([{"type": "x"}])}, "messages.0.content.0: Input tag 'x' found using 'type'"),
        ({"messages": turns([CALL])}, "messages.0.content.0: Input tag 'tool_use'"),
        ({"messages": turns("a", [CALL], "b")}, "messages.1: `tool_use` ids were found without `tool_result`"),
        ({"messages": turns("a", "b", [RESULT])}, "messages.2.content.0: unexpected `tool_use_id` found"),
        ({"messages": turns("a", [CALL | {"input": "x"}], [RESULT])}, "messages.1.content.0.tool_use.input: Input should"),
        ({"messages": turns("a", [{"type": "thinking", "thinking": "t", "signature": "no"}], "b")},
         "messages.1.content.0: Invalid `signature` in `thinking` block"),
        ({"messages": turns("a", [CALL], [RESULT]), "thinking": THINKING}, "messages.1.content.0.type: Expected `thinking`"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"metadata": {"team": "x"}}, "metadata.team: Extra inputs are not permitted"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"temperature": 0.5, "thinking": THINKING}, "`temperature` may only be set to 1 when thinking is enabled."),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "thinking.enabled.budget_tokens: Input should be greater"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4_096}}, "`max_tokens` must be greater than"),
        ({"thinking": {"type": "adaptive"}, "model": "claude-haiku-4-5"}, "adaptive thinking is not supported"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "tools.0.custom.name: String should match"),
        ({"tools": [{"name": "a"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [WEATHER, WEATHER]}, "tools: Tool names must be unique."),
        ({"tool_choice": {"type": "any"}}, "tool_choice: `tool_choice` may only be specified while"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found in provided tools"),
        ({"tools": [WEATHER], "tool_choice": {"type": "any"}, "thinking": THINKING}, "Thinking may not be enabled when"),
        ({"service_tier": "flex"}, "service_tier: Input should be 'auto', 'standard_only'"),
        ({"speed": "fast", "model": "claude-sonnet-5-5"}, "speed: fast mode is not supported by claude-sonnet-5-5"),
        ({"inference_geo": "us", "model": "claude-haiku-4-5"}, "inference_geo: not supported"),
        ({"system": [{"type": "image"}]}, "system.0: Input tag 'image'"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format: Input tag 'xml'"),
        ({"model": "claude-haiku-4-5", "messages": turns("word " * 200_001)}, "prompt is too long: 20000"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(
    http: httpx.AsyncClient, simulator: Simulator, change: dict[str, Any], message: str
) -> None:
    answer = await http.post(MESSAGES, json=saying(**change))
    assert answer.status_code == 400
    body = answer.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert body["error"]["message"].startswith(message)
    assert body["request_id"] == answer.headers["request-id"] == simulator.bill.records[0].request_id
    assert simulator.bill.total_nano == 0
    assert simulator.bill.records[0].provider == "anthropic"


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"anthropic-version": "2023-06-01", "x-api-key": "sk-ant-bad1"}, 401, "authentication_error"),
        ({"x-api-key": "sk-ant-sim"}, 400, "invalid_request_error"),
    ],
)
async def test_a_wrong_key_or_no_version_is_refused(
    simulator: Simulator, headers: dict[str, str], status: int, kind: str
) -> None:
    async with httpx.AsyncClient(base_url=simulator.origin) as nobody:
        for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
            answer = await nobody.post(path, json=saying(), headers=headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
            assert answer.json()["request_id"].startswith("req_")


async def test_unknown_models_and_routes_are_not_found(http: httpx.AsyncClient) -> None:
    answer = await http.post(MESSAGES, json=saying(model="claude-0"))
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        {"type": "not_found_error", "message": "model: claude-0"},
    )
    assert (await http.get("/v1/models/claude-0")).status_code == 404
    assert (await http.get(f"{MESSAGES}/nothing")).json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_a_body_that_is_no_json_object_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        answer = await http.post(path, content=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("status=529", 529, "overloaded_error"),
        ("status=500", 500, "api_error"),
        ("status=504", 504, "timeout_error"),
        ("status=429:rate", 429, "rate_limit_error"),
        ("status=429:tokens", 429, "rate_limit_error"),
        ("status=429:quota", 429, "rate_limit_error"),
        ("status=400:quota", 400, "invalid_request_error"),
        ("status=402", 402, "billing_error"),
        ("status=401", 401, "authentication_error"),
        ("status=403", 403, "permission_error"),
        ("status=413", 413, "request_too_large"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_has_anthropics_shape_and_costs_nothing(
    http: httpx.AsyncClient, simulator: Simulator, fault: str, status: int, kind: str, stream: bool
) -> None:
    answer = await http.post(MESSAGES, json=saying(stream=stream), headers={"x-sim-fault": fault})
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert ("retry-after" in answer.headers) == (fault in {"status=429:rate", "status=429:tokens"})
    assert simulator.bill.records[0].amount_nano == 0
    if fault == "status=400:quota":
        assert "credit balance is too low" in answer.json()["error"]["message"]


async def test_an_error_event_breaks_a_stream_and_what_was_made_is_billed(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    events = events_in((await http.post(MESSAGES, json=saying("[[sim:error_event;tokens=40]]", stream=True))).text)
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["type"] == "overloaded_error"
    record = simulator.bill.records[0]
    assert 0 < record.usage.output_tokens < 40
    assert (record.complete, record.usage_sent) == (False, False)


async def test_a_cut_stream_costs_the_prompt_and_the_tokens_made(http: httpx.AsyncClient, simulator: Simulator) -> None:
    for cut in (1_500, 6_000):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(MESSAGES, json=saying(f"[[sim:tokens=300;cut={cut}]]", stream=True))
    await settled(simulator)
    short, long = (record.usage for record in simulator.bill.records)
    assert 0 < short.output_tokens < long.output_tokens < 300
    assert short.input_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_can_be_left_out_or_be_zero(http: httpx.AsyncClient, simulator: Simulator, stream: bool) -> None:
    untold = await http.post(MESSAGES, json=saying("[[sim:no_usage]]", stream=stream))
    assert '"usage"' not in untold.text
    zero = await http.post(MESSAGES, json=saying("[[sim:zero_usage]]", stream=stream))
    usage = last_usage(events_in(zero.text)) if stream else zero.json()["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 0)
    first, second = simulator.bill.records
    assert first.amount_nano > 0
    assert (first.usage_sent, second.usage_sent) == (False, True)
    assert second.amount_nano == 0


async def test_late_usage_stands_in_the_last_delta_alone(http: httpx.AsyncClient, simulator: Simulator) -> None:
    events = events_in((await http.post(MESSAGES, json=saying("[[sim:late_usage]]", stream=True))).text)
    assert events[0]["message"]["usage"]["input_tokens"] == 0
    assert last_usage(events)["input_tokens"] == simulator.bill.records[0].usage.input_tokens > 0


async def test_a_malformed_answer_is_billed(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await http.post(MESSAGES, json=saying("[[sim:malformed]]"))
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert simulator.bill.total_nano > 0
    assert simulator.bill.records[0].usage_sent is False


async def test_crlf_is_in_every_line(http: httpx.AsyncClient) -> None:
    text = (await http.post(MESSAGES, json=saying("[[sim:crlf]]", stream=True))).text
    assert "\n" not in text.replace("\r\n", "")
    assert events_in(text.replace("\r\n", "\n"))[-1]["type"] == "message_stop"


@pytest.mark.parametrize("thinking", [{}, {"thinking": THINKING}])
@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_sets_the_exact_output(
    http: httpx.AsyncClient, simulator: Simulator, thinking: dict[str, Any], stream: bool
) -> None:
    await http.post(MESSAGES, json=saying("[[sim:tokens=777]]", stream=stream, **thinking))
    assert simulator.bill.records[0].usage.output_tokens == 777


@pytest.mark.parametrize("fault", ["blocked", "filtered"])
async def test_a_refusal_is_an_answer_that_is_billed(http: httpx.AsyncClient, simulator: Simulator, fault: str) -> None:
    message = await said(http, saying(f"[[sim:{fault}]]"))
    assert message["stop_reason"] == message["stop_details"]["type"] == "refusal"
    assert (message["usage"]["output_tokens"] > 0) == (fault == "filtered")
    assert simulator.bill.total_nano > 0


async def test_rules_are_one_list_for_all_dialects(http: httpx.AsyncClient) -> None:
    rule = {"match": {"model": "claude-opus-5-5", "path": MESSAGES}, "fault": "status=529"}
    assert (await http.post("/_faults", json=rule)).status_code == 200
    assert (await http.post(MESSAGES, json=saying(model="claude-opus-5"))).status_code == 200
    assert [(await http.post(MESSAGES, json=saying())).status_code for _ in range(2)] == [529, 200]


async def test_a_wrong_fault_is_refused_in_the_dialect(http: httpx.AsyncClient) -> None:
    answer = await http.post(MESSAGES, json=saying(tools=[SEARCH]), headers={"x-sim-fault": "explode"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
