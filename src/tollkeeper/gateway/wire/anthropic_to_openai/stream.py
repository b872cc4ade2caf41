"""OpenAI's chunks of a stream as Anthropic's events: one decoding per chunk, one encoding per event. Pure.

Chunks: `openai` 3.51, types/chat/chat_completion_chunk.py; events: platform.claude.com/docs/en/build-with-claude/streaming
(2026-11). The prompt's tokens are known only at the end: `message_start` says 0, `message_delta` says what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tollkeeper.gateway.wire.anthropic_to_openai.answer import (
    Completion,
    Function,
    Said,
    ToolCall,
    Usage,
    decode,
    stop_details,
    stop_reason_of,
    usage_said,
)
from tollkeeper.gateway.wire.anthropic_to_openai.errors import MESSAGE_LENGTH_MAX, Error, classified, said
from tollkeeper.gateway.wire.translation_reading import event_data

_encode = msgspec.json.encode
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class _Call(msgspec.Struct):
    """One tool call of the answer. Anthropic's blocks follow each other: only one is live, later ones are held back."""

    id: str
    name: str
    arguments: list[str]

    @property
    def is_whole(self) -> bool:
        try:
            msgspec.json.decode("".join(self.arguments))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class Stream:
    """One answer on its way; see `TranslatedStream`. The end is written with OpenAI's `[DONE]`."""

    def __init__(self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]) -> None:
        del wants_usage, cost_usd  # Anthropic's clients always get the usage, and know no cost
        self._model, self._request_id = model, request_id
        self._usage = Usage()
        self._tier: str | None = None
        self._index = -1  # of the last block that began
        self._open = ""  # its kind, while it is open
        self._calls: dict[int, _Call] = {}
        self._live: int | None = None  # the call whose block is open
        self._waiting: list[int] = []
        self._finish_reason: str | None = None
        self._refusal = ""
        self._has_begun = self._is_over = False

    def feed(self, events: bytes) -> bytes:
        """Take whole events; return events."""
        return b"".join([self._translate(data) for data in event_data(events)])

    def finish(self) -> bytes:
        """End a stream that its provider did not end: properly when the answer was whole, else with an error."""
        if self._is_over:
            return b""
        if self._finish_reason is not None:
            return self._end()
        return self._fail(Error("The provider ended the stream before the answer was whole."))

    def _translate(self, data: bytes) -> bytes:
        if self._is_over:
            return b""
        if data == b"[DONE]":
            return self.finish()
        try:
            chunk = decode(data)
        except (msgspec.DecodeError, RecursionError):
            return self._fail(Error("The provider sent a chunk that cannot be read."))
        if chunk.error is not None:
            return self._fail(chunk.error if isinstance(chunk.error, Error) else Error(chunk.error))
        written = [] if self._has_begun else [self._begin(chunk)]
        if chunk.usage is not None:
            self._usage = chunk.usage
        self._tier = chunk.service_tier or self._tier
        for choice in chunk.choices or ():
            if choice.index != 0:
                continue
            if choice.delta is not None:
                self._go_on(choice.delta, written)
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
        return b"".join(written)

    def _begin(self, chunk: Completion) -> bytes:
        self._has_begun = True
        message: dict[str, Any] = {
            "id": chunk.id or f"msg_{self._request_id}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_said(chunk.usage or Usage(), chunk.service_tier),
        }
        return b"event: message_start\ndata: %b\n\n" % _encode({"type": "message_start", "message": message})

    def _go_on(self, delta: Said, written: list[bytes]) -> None:
        if thinking := delta.thinking:
            self._open_block("thinking", {"type": "thinking", "thinking": "", "signature": ""}, written)
            written.append(_DELTA % (self._index, b"thinking_delta", b"thinking", _encode(thinking)))
        if delta.refusal:
            self._refusal += delta.refusal
        if text := delta.text + (delta.refusal or ""):
            self._open_block("text", {"type": "text", "text": "", "citations": None}, written)
            written.append(_DELTA % (self._index, b"text_delta", b"text", _encode(text)))
        for call in delta.tool_calls or ():
            self._take_call(call, written)

    def _open_block(self, kind: str, block: dict[str, Any], written: list[bytes]) -> None:
        if self._open == kind:
            return
        self._close(written)
        self._index += 1
        self._open = kind
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        written.append(b"event: content_block_start\ndata: %b\n\n" % _encode(event))

    def _close(self, written: list[bytes]) -> None:
        if self._open:
            written.append(_STOP % self._index)
        self._open, self._live = "", None

    def _take_call(self, piece: ToolCall, written: list[bytes]) -> None:
        """Pass a piece of a call on, or hold it back while another call's block is open."""
        function = piece.function or Function()
        number = self._number(piece)
        arguments = function.written
        if number not in self._calls:
            self._calls[number] = _Call(piece.id or f"toolu_{number}", function.name or "", [])
            if self._live is None or self._calls[self._live].is_whole:
                self._show(number, written)
            else:
                self._waiting.append(number)
        call = self._calls[number]
        if arguments:
            call.arguments.append(arguments)
            if number == self._live:
                written.append(_DELTA % (self._index, b"input_json_delta", b"partial_json", _encode(arguments)))

    def _number(self, piece: ToolCall) -> int:
        """Return which call a piece belongs to; some servers of the dialect leave the index out."""
        if piece.index is not None:
            return piece.index
        latest = max(self._calls, default=-1)
        is_new = piece.id is not None and (latest < 0 or self._calls[latest].id != piece.id)
        return latest + 1 if is_new or latest < 0 else latest

    def _show(self, number: int, written: list[bytes]) -> None:
        call = self._calls[number]
        self._close(written)
        self._open_block("tool_use", {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, written)
        self._live = number

    def _show_waiting(self, written: list[bytes]) -> None:
        for number in self._waiting:
            self._show(number, written)
            arguments = "".join(self._calls[number].arguments)
            if arguments:
                written.append(_DELTA % (self._index, b"input_json_delta", b"partial_json", _encode(arguments)))

    def _end(self) -> bytes:
        self._is_over = True
        written: list[bytes] = []
        self._show_waiting(written)
        self._close(written)
        reason = stop_reason_of(self._finish_reason, refusal=self._refusal, has_calls=bool(self._calls))
        delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": stop_details(reason, self._refusal)}
        event = {"type": "message_delta", "delta": delta, "usage": usage_said(self._usage, self._tier)}
        written.append(b"event: message_delta\ndata: %b\n\n" % _encode(event))
        written.append(_END)
        return b"".join(written)

    def _fail(self, error: Error) -> bytes:
        self._is_over = True
        _, kind = classified(error, None)
        message = (error.message or "The provider failed.")[:MESSAGE_LENGTH_MAX]
        return b"event: error\ndata: %b\n\n" % _encode(said(kind, message, self._request_id))
