"""What a Gemini model said as Anthropic's content blocks, its stop reasons and its usage."""

from __future__ import annotations

from typing import Literal

from tollkeeper.gateway.wire.gemini_target.answers import Ending, Part, Usage, ending_of
from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.gemini_target.naming import made_id
from tollkeeper.gateway.wire.gemini_target.signatures import is_safe_id, signed_id

Kind = Literal["text", "thinking", "tool_use"]

THOUGHT_SIGNATURE = "Z2VtaW5p"
"""What a thinking block is signed with: Anthropic's clients expect something; what Gemini signs stands in tool uses."""
_REASONS: dict[Ending, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "blocked": "refusal",
    "failed": "end_turn",  # Anthropic has no word for a call that came out malformed
}


def kind_of(part: Part) -> Kind | None:
    """Return which block a part belongs in; None for one that says nothing to Anthropic's clients."""
    if part.function_call is not None:
        return "tool_use"
    if part.inline_data is not None and part.inline_data.data:
        return "text"
    if not part.text:
        return None
    return "thinking" if part.thought else "text"


def text_of(part: Part) -> str:
    """Return a part's text; an image, which Anthropic's clients cannot be answered, is named."""
    if part.text or part.inline_data is None:
        return part.text or ""
    return f"[{part.inline_data.mime_type or 'data'}]"


def tool_use_id(part: Part, request_id: str, number: int) -> str:
    """Return the id of a tool use: Gemini's own, or the request's and its number, with the thought signature in it."""
    call = part.function_call
    assert call is not None
    call_id = call.id if call.id and is_safe_id(call.id) else made_id("toolu", request_id, 0, number)
    return signed_id(call_id, part.thought_signature)


def stop_reason(stated: str, *, has_calls: bool) -> str:
    """Return Anthropic's word for why the model ended."""
    ending = ending_of(stated)
    return "tool_use" if has_calls and ending == "stop" else _REASONS[ending]


def refusal_details(explanation: str | None) -> JsonObject:
    """Return `stop_details` of a refusal."""
    return {"type": "refusal", "category": None, "explanation": explanation}


def anthropic_usage(usage: Usage) -> JsonObject:
    """Return Anthropic's `usage`: what was cached is outside the input, thoughts are inside the output."""
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.thought_tokens},
    }
