"""Requests in which one value has another type than it should have: refused or forwarded, and never a bug of ours."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.gateway import ANTHROPIC, GEMINI, MODEL, OPENAI, FakeGateway

from tollkeeper.domain.deployment import Provider

ODD: tuple[Any, ...] = ([], {}, [[]], 7, None)
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "enum": ["b"]}}, "required": ["a"]}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA}
CHAT = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": "a",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r"}]},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "reasoning_effort": "low",
    "service_tier": "auto",
    "stop": ["x"],
    "max_tokens": 5,
}
HEARD = {"model": MODEL, "messages": [{"role": "user", "content": [SOUND]}], "tool_choice": "auto", "max_tokens": 5}
MESSAGES = {
    "model": MODEL,
    "max_tokens": 2_000,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}]}],
        },
    ],
    "tools": [{"type": "custom", "name": "f", "input_schema": SCHEMA}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 1_024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "stop_sequences": ["x"],
    "service_tier": "auto",
    "metadata": {"user_id": "u"},
}
COUNTED = {name: MESSAGES[name] for name in ("model", "system", "messages", "tools", "tool_choice", "thinking")}
RESPONSE = {
    "model": MODEL,
    "instructions": "i",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "t"}, SOUND]},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "data:image/png;base64,"}],
        },
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "t"}]},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "x"}},
    ],
    "tools": [{"type": "function", **FUNCTION}],
    "max_output_tokens": 5,
}
CONTENTS = {
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "t"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {
                    "functionResponse": {
                        "name": "f",
                        "response": {},
                        "parts": [{"inlineData": {"mimeType": "audio/mp3"}}],
                    }
                },
            ],
        }
    ],
    "systemInstruction": {"parts": [{"text": "s"}]},
    "tools": [{"functionDeclarations": [FUNCTION]}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "generationConfig": {"maxOutputTokens": 5, "responseModalities": ["TEXT"], "thinkingConfig": {"thinkingBudget": 1}},
}
EMBEDDED = {"content": {"parts": [{"text": "t"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}}
GENERATE = f"/v1beta/models/{MODEL}"
CASES = [
    ("/v1/chat/completions", CHAT, (OPENAI, ANTHROPIC, GEMINI)),
    ("/v1/chat/completions", HEARD, (OPENAI, ANTHROPIC, GEMINI)),
    ("/v1/embeddings", {"model": MODEL, "input": ["x"], "encoding_format": "float"}, (OPENAI, GEMINI)),
    ("/v1/messages", MESSAGES, (ANTHROPIC, OPENAI, GEMINI)),
    ("/v1/messages/count_tokens", COUNTED, (ANTHROPIC, OPENAI, GEMINI)),
    ("/v1/responses", RESPONSE, (OPENAI,)),
    (f"{GENERATE}:generateContent", CONTENTS, (GEMINI,)),
    (f"{GENERATE}:countTokens", {"contents": CONTENTS["contents"]}, (GEMINI, OPENAI)),
    (f"{GENERATE}:embedContent", EMBEDDED, (GEMINI,)),
]


def places(value: Any, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    """Name every place inside a body."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield (*before, name)
        yield from places(inner, *before, name)


def with_value(body: Any, place: tuple[str | int, ...], value: Any) -> Any:
    changed = at = copy.deepcopy(body)
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "body", "provider"), [(path, body, each) for path, body, served_by in CASES for each in served_by]
)
async def test_no_value_of_another_type_is_a_bug_of_ours(path: str, body: Any, provider: Provider) -> None:
    found = []
    for place in places(body):
        for odd in ODD:
            gateway = FakeGateway(provider)
            gateway.will_answer({"id": "x"})
            changed = with_value(body, place, odd)
            if (await gateway.call(changed, path=path)).status == 500:
                found.append((place, odd))
    assert found == []
