"""What the tests of the simulated Anthropic share: a small call, a stream read back, usage as this file adds it up."""

from __future__ import annotations

import json
from typing import Any

import httpx

KEY = "sk-ant-sim-abc123"
MESSAGES = "/v1/messages"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Say what the weather is.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city", "days"],
    },
}
TIME: dict[str, Any] = {
    "name": "get_time",
    "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}},
}
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}


def saying(text: str = "hello", **more: Any) -> dict[str, Any]:
    """Return the body of a small Messages call."""
    message = {"role": "user", "content": text}
    return {"model": "claude-opus-5-5", "max_tokens": 4_096, "messages": [message], **more}


def events_in(text: str) -> list[dict[str, Any]]:
    """Return the data of each event; the event's name must be its type."""
    found = []
    for event in text.split("\n\n"):
        if event:
            name, _, data = event.partition("\n")
            found.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
    return found


def last_usage(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the usage of a stream: of each field the last value that is not null."""
    usage: dict[str, Any] = {}
    for event in events:
        said = event["message"].get("usage") if event["type"] == "message_start" else event.get("usage")
        usage |= {name: value for name, value in (said or {}).items() if value is not None}
    return usage


async def said(http: httpx.AsyncClient, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Send one call; return its whole answer."""
    answer = await http.post(
        MESSAGES, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert answer.status_code == 200, answer.text
    decoded: dict[str, Any] = answer.json()
    return decoded


def priced(usage: dict[str, Any], prices: tuple[int, int, int, int, int]) -> int:
    """Return nano-USD for prices in thousandths of a dollar per million tokens: input, read, 5m write, 1h write, output."""
    split = usage["cache_creation"]
    quantities = (
        usage["input_tokens"],
        usage["cache_read_input_tokens"],
        split["ephemeral_5m_input_tokens"],
        split["ephemeral_1h_input_tokens"],
        usage["output_tokens"],
    )
    searches = (usage.get("server_tool_use") or {}).get("web_search_requests", 0)
    return sum(quantity * price for quantity, price in zip(quantities, prices, strict=True)) + searches * 10_000_000
