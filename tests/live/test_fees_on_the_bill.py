"""Fees and reported costs against real processes: what the gateway records is what the provider's own bill says, to the nano.

xAI bills 85 % of its list prices here, which only its answers tell.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types as gemini_types
from openai import OpenAI
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.test_every_dialect import PROVIDERS

SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
GROUNDED = gemini_types.GenerateContentConfig(tools=[gemini_types.Tool(google_search=gemini_types.GoogleSearch())])


@pytest.fixture(scope="module")
def simulator(folder: Path) -> Iterator[SimulatorProcess]:
    running = SimulatorProcess(folder, "--grok-percent", "85")
    yield running
    running.stop()


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


def lines_of(simulator: SimulatorProcess, number: int = -1) -> dict[str, int]:
    return {line["dimension"]: line["amount_nano"] for line in simulator.bill()[number]["lines"]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("geo", ["global", "us"])
def test_claude_searches(claude_client: Anthropic, simulator: SimulatorProcess, geo: str, stream: bool) -> None:
    asked: Any = {
        "model": "claude-opus-5-5", "max_tokens": 2_000, "tools": [SEARCH], "inference_geo": geo,
        "messages": [{"role": "user", "content": f"please search [[sim:searches={3 + stream}]]"}],
    }  # fmt: skip
    if stream:
        with claude_client.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = claude_client.messages.create(**asked)
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 3 + stream
    assert lines_of(simulator)["web_search"] == (3 + stream) * 10_000_000
    assert simulator.bill()[-1]["price_percent"] == (110 if geo == "us" else 100)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.5-flash"])
def test_gemini_searches(gemini_client: genai.Client, simulator: SimulatorProcess, model: str) -> None:
    gemini_client.models.generate_content(model=model, contents="search [[sim:searches=2]]", config=GROUNDED)
    list(gemini_client.models.generate_content_stream(model=model, contents="[[sim:searches=3]]", config=GROUNDED))
    whole, stream = lines_of(simulator, -2), lines_of(simulator, -1)
    if model == "gemini-2.5-flash":
        assert whole["grounded_prompt"] == stream["grounded_prompt"] == 35_000_000
    else:
        assert (whole["grounding_query"], stream["grounding_query"]) == (2 * 14_000_000, 3 * 14_000_000)


def test_grok_says_what_it_bills(openai_client: OpenAI, claude_client: Anthropic, simulator: SimulatorProcess) -> None:
    asked: Any = {"model": "grok-4.7", "messages": [{"role": "user", "content": "hello [[sim:tokens=40]]"}]}
    openai_client.chat.completions.create(**asked)
    list(openai_client.chat.completions.create(stream=True, **asked))
    chunks = list(openai_client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked))
    openai_client.chat.completions.create(**asked, extra_body={"search_parameters": {"mode": "on"}})
    assert lines_of(simulator)["web_search"] == 5_000_000
    assert {line["price_percent"] for line in simulator.bill()[-4:]} == {85}
    told = chunks[-1].usage.to_dict()  # type: ignore[union-attr]
    assert round(float(str(told["cost"])) * 10**10) == told["cost_in_usd_ticks"]
    with claude_client.messages.stream(max_tokens=500, **asked) as events:
        assert events.get_final_message().usage.output_tokens > 0


def test_every_call_is_recorded_at_what_the_provider_billed(
    gateway: GatewayProcess, simulator: SimulatorProcess, folder: Path, gemini_client: genai.Client
) -> None:
    gemini_client.models.generate_content(model="gemini-3.5-flash", contents="search", config=GROUNDED)
    billed = sorted((line["provider"], line["amount_nano"]) for line in simulator.bill())
    deadline = time.monotonic() + 10
    recorded: list[tuple[str, int]] = []
    states: dict[str, set[str]] = {}
    while recorded != billed and time.monotonic() < deadline:
        time.sleep(0.2)
        with sqlite3.connect(folder / "tollkeeper.db") as connection:
            rows = connection.execute("SELECT provider, amount_nanos, cost_state FROM usage_record").fetchall()
        recorded = sorted((provider, amount) for provider, amount, _ in rows)
        states = {name: {state for provider, _, state in rows if provider == name} for name, _ in recorded}
    assert recorded == billed
    expected = {"anthropic": {"computed"}, "gemini": {"computed"}, "xai": {"reported"}}
    assert states == {name: expected[name] for name in states}
    costs = httpx2.get(
        f"{gateway.base_url}/organization/costs",
        params={"start_time": int(time.time()) - 86_400, "group_by": "line_item"},
        headers={"authorization": f"Bearer {gateway.admin_key}"},
        timeout=20,
    )
    items = json.dumps(costs.json())
    assert "grounding" in items
    assert ("reported" in items) is ("xai" in states)
