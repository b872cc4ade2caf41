"""What OpenAI refuses, the simulator refuses, in the same shape and for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest
from simulator_calls import asking

from tollkeeper_simulator import Settings, Simulator

TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": [{"type": "x"}]}]}, "messages[0].content[0].type", "invalid_value"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": True}, "max_tokens", "invalid_type"),
        ({"max_tokens": 99_999}, "max_tokens", "invalid_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "invalid_parameter_combination"),
        ({"model": "gpt-5", "max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
        ({"colour": "red"}, "colour", "unknown_parameter"),
        ({"service_tier": "gold"}, "service_tier", "invalid_value"),
        ({"service_tier": "flex"}, "service_tier", "invalid_service_tier"),
        ({"model": "gpt-5-nano", "service_tier": "priority"}, "service_tier", "invalid_service_tier"),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice", None),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"modalities": ["text", "audio"]}, "modalities", "invalid_value"),
        ({"model": "gpt-4", "messages": [{"role": "user", "content": "word " * 9_000}]}, "messages",
         "context_length_exceeded"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(
    http: httpx.AsyncClient, simulator: Simulator, change: dict[str, Any], param: str, code: str | None
) -> None:
    answer = await http.post("/v1/chat/completions", json=asking() | change)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert answer.headers["x-request-id"] == simulator.bill.records[0].request_id
    assert simulator.bill.total_nano == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_an_unknown_model_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(**asking() | {"model": "gpt-0"})
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize("key", ["sk-bad", "sk-bad-too", "hello"])
async def test_a_wrong_key_is_refused(http: httpx.AsyncClient, simulator: Simulator, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    for answer in (
        await http.post("/v1/chat/completions", json=asking(), headers=headers),
        await http.get("/v1/models", headers=headers),
        await http.get("/v1/organization/costs?start_time=1", headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert simulator.bill.total_nano == 0


async def test_no_key_at_all_is_refused(simulator: Simulator) -> None:
    async with httpx.AsyncClient() as nobody:
        answer = await nobody.post(f"{simulator.base_url}/chat/completions", json=asking())
    assert answer.status_code == 401
    assert "didn't provide an API key" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/nothing"), ("GET", "/v1/chat/completions"), ("GET", "/x")])
async def test_an_unknown_route_is_not_found(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == 404
    assert "error" in answer.json()


async def test_the_wrong_kind_of_model_is_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(**asking() | {"model": "text-embedding-3-small"})
    with pytest.raises(openai.NotFoundError):
        await client.completions.create(model="gpt-4o", prompt="x")
    with pytest.raises(openai.PermissionDeniedError):
        await client.embeddings.create(model="gpt-4o", input="x")


async def test_a_body_above_the_limit_is_refused() -> None:
    async with Simulator(Settings(body_bytes_max=1_000)) as simulator, httpx.AsyncClient() as http:
        answer = await http.post(
            f"{simulator.base_url}/chat/completions",
            json=asking("x" * 2_000),
            headers={"authorization": "Bearer sk-sim-1"},
        )
    assert answer.status_code == 413


async def test_garbage_instead_of_http_is_refused_and_closed(simulator: Simulator) -> None:
    host, _, port = simulator.origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x00\x01garbage\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
