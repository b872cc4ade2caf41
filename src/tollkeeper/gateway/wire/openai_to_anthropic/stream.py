"""Anthropic's events of a stream as OpenAI's chunks: one decoding and at most one encoding per event. Pure.

Events: https://platform.claude.com/docs/en/build-with-claude/streaming; chunks: `openai` 3.51,
types/chat/chat_completion_chunk.py (2026-11).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tollkeeper.gateway.wire.openai_to_anthropic import thoughts
from tollkeeper.gateway.wire.openai_to_anthropic.answer import (
    FINISH_REASONS,
    Block,
    StopDetails,
    Usage,
    annotations_of,
    created,
    tier_said,
    usage_said,
)
from tollkeeper.gateway.wire.openai_to_anthropic.errors import Error, described
from tollkeeper.gateway.wire.translation_reading import event_data

_encode = msgspec.json.encode
_DONE = b"data: [DONE]\n\n"


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class _Started(msgspec.Struct):
    id: str = ""
    usage: Usage | None = None


class _Event(msgspec.Struct):
    type: str
    message: _Started | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: Usage | None = None
    error: Error | None = None


_decode = msgspec.json.Decoder(_Event).decode


class Stream:
    """One answer on its way; see `TranslatedStream`. The usage and `[DONE]` are written with Anthropic's last event."""

    def __init__(self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]) -> None:
        self._model, self._wants_usage, self._request_id, self._cost_usd = model, wants_usage, request_id, cost_usd
        self._usage = Usage()
        self._tail = b',"usage":null}\n\n' if wants_usage else b"}\n\n"
        self._head = self._head_with("")
        self._block: Block | None = None
        self._has_arguments = False  # the tool call that is being streamed
        self._annotations: list[dict[str, Any]] = []
        self._text_length = self._text_start = 0
        self._calls = self._thoughts = 0
        self._finish_reason: str | None = None
        self._is_over = False

    def feed(self, events: bytes) -> bytes:
        """Take whole events; return chunks."""
        return b"".join([self._translate(data) for data in event_data(events)])

    def finish(self) -> bytes:
        """End a stream that its provider did not end: properly when the answer was whole, else with an error."""
        if self._is_over:
            return b""
        if self._finish_reason is not None:
            return self._end()
        return self._say_failed(Error("api_error", "The provider ended the stream before the answer was whole."))

    def _translate(self, data: bytes) -> bytes:
        if self._is_over:
            return b""
        try:
            event = _decode(data)
        except (msgspec.DecodeError, RecursionError):
            return self._say_failed(Error("api_error", "The provider sent an event that cannot be read."))
        take = _TAKEN.get(event.type)
        return take(self, event) if take is not None else b""  # a ping, or an event of a kind that is newer than this

    def _begin(self, event: _Event) -> bytes:
        message = event.message or _Started()
        if message.usage is not None:
            self._usage.take(message.usage)
        self._head = self._head_with(message.id)
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _head_with(self, answer_id: str) -> bytes:
        """Return how each chunk begins."""
        head = {
            "id": answer_id or f"chatcmpl-{self._request_id}",
            "object": "chat.completion.chunk",
            "created": created(self._request_id),
            "model": self._model,
            "service_tier": tier_said(self._usage),
            "system_fingerprint": None,
        }
        return b"data: " + _encode(head)[:-1] + b","

    def _begin_block(self, event: _Event) -> bytes:
        self._block = block = event.content_block or Block("")
        if block.type == "text":
            self._text_start = self._text_length
            return self._text(block.text) if block.text else b""
        if block.type == "tool_use":
            self._has_arguments = False
            call = {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": ""}}
            self._calls += 1
            return self._call(call)
        if block.type == "thinking" and block.thinking:
            return self._chunk({"reasoning_content": block.thinking})
        return b""

    def _go_on(self, event: _Event) -> bytes:
        block, delta = self._block, event.delta
        if block is None or delta is None:
            return b""
        match delta.type:
            case "text_delta" if block.type == "text":
                return self._text(delta.text)
            case "input_json_delta" if block.type == "tool_use" and delta.partial_json:
                self._has_arguments = True
                return self._call({"function": {"arguments": delta.partial_json}})
            case "thinking_delta" if block.type == "thinking":
                block.thinking += delta.thinking
                return self._chunk({"reasoning_content": delta.thinking}) if delta.thinking else b""
            case "signature_delta":
                block.signature += delta.signature
            case "citations_delta" if delta.citation is not None:
                block.citations = [*(block.citations or ()), delta.citation]
        return b""

    def _end_block(self, _: _Event) -> bytes:
        block, self._block = self._block, None
        if block is None:
            return b""
        if block.type == "tool_use" and not self._has_arguments:  # a tool without arguments; clients want a JSON object
            return self._call({"function": {"arguments": _encode(block.input or {}).decode()}})
        if (thought := block.thought) is not None:
            self._thoughts += 1
            return self._chunk({"reasoning_details": [thoughts.detail(thought, self._thoughts - 1)]})
        if block.citations:
            self._annotations += annotations_of(block.citations, self._text_start, self._text_length)
        return b""

    def _stop(self, event: _Event) -> bytes:
        if event.usage is not None:
            self._usage.take(event.usage)
        delta = event.delta
        if delta is None or delta.stop_reason is None or self._finish_reason is not None:
            return b""
        self._finish_reason = FINISH_REASONS.get(delta.stop_reason, "stop")
        last: dict[str, Any] = {}
        if self._annotations:  # all at once: OpenAI's client takes a second list for an error
            last["annotations"] = self._annotations
        if delta.stop_reason == "refusal" and delta.stop_details and delta.stop_details.explanation:
            last["refusal"] = delta.stop_details.explanation
        return self._chunk(last, self._finish_reason)

    def _end(self, _: _Event | None = None) -> bytes:
        self._is_over = True
        if not self._wants_usage:
            return _DONE
        usage = usage_said(self._usage)
        cost = self._cost_usd()
        if cost is not None:
            usage["cost"] = msgspec.Raw(cost.encode())
        return self._head + b'"choices":[],"usage":' + _encode(usage) + b"}\n\n" + _DONE

    def _fail(self, event: _Event) -> bytes:
        return self._say_failed(event.error or Error())

    def _say_failed(self, error: Error) -> bytes:
        self._is_over = True
        _, said = described(error)
        return b"data: " + _encode({"error": {**said, "request_id": self._request_id}}) + b"\n\n"

    def _text(self, text: str) -> bytes:
        self._text_length += len(text)
        return self._chunk({"content": text})

    def _call(self, call: dict[str, Any]) -> bytes:
        return self._chunk({"tool_calls": [{"index": self._calls - 1, **call}]})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        reason = b'"%b"' % finish_reason.encode() if finish_reason else b"null"
        return b'%b"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]%b' % (
            self._head, _encode(delta), reason, self._tail,
        )  # fmt: skip


_TAKEN: dict[str, Callable[[Stream, _Event], bytes]] = {
    "content_block_delta": Stream._go_on,
    "content_block_start": Stream._begin_block,
    "content_block_stop": Stream._end_block,
    "message_start": Stream._begin,
    "message_delta": Stream._stop,
    "message_stop": Stream._end,
    "error": Stream._fail,
}
