"""An Anthropic message as an OpenAI chat completion, and Anthropic's usage as OpenAI counts it. Pure.

Shapes: `anthropic` 2.12, types/{message,usage,content_block}.py; `openai` 3.51, types/chat/chat_completion.py (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.openai_to_anthropic import thoughts

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # the turn is not whole
    "compaction": "length",
    "refusal": "content_filter",
}
_TIERS = {"standard": "default", "priority": "priority", "batch": "default"}
_THINKING = frozenset({"thinking", "redacted_thinking"})


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class Usage(msgspec.Struct):
    """Anthropic's. In a stream it is cumulative: the last count that is stated holds, field by field."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None

    def take(self, later: Usage) -> None:
        """Take over what a later usage of the same stream states."""
        for name in self.__struct_fields__:
            if (value := getattr(later, name)) is not None:
                setattr(self, name, value)


class Block(msgspec.Struct):
    """A content block as far as it is translated; of a type that is not known, nothing is."""

    type: str
    text: str = ""
    citations: list[dict[str, Any]] | None = None
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] | None = None

    @property
    def thought(self) -> dict[str, Any] | None:
        if self.type == "thinking":
            return {"type": self.type, "thinking": self.thinking, "signature": self.signature}
        return {"type": self.type, "data": self.data} if self.type == "redacted_thinking" else None


class StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct):
    content: list[Block]
    usage: Usage
    id: str = ""
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


_decode = msgspec.json.Decoder(_Message).decode


def created(request_id: str) -> int:
    """Return the second in which a call began: its id is `req_` and a uuid7 in hexadecimal digits."""
    try:
        return int(request_id.removeprefix("req_").replace("-", "")[:12], 16) // 1000
    except ValueError:
        return 0


def answer(body: bytes, *, model: str, request_id: str) -> bytes:
    """Return a whole answer; see `Translation.answer`.

    Raises:
        UpstreamFault: the provider's answer is no message.
    """
    try:
        message = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamFault("protocol", "the provider's answer is not a message of Anthropic's", sent=True) from None
    choice = {
        "index": 0,
        "message": _said(message),
        "logprobs": None,
        "finish_reason": FINISH_REASONS.get(message.stop_reason or "", "stop"),
    }
    return msgspec.json.encode(
        {
            "id": message.id or f"chatcmpl-{request_id}",
            "object": "chat.completion",
            "created": created(request_id),
            "model": model,
            "choices": [choice],
            "usage": usage_said(message.usage),
            "service_tier": tier_said(message.usage),
            "system_fingerprint": None,
        }
    )


def _said(message: _Message) -> dict[str, Any]:
    text, annotations = "", list[dict[str, Any]]()
    thoughts_had: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in message.content:
        if block.type == "text":
            annotations += annotations_of(block.citations or (), len(text), len(text) + len(block.text))
            text += block.text
        elif block.type == "tool_use":
            arguments = msgspec.json.encode(block.input or {}).decode()
            calls.append({"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}})
        elif (thought := block.thought) is not None:
            thoughts_had.append(thought)
    refusal = message.stop_details.explanation if message.stop_details and message.stop_reason == "refusal" else None
    said: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal,
        "annotations": annotations,
    }
    if calls:
        said["tool_calls"] = calls
    if reasoning := "".join(each.get("thinking", "") for each in thoughts_had):
        said["reasoning_content"] = reasoning
    if thoughts_had:
        said["reasoning_details"] = [thoughts.detail(each, i) for i, each in enumerate(thoughts_had)]
    return said


def annotations_of(citations: Iterable[dict[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
    """Return citations of pages of the web as annotations of the characters that they speak for; others have no like."""
    found = []
    for each in citations:
        url, title = each.get("url"), each.get("title")
        if each.get("type") == "web_search_result_location" and isinstance(url, str):
            place = {"start_index": start, "end_index": end, "title": title or "", "url": url}
            found.append({"type": "url_citation", "url_citation": place})
    return found


def usage_said(usage: Usage) -> dict[str, Any]:
    """Return a usage as OpenAI counts: what was read from a cache or written to it is part of the prompt."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    prompt, completion = (usage.input_tokens or 0) + read + written, usage.output_tokens or 0
    thinking = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thinking or 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def tier_said(usage: Usage) -> str | None:
    return _TIERS.get(usage.service_tier or "")
