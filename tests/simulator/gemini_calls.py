"""What the tests of the simulated Gemini share: a small call, a stream read back, usage as this file adds it up."""

from __future__ import annotations

import json
from typing import Any

import httpx

KEY = "AIza-sim-abc123"
HEADERS = {"x-goog-api-key": KEY}
FLASH = "gemini-3.8-flash"
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "parameters": {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "days": {"type": "INTEGER", "minimum": 1, "maximum": 7}},
        "required": ["city"],
    },
}
TIME: dict[str, Any] = {
    "name": "get_time",
    "parametersJsonSchema": {"type": "object", "properties": {"zone": {"type": "string"}}},
}
FUNCTIONS: dict[str, Any] = {"tools": [{"functionDeclarations": [WEATHER, TIME]}]}
SEARCH: dict[str, Any] = {"tools": [{"googleSearch": {}}]}


def route(model: str = FLASH, method: str = "generateContent", version: str = "v1beta") -> str:
    return f"/{version}/models/{model}:{method}"


def user(*parts: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def asking(text: str = "hello", **more: Any) -> dict[str, Any]:
    """Return the body of a small call."""
    return {"contents": [user(text)], **more}


def no_thoughts(**config: Any) -> dict[str, Any]:
    return {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}, **config}}


async def said(http: httpx.AsyncClient, body: dict[str, Any], model: str = FLASH) -> dict[str, Any]:
    """Send one call; return its whole answer."""
    answer = await http.post(route(model), json=body)
    assert answer.status_code == 200, answer.text
    decoded: dict[str, Any] = answer.json()
    return decoded


async def streamed(http: httpx.AsyncClient, body: dict[str, Any], model: str = FLASH) -> list[dict[str, Any]]:
    """Send one call; return the chunks of its stream of events."""
    answer = await http.post(route(model, "streamGenerateContent"), params={"alt": "sse"}, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text.endswith("\r\n\r\n")
    return [json.loads(event.removeprefix("data: ")) for event in answer.text.split("\r\n\r\n")[:-1]]


def text_of(answer: dict[str, Any], place: int = 0) -> str:
    parts = answer["candidates"][place]["content"].get("parts", [])
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def priced(usage: dict[str, Any], prices: tuple[int, int, int], searched: int = 0) -> int:
    """Return nano-USD for prices in thousandths of a dollar per million tokens (input, cached, output), and what searching cost."""
    cached = usage.get("cachedContentTokenCount", 0)
    entered = usage["promptTokenCount"] - cached + usage.get("toolUsePromptTokenCount", 0)
    made = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return sum(count * price for count, price in zip((entered, cached, made), prices, strict=True)) + searched
