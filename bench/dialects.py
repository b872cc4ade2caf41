"""What is sent and answered in the three dialects: requests, whole answers and streams of about the same size."""

from __future__ import annotations

from typing import Literal

from bench import targets
from bench.targets import ANSWER_BYTES, CHUNK_BYTES, CHUNKS, REQUEST_BYTES, filled, json_bytes

Dialect = Literal["openai", "anthropic", "gemini"]

DIALECTS: tuple[Dialect, ...] = ("openai", "anthropic", "gemini")
MODELS: dict[Dialect, str] = {
    "openai": targets.MODEL,
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
}
END_MARKS: dict[Dialect, str] = {
    "openai": "data: [DONE]",
    "anthropic": '"message_stop"',
    "gemini": '"finishReason":"STOP"',
}
"""What stands near the end of a stream that came whole."""
_STREAM_REQUEST_BYTES = REQUEST_BYTES + 60


def request_of(dialect: Dialect, model: str, *, stream: bool) -> bytes:
    """Return a request with an output limit, of 250 bytes (310 for a stream)."""
    size = _STREAM_REQUEST_BYTES if stream else REQUEST_BYTES
    if dialect == "openai":
        return targets.request_body(model, stream=stream)
    if dialect == "anthropic":
        request: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": ""}], "max_tokens": 64}
        return filled(request | ({"stream": True} if stream else {}), "content", size=size)
    contents = [{"role": "user", "parts": [{"text": ""}]}]
    return filled({"contents": contents, "generationConfig": {"maxOutputTokens": 64}}, "text", size=size)


def path_of(dialect: Dialect, model: str, *, stream: bool) -> str:
    """Return where a request goes, below the gateway's origin."""
    if dialect == "gemini":
        return f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"
    return "/v1/chat/completions" if dialect == "openai" else "/v1/messages"


def headers_of(dialect: Dialect, key: str) -> dict[str, str]:
    """Return the headers of a client of that dialect."""
    if dialect == "openai":
        return {"authorization": f"Bearer {key}"}
    if dialect == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return {"x-goog-api-key": key}


def answer_of(dialect: Dialect) -> bytes:
    """Return a provider's whole answer of 700 bytes, with its usage."""
    if dialect == "openai":
        return targets.answer_body()
    if dialect == "anthropic":
        message = {
            **_MESSAGE,
            "content": [{"type": "text", "text": ""}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": _ANTHROPIC_USAGE,
        }
        return filled(message, "text", size=ANSWER_BYTES)
    candidate = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
    answer = {
        "candidates": [candidate],
        "usageMetadata": _GEMINI_USAGE,
        "modelVersion": MODELS["gemini"],
        "responseId": "r",
    }
    return filled(answer, "text", size=ANSWER_BYTES)


def events_of(dialect: Dialect) -> list[bytes]:
    """Return a provider's stream: 100 chunks of about 230 bytes between what the dialect puts around them."""
    if dialect == "openai":
        return targets.stream_events()
    if dialect == "anthropic":
        return _anthropic_events()
    candidate: dict[str, object] = {"content": {"parts": [{"text": ""}], "role": "model"}, "index": 0}
    chunk = {"candidates": [candidate], "modelVersion": MODELS["gemini"], "responseId": "r"}
    event = b"data: " + filled(chunk, "text", size=CHUNK_BYTES - 10) + b"\r\n\r\n"
    last = {**chunk, "candidates": [{**candidate, "finishReason": "STOP"}], "usageMetadata": _GEMINI_USAGE}
    return [event] * CHUNKS + [b"data: " + json_bytes(last) + b"\r\n\r\n"]


_MESSAGE = {"id": "msg_bench", "type": "message", "role": "assistant", "model": MODELS["anthropic"]}
_ANTHROPIC_USAGE = {
    "input_tokens": 57,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 64,
    "service_tier": "standard",
}
_GEMINI_USAGE = {
    "promptTokenCount": 57,
    "candidatesTokenCount": 64,
    "totalTokenCount": 121,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 57}],
}


def _anthropic_events() -> list[bytes]:
    first = {**_ANTHROPIC_USAGE, "output_tokens": 1}
    start: dict[str, object] = {**_MESSAGE, "content": [], "stop_reason": None, "stop_sequence": None, "usage": first}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}
    head = b"event: content_block_delta\ndata: "
    chunk = head + filled(delta, "text", size=CHUNK_BYTES - len(head) - 2) + b"\n\n"
    ended = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 64}}
    return [
        _event("message_start", {"message": start}),
        _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *([chunk] * CHUNKS),
        _event("content_block_stop", {"index": 0}),
        _event("message_delta", ended),
        _event("message_stop", {}),
    ]


def _event(kind: str, members: dict[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json_bytes({"type": kind, **members}))
