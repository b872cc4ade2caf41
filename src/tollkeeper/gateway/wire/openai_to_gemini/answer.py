"""What a Gemini model said as an OpenAI chat completion: the message, its tool calls, why it ended, what it used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tollkeeper.gateway.wire.gemini_target.answers import (
    Candidate,
    Ending,
    FunctionCall,
    Logprobs,
    Part,
    TokenLogprob,
    Usage,
    ending_of,
    parse_answer,
    tokens_of,
)
from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.gemini_target.naming import made_id

_REASONS: dict[Ending, str] = {
    "stop": "stop",
    "length": "length",
    "blocked": "content_filter",
    "failed": "stop",  # OpenAI has no word for a call that came out malformed
}
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
_encode = msgspec.json.Encoder().encode


class Said:
    """What one candidate has said so far, as far as the rest depends on it: how many calls there were."""

    __slots__ = ("calls", "index", "request_id")

    def __init__(self, index: int, request_id: str) -> None:
        self.index, self.request_id = index, request_id
        self.calls = 0

    def delta(self, parts: Iterable[Part]) -> JsonObject:
        """Return what parts add: `content`, `reasoning_content`, `tool_calls` with their index, `images`, signature."""
        found: JsonObject = {}
        for part in parts:
            if part.function_call is not None:
                call = self._call(part.function_call) | (_signature(part) if part.thought_signature else {})
                found.setdefault("tool_calls", []).append(call)
                continue
            if part.inline_data is not None and part.inline_data.data:
                url = f"data:{part.inline_data.mime_type or ''};base64,{part.inline_data.data}"
                found.setdefault("images", []).append({"type": "image_url", "image_url": {"url": url}})
            elif part.text:
                name = "reasoning_content" if part.thought else "content"
                found[name] = found.get(name, "") + part.text
            if part.thought_signature and not part.thought:
                found |= _signature(part)
        return found

    def finish_reason(self, stated: str) -> str:
        """Return OpenAI's word for why the model ended; a call is one even if Gemini says STOP."""
        ending = ending_of(stated)
        return "tool_calls" if self.calls and ending == "stop" else _REASONS[ending]

    def _call(self, function: FunctionCall) -> JsonObject:
        number = self.calls
        self.calls += 1
        return {
            "index": number,
            "id": function.id or made_id("call", self.request_id, self.index, number),
            "type": "function",
            "function": {"name": function.name or "", "arguments": function.arguments},
        }


def openai_answer(body: bytes, *, model: str, request_id: str, created_s: int) -> bytes:
    """Return a whole answer of Gemini's as a chat completion.

    Raises:
        UpstreamFault: the provider's answer is none of Gemini's.
    """
    answer = parse_answer(body)
    blocked = answer.blocked
    choices = [_choice(each, number, request_id) for number, each in enumerate(answer.candidates or ())]
    if blocked is not None:
        choices = [_blocked(blocked)]
    usage = answer.usage_metadata or Usage()
    completion: JsonObject = {
        "id": f"chatcmpl-{answer.response_id or request_id}",
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": choices,
        "usage": openai_usage(usage),
    }
    tier = service_tier(usage)
    if tier is not None:
        completion["service_tier"] = tier
    return _encode(completion)


def openai_usage(usage: Usage, cost_usd: Callable[[], str | None] | None = None) -> JsonObject:
    """Return OpenAI's `usage`: the prompt with what was cached, the completion with its reasoning."""
    found: JsonObject = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": 0,
            "audio_tokens": tokens_of(usage.prompt_tokens_details, "AUDIO"),
            "image_tokens": tokens_of(usage.prompt_tokens_details, "IMAGE"),
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.thought_tokens,
            "audio_tokens": tokens_of(usage.candidates_tokens_details, "AUDIO"),
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    cost = cost_usd() if cost_usd is not None else None
    if cost is not None:
        found["cost"] = msgspec.Raw(cost.encode())
    return found


def service_tier(usage: Usage) -> str | None:
    """Return OpenAI's word for the tier that served; None when Gemini did not say."""
    return _TIERS.get(usage.service_tier) if usage.service_tier is not None else None


def openai_logprobs(found: Logprobs | None) -> JsonObject | None:
    """Return the log probabilities of one answer or chunk; None when there are none."""
    if found is None or not found.chosen_candidates:
        return None
    tops = found.top_candidates or []
    content = []
    for number, chosen in enumerate(found.chosen_candidates):
        alternatives = (tops[number].candidates or []) if number < len(tops) else []
        content.append({**_logprob(chosen), "top_logprobs": [_logprob(each) for each in alternatives]})
    return {"content": content, "refusal": None}


def _choice(candidate: Candidate, number: int, request_id: str) -> JsonObject:
    index = candidate.index if candidate.index is not None else number
    said = Said(index, request_id)
    delta = said.delta(candidate.parts)
    for call in delta.get("tool_calls", ()):
        del call["index"]
    message: JsonObject = {"role": "assistant", "content": None, "refusal": None} | delta
    if message["content"] is None and not said.calls:
        message["content"] = ""
    return {
        "index": index,
        "message": message,
        "logprobs": openai_logprobs(candidate.logprobs_result),
        "finish_reason": said.finish_reason(candidate.ended_by or "STOP"),
    }


def _signature(part: Part) -> JsonObject:
    return {"extra_content": {"google": {"thought_signature": part.thought_signature}}}


def _blocked(reason: str) -> JsonObject:
    message = {"role": "assistant", "content": None, "refusal": reason}
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": "content_filter"}


def _logprob(one: TokenLogprob) -> dict[str, Any]:
    token = one.token or ""
    logprob = (
        one.log_probability if one.log_probability is not None else -9999.0
    )  # OpenAI's own word for "very unlikely"
    return {"token": token, "logprob": logprob, "bytes": list(token.encode(errors="replace"))}
