"""An OpenAI chat completion as an Anthropic message, and OpenAI's usage as Anthropic counts it. Pure.

Shapes: `openai` 3.51, types/chat/chat_completion.py; `anthropic` 2.12, types/{message,usage}.py (2026-11). Reasoning stands
in `reasoning_content` (DeepSeek, xAI, vLLM) or `reasoning` (OpenRouter: openrouter.ai/docs/guides/best-practices/reasoning-tokens).
"""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.anthropic_to_openai.errors import Error

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "insufficient_system_resource": "max_tokens",  # DeepSeek's: it was cut short
}
_TIERS = {"default": "standard", "auto": "standard", "flex": "standard", "priority": "priority", "fast": "priority"}
_UNREADABLE = "INVALID_JSON"
"""Under which arguments stand that are no JSON object, as Anthropic proposes for tools' input that is streamed as it comes."""


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """OpenAI's, with DeepSeek's and xAI's variants."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class Function(msgspec.Struct):
    """The arguments are JSON as text; some servers of the dialect give the object itself."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def written(self) -> str:
        if isinstance(self.arguments, dict):
            return msgspec.json.encode(self.arguments).decode()
        return self.arguments or ""


class ToolCall(msgspec.Struct):
    """A call in an answer, or a piece of one in a chunk, which alone has an index."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Said(msgspec.Struct):
    """A message, or what a chunk adds to it. `content` is a text, or Mistral's list of parts."""

    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part["text"] for part in self.content if isinstance(part.get("text"), str))
        return self.content or ""

    @property
    def thinking(self) -> str:
        return self.reasoning_content or self.reasoning or ""


class Choice(msgspec.Struct):
    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None


class Completion(msgspec.Struct):
    """A whole answer, or one chunk of a stream."""

    id: str | None = None
    choices: list[Choice] | None = None
    usage: Usage | None = None
    service_tier: str | None = None
    error: Error | str | None = None


decode = msgspec.json.Decoder(Completion).decode


def answer(body: bytes, *, model: str, request_id: str) -> bytes:
    """Return a whole answer; see `Translation.answer`.

    Raises:
        UpstreamFault: the provider's answer is no chat completion.
    """
    try:
        completion = decode(body)
    except (msgspec.DecodeError, RecursionError):
        completion = Completion()
    choices = completion.choices
    if not choices or (said := choices[0].message) is None or completion.error is not None:
        raise UpstreamFault("protocol", "the provider's answer is not a chat completion", sent=True)
    stop_reason = stop_reason_of(choices[0].finish_reason, refusal=said.refusal, has_calls=bool(said.tool_calls))
    return msgspec.json.encode(
        {
            "id": completion.id or f"msg_{request_id}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": _blocks(said),
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "stop_details": stop_details(stop_reason, said.refusal),
            "usage": usage_said(completion.usage or Usage(), completion.service_tier),
        }
    )


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thinking:
        blocks.append({"type": "thinking", "thinking": said.thinking, "signature": ""})
    if text := said.text + (said.refusal or ""):
        blocks.append({"type": "text", "text": text, "citations": None})
    for i, call in enumerate(said.tool_calls or ()):
        function = call.function or Function()
        block_id = call.id or f"toolu_{i}"
        blocks.append(
            {"type": "tool_use", "id": block_id, "name": function.name or "", "input": _input(function.written)}
        )
    return blocks


def _input(arguments: str) -> dict[str, Any]:
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {_UNREADABLE: arguments}


def stop_reason_of(finish_reason: str | None, *, refusal: str | None, has_calls: bool) -> str:
    """Return Anthropic's reason. Some servers of the dialect say `stop` when they call a tool."""
    if refusal:
        return "refusal"
    reason = STOP_REASONS.get(finish_reason or "", "end_turn")
    return "tool_use" if has_calls and reason == "end_turn" else reason


def stop_details(stop_reason: str, refusal: str | None) -> dict[str, Any] | None:
    """Return what Anthropic says with a refusal; None with every other reason."""
    if stop_reason != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": refusal or None}


def usage_said(usage: Usage, tier: str | None) -> dict[str, Any]:
    """Return a usage as Anthropic counts: what was read from a cache or written to it is not part of the input."""
    prompt = usage.prompt_tokens_details or PromptDetails()
    stated = prompt.cached_tokens or usage.prompt_cache_hit_tokens or 0
    read = min(stated, usage.prompt_tokens)
    written = min(prompt.cache_write_tokens or 0, usage.prompt_tokens - read)
    details = usage.completion_tokens_details
    reasoning = details.reasoning_tokens or 0 if details else 0
    output = usage.completion_tokens
    if reasoning and usage.total_tokens == usage.prompt_tokens + output + reasoning:
        output += reasoning  # xAI's chat counts it apart
    return {
        "input_tokens": usage.prompt_tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": None,
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": reasoning},
        "server_tool_use": None,
        "service_tier": _TIERS.get(tier or ""),
    }
