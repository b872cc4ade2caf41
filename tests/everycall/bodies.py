"""A conversation as the clients of three dialects send it: path, headers and body."""

from __future__ import annotations

import random
from typing import Any

from tests.everycall.talks import BRIDGES, PIXEL, Dialect, Talk, Turn

Request = tuple[str, dict[str, str], dict[str, Any]]
TOOL = "look_up_toll"
ARGUMENTS = {"bridge": "old", "axles": 2}
_BUDGETS = {"low": 1_024, "medium": 4_096, "high": 6_000}
_SKIPPED = "skip_thought_signature_validator"


def write(dialect: Dialect, talk: Talk, model: str, key: str, rng: random.Random) -> Request:
    """Return the request of a talk; `model` is the public name."""
    if dialect == "anthropic":
        return _anthropic(talk, model, key)
    return _openai(talk, model, key, rng) if dialect == "openai" else _gemini(talk, model, key, rng)


# ---- OpenAI ---------------------------------------------------------------------------------------------------------


def _openai(talk: Talk, model: str, key: str, rng: random.Random) -> Request:
    messages: list[dict[str, Any]] = []
    if talk.system:
        messages.append({"role": rng.choice(("system", "developer")), "content": talk.system})
    for number, turn in enumerate(talk.turns):
        messages += _openai_turn(turn, f"call_{number}")
    last: Any = talk.said
    if talk.has_image:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        last = [{"type": "text", "text": talk.said}, picture]
    messages.append({"role": "user", "content": last})
    body: dict[str, Any] = {"model": model, "messages": messages, "max_completion_tokens": talk.output_tokens}
    if talk.has_tools:
        function = {"name": TOOL, "description": "Looks up a toll", "parameters": BRIDGES}
        body["tools"] = [{"type": "function", "function": function}]
        one = {"type": "function", "function": {"name": TOOL}}
        body["tool_choice"] = {"auto": "auto", "none": "none", "any": "required", "one": one}[talk.choice]
    if talk.has_search:
        body["search_parameters"] = {"mode": "on"}
    if talk.effort:
        body["reasoning_effort"] = talk.effort
    if talk.temperature is not None:
        body["temperature"] = talk.temperature
    if talk.has_schema:
        schema = {"name": "toll", "schema": BRIDGES | {"additionalProperties": False}}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if talk.stops:
        body["stop"] = list(talk.stops)
    if talk.answers > 1:
        body["n"] = talk.answers
    if talk.tier:
        body["service_tier"] = talk.tier
    if talk.is_stream:
        body["stream"] = True
        body |= rng.choice(({}, {"stream_options": {"include_usage": True}}))
    return "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body


def _openai_turn(turn: Turn, call_id: str) -> list[dict[str, Any]]:
    answer = {"role": "assistant", "content": turn.answered}
    if not turn.called:
        return [{"role": "user", "content": turn.said}, answer]
    function = {"name": TOOL, "arguments": '{"bridge": "old", "axles": 2}'}
    return [
        {"role": "user", "content": turn.said},
        {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call_id, "content": "seven coins"},
        answer,
    ]


# ---- Anthropic ------------------------------------------------------------------------------------------------------


def _anthropic(talk: Talk, model: str, key: str) -> Request:
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(talk.turns):
        messages += _anthropic_turn(turn, f"toolu_{number}")
    last: list[dict[str, Any]] = [{"type": "text", "text": talk.said}]
    if talk.has_image:
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        last.insert(0, {"type": "image", "source": source})
    messages.append({"role": "user", "content": last})
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": talk.output_tokens}
    if talk.system:
        block: dict[str, Any] = {"type": "text", "text": talk.system}
        if talk.cache_ttl:
            block["cache_control"] = {"type": "ephemeral", "ttl": talk.cache_ttl}
        body["system"] = [block]
    if talk.has_tools:
        body["tools"] = [{"name": TOOL, "description": "Looks up a toll", "input_schema": BRIDGES}]
        body["tool_choice"] = {"type": "tool", "name": TOOL} if talk.choice == "one" else {"type": talk.choice}
    if talk.has_search:
        body["tools"] = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]
    if talk.effort and all(place.thinks_by_itself for place in talk.places):
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": talk.effort}
    elif talk.effort:
        body["thinking"] = {"type": "enabled", "budget_tokens": _BUDGETS[talk.effort]}
    if talk.temperature is not None:
        body["temperature"] = talk.temperature
    if talk.has_schema:
        form = {"type": "json_schema", "schema": BRIDGES | {"additionalProperties": False}}
        body["output_config"] = {**body.get("output_config", {}), "format": form}
    if talk.stops:
        body["stop_sequences"] = list(talk.stops)
    if talk.is_stream:
        body["stream"] = True
    return "/v1/messages", {"x-api-key": key, "anthropic-version": "2023-06-01"}, body


def _anthropic_turn(turn: Turn, call_id: str) -> list[dict[str, Any]]:
    answer = {"role": "assistant", "content": turn.answered}
    if not turn.called:
        return [{"role": "user", "content": turn.said}, answer]
    result = {"type": "tool_result", "tool_use_id": call_id, "content": "seven coins"}
    return [
        {"role": "user", "content": turn.said},
        {"role": "assistant", "content": [{"type": "tool_use", "id": call_id, "name": TOOL, "input": ARGUMENTS}]},
        {"role": "user", "content": [result]},
        answer,
    ]


# ---- Gemini ---------------------------------------------------------------------------------------------------------


def _gemini(talk: Talk, model: str, key: str, rng: random.Random) -> Request:
    contents: list[dict[str, Any]] = []
    for turn in talk.turns:
        contents += _gemini_turn(turn)
    last: list[dict[str, Any]] = [{"text": talk.said}]
    if talk.has_image:
        last.append({"inlineData": {"mimeType": "image/png", "data": PIXEL}})
    contents.append({"role": "user", "parts": last})
    body: dict[str, Any] = {"contents": contents}
    if talk.system:
        body["systemInstruction"] = {"parts": [{"text": talk.system}]}
    if talk.has_tools:
        declared = {"name": TOOL, "description": "Looks up a toll", "parametersJsonSchema": BRIDGES}
        body["tools"] = [{"functionDeclarations": [declared]}]
        calling: dict[str, Any] = {"mode": {"auto": "AUTO", "none": "NONE"}.get(talk.choice, "ANY")}
        if talk.choice == "one":
            calling["allowedFunctionNames"] = [TOOL]
        body["toolConfig"] = {"functionCallingConfig": calling}
    if talk.has_search:
        body["tools"] = [{"googleSearch": {}}]
    body["generationConfig"] = _gemini_config(talk)
    if talk.tier:
        body["serviceTier"] = talk.tier
    headers = {"x-goog-api-key": key}
    if not talk.is_stream:
        return f"/v1beta/models/{model}:generateContent", headers, body
    as_events = "?alt=sse" if rng.random() < 0.7 else ""
    return f"/v1beta/models/{model}:streamGenerateContent{as_events}", headers, body


def _gemini_config(talk: Talk) -> dict[str, Any]:
    config: dict[str, Any] = {"maxOutputTokens": talk.output_tokens}
    if talk.effort:
        is_old = any(place.model.startswith("gemini-2") for place in talk.places)
        how = {"thinkingBudget": _BUDGETS[talk.effort]} if is_old else {"thinkingLevel": talk.effort.upper()}
        config["thinkingConfig"] = {"includeThoughts": True, **how}
    if talk.temperature is not None:
        config["temperature"] = talk.temperature
    if talk.has_schema:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": BRIDGES}
    if talk.stops:
        config["stopSequences"] = list(talk.stops)
    if talk.answers > 1:
        config["candidateCount"] = talk.answers
    return config


def _gemini_turn(turn: Turn) -> list[dict[str, Any]]:
    answer = {"role": "model", "parts": [{"text": turn.answered}]}
    if not turn.called:
        return [{"role": "user", "parts": [{"text": turn.said}]}, answer]
    call = {"functionCall": {"name": TOOL, "args": ARGUMENTS}, "thoughtSignature": _SKIPPED}
    response = {"functionResponse": {"name": TOOL, "response": {"output": "seven coins"}}}
    return [
        {"role": "user", "parts": [{"text": turn.said}]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [response]},
        answer,
    ]
