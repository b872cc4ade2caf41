"""The official clients of three dialects against real processes: each provider behind each dialect that can reach it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types as gemini_types
from openai import OpenAI
from tests.live.every_provider import PROVIDERS
from tests.live.processes import GatewayProcess, SimulatorProcess

GPT, CLAUDE, GEMINI, DEEPSEEK, GROK = (
    "gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash", "deepseek-flash", "grok-4.7",
)  # fmt: skip
OPENAI_MODELS = [GPT, CLAUDE, GEMINI, DEEPSEEK, GROK]
ANTHROPIC_MODELS = [CLAUDE, GPT, GEMINI, DEEPSEEK, GROK]
SAY = "hello [[sim:tokens=12]]"


@pytest.fixture(scope="module")
def gateway(folder: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    extra = PROVIDERS.format(origin=simulator.origin)
    running = GatewayProcess(folder, simulator, f"sqlite:///{folder / 'tollkeeper.db'}", extra=extra)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def openai_client(gateway: GatewayProcess) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def claude_client(gateway: GatewayProcess) -> Anthropic:
    return Anthropic(base_url=gateway.origin, api_key=gateway.key, max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def gemini_client(gateway: GatewayProcess) -> genai.Client:
    options = gemini_types.HttpOptions(base_url=gateway.origin, api_version="v1beta", timeout=20_000)
    return genai.Client(api_key=gateway.key, http_options=options)


def last_line(simulator: SimulatorProcess) -> dict[str, Any]:
    return simulator.bill()[-1]


@pytest.mark.parametrize("model", OPENAI_MODELS)
def test_the_openai_client_is_answered(openai_client: OpenAI, simulator: SimulatorProcess, model: str) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": SAY}]
    )
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert raw.headers["x-tollkeeper-cost-usd"] == f"{last_line(simulator)['amount_nano'] / 1e9:.9f}"


@pytest.mark.parametrize("model", OPENAI_MODELS)
def test_the_openai_client_reads_streams(openai_client: OpenAI, model: str) -> None:
    asked: Any = {"messages": [{"role": "user", "content": SAY}], "stream_options": {"include_usage": True}}
    chunks = list(openai_client.chat.completions.create(model=model, stream=True, **asked))
    assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert chunks[-1].usage is not None


@pytest.mark.parametrize("model", ANTHROPIC_MODELS)
def test_the_anthropic_client_is_answered(claude_client: Anthropic, simulator: SimulatorProcess, model: str) -> None:
    raw = claude_client.messages.with_raw_response.create(
        model=model, max_tokens=100, system="be brief", messages=[{"role": "user", "content": SAY}]
    )
    message = raw.parse()
    assert message.content[-1].type == "text"
    assert message.stop_reason == "end_turn"
    assert raw.headers["request-id"].startswith("req_")
    assert raw.headers["x-tollkeeper-cost-usd"] == f"{last_line(simulator)['amount_nano'] / 1e9:.9f}"


@pytest.mark.parametrize("model", ANTHROPIC_MODELS)
def test_the_anthropic_client_reads_streams(claude_client: Anthropic, model: str) -> None:
    asked: Any = {"max_tokens": 100, "messages": [{"role": "user", "content": SAY}]}
    with claude_client.messages.stream(model=model, **asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
def test_the_anthropic_client_calls_tools(claude_client: Anthropic, model: str) -> None:
    schema = {"type": "object", "properties": {"bridge": {"type": "string"}}, "required": ["bridge"]}
    message = claude_client.messages.create(
        model=model,
        max_tokens=4_000,  # what is thought before counts too
        messages=[{"role": "user", "content": "look it up"}],
        tools=[{"name": "look_up_toll", "description": "the toll", "input_schema": schema}],
        tool_choice={"type": "tool", "name": "look_up_toll"},
    )
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert (call.name, message.stop_reason) == ("look_up_toll", "tool_use")
    assert isinstance(call.input, dict)
    assert isinstance(call.input["bridge"], str)


def test_the_gemini_client_is_answered(gemini_client: genai.Client) -> None:
    answer = gemini_client.models.generate_content(model=GEMINI, contents=SAY)
    assert answer.text
    assert answer.usage_metadata is not None


def test_the_gemini_client_reads_streams(gemini_client: genai.Client) -> None:
    chunks = list(gemini_client.models.generate_content_stream(model=GEMINI, contents=SAY))
    assert "".join(each.text or "" for each in chunks)


def test_a_stream_of_gemini_is_an_array_when_nobody_asks_for_events(gateway: GatewayProcess) -> None:
    answer = httpx2.post(
        f"{gateway.origin}/v1beta/models/{GEMINI}:streamGenerateContent?key={gateway.key}",
        json={"contents": [{"role": "user", "parts": [{"text": SAY}]}]},
        timeout=20,
    )
    assert answer.status_code == 200
    assert answer.json()[-1]["candidates"][0]["finishReason"] == "STOP"


def test_errors_come_in_the_dialect_that_was_called(claude_client: Anthropic, gemini_client: genai.Client) -> None:
    with pytest.raises(anthropic.NotFoundError) as found:
        claude_client.messages.create(model="nobody", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert found.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    with pytest.raises(genai.errors.ClientError) as missing:
        gemini_client.models.generate_content(model="nobody", contents="x")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")
    with pytest.raises(anthropic.RateLimitError):
        claude_client.messages.create(
            model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "[[sim:status=429]]"}]
        )


def test_every_call_is_recorded_at_what_the_provider_billed(
    gateway: GatewayProcess, simulator: SimulatorProcess, folder: Path
) -> None:
    billed = sorted(line["amount_nano"] for line in simulator.bill() if line["amount_nano"])
    deadline = time.monotonic() + 10
    recorded: list[int] = []
    while recorded != billed and time.monotonic() < deadline:
        time.sleep(0.2)
        with sqlite3.connect(folder / "tollkeeper.db") as connection:
            query = "SELECT amount_nanos FROM usage_record WHERE amount_nanos > 0 ORDER BY amount_nanos"
            recorded = [row[0] for row in connection.execute(query)]
    assert recorded == billed
