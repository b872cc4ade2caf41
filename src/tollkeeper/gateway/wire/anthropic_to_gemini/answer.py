"""A whole answer of Gemini's as an Anthropic message."""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.gateway.wire.anthropic_to_gemini.blocks import (
    THOUGHT_SIGNATURE,
    anthropic_usage,
    kind_of,
    refusal_details,
    stop_reason,
    text_of,
    tool_use_id,
)
from tollkeeper.gateway.wire.gemini_target.answers import Answer, Part, Usage, parse_answer
from tollkeeper.gateway.wire.gemini_target.checking import JsonObject

_encode = msgspec.json.Encoder().encode
_TIERS = {"standard": "standard", "priority": "priority"}


def anthropic_answer(body: bytes, *, model: str, request_id: str) -> bytes:
    """Return a message; of several candidates the first.

    Raises:
        UpstreamFault: the provider's answer is none of Gemini's.
    """
    answer = parse_answer(body)
    usage = answer.usage_metadata or Usage()
    message = message_head(answer, model, request_id)
    blocked = answer.blocked
    if blocked is not None:
        message |= {"stop_reason": "refusal", "stop_details": refusal_details(blocked)}
    else:
        assert answer.candidates
        first = answer.candidates[0]
        content = _blocks(first.parts, request_id)
        has_calls = any(block["type"] == "tool_use" for block in content)
        reason = stop_reason(first.ended_by or "STOP", has_calls=has_calls)
        message |= {"content": content, "stop_reason": reason}
        if reason == "refusal":
            message["stop_details"] = refusal_details(first.finish_message)
    tier = _TIERS.get(usage.service_tier or "")
    message["usage"] = {**anthropic_usage(usage), "service_tier": tier}
    return _encode(message)


def message_head(answer: Answer, model: str, request_id: str) -> JsonObject:
    """Return a message before anything is said: what `message_start` shows of it, too."""
    return {
        "id": f"msg_{answer.response_id or request_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(parts: list[Part], request_id: str) -> list[JsonObject]:
    """Return the content blocks; neighbouring texts are one, neighbouring thoughts too."""
    blocks: list[dict[str, Any]] = []
    calls = 0
    for part in parts:
        kind = kind_of(part)
        if kind == "tool_use":
            function = part.function_call
            assert function is not None
            block = {"type": kind, "id": tool_use_id(part, request_id, calls), "name": function.name or ""}
            blocks.append({**block, "input": msgspec.Raw(function.arguments.encode())})
            calls += 1
        elif kind is not None:
            field = kind  # "text" or "thinking", the block's name and its field's
            if blocks and blocks[-1]["type"] == kind:
                blocks[-1][field] += text_of(part)
            elif kind == "thinking":
                blocks.append({"type": kind, field: text_of(part), "signature": THOUGHT_SIGNATURE})
            else:
                blocks.append({"type": kind, field: text_of(part)})
    return blocks
