"""A stream of Gemini's as the events of an Anthropic message."""

from __future__ import annotations

import msgspec

from tollkeeper.gateway.wire.anthropic_to_gemini.answer import message_head
from tollkeeper.gateway.wire.anthropic_to_gemini.blocks import (
    THOUGHT_SIGNATURE,
    Kind,
    anthropic_usage,
    kind_of,
    refusal_details,
    stop_reason,
    text_of,
    tool_use_id,
)
from tollkeeper.gateway.wire.anthropic_to_gemini.errors import anthropic_error
from tollkeeper.gateway.wire.gemini_target.answers import Answer, Part, Usage
from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.gemini_target.errors import CUT_SHORT, ProviderError, describe
from tollkeeper.gateway.wire.gemini_target.stream import GeminiStream

_encode = msgspec.json.Encoder().encode
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTAS = {"text": "text_delta", "thinking": "thinking_delta"}


class Stream(GeminiStream):
    """One stream on its way back. It says its first word with the first event, its last when it has ended.

    Anthropic's clients asked for no usage: they are always told. `cost_usd` has no place in their usage.
    """

    def __init__(self, *, model: str, request_id: str) -> None:
        super().__init__()
        self._model, self._request_id = model, request_id
        self._usage = Usage()
        self._is_begun = False
        self._open: Kind | None = None
        self._index = -1
        self._calls = 0
        self._ended_by: str | None = None
        self._blocked: str | None = None

    def finish(self) -> bytes:
        if self._is_broken:
            return b""
        written: list[bytes] = []
        if self._ended_by is None and self._blocked is None:
            self._break(ProviderError("internal", CUT_SHORT), written)
            return b"".join(written)
        self._close(written)
        reason = stop_reason(self._ended_by, has_calls=self._calls > 0) if self._ended_by is not None else "refusal"
        delta: JsonObject = {"stop_reason": reason, "stop_sequence": None}
        if reason == "refusal":
            delta["stop_details"] = refusal_details(self._blocked)
        self._write({"type": "message_delta", "delta": delta, "usage": anthropic_usage(self._usage)}, written)
        written.append(_STOP)
        return b"".join(written)

    def _take(self, answer: Answer, written: list[bytes]) -> None:
        if answer.error is not None:
            self._break(describe(answer.error), written)
            return
        if answer.usage_metadata is not None:
            self._usage = answer.usage_metadata
        if not self._is_begun:
            self._is_begun = True
            usage = {**anthropic_usage(self._usage), "output_tokens": 0}
            message = {**message_head(answer, self._model, self._request_id), "usage": usage}
            self._write({"type": "message_start", "message": message}, written)
        if answer.candidates:
            first = answer.candidates[0]
            for part in first.parts:
                self._take_part(part, written)
            if first.ended_by is not None:
                self._ended_by = first.ended_by
                self._blocked = first.finish_message
        elif answer.blocked is not None:
            self._blocked = answer.blocked

    def _take_part(self, part: Part, written: list[bytes]) -> None:
        kind = kind_of(part)
        if kind is None:
            return
        if kind == "tool_use":
            self._write_call(part, written)
            return
        if kind != self._open:
            self._start(kind, {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {}), written)
        self._delta({"type": _DELTAS[kind], kind: text_of(part)}, written)

    def _write_call(self, part: Part, written: list[bytes]) -> None:
        function = part.function_call
        assert function is not None
        shown_id = tool_use_id(part, self._request_id, self._calls)
        self._calls += 1
        self._start("tool_use", {"type": "tool_use", "id": shown_id, "name": function.name or "", "input": {}}, written)
        self._delta({"type": "input_json_delta", "partial_json": function.arguments}, written)

    def _start(self, kind: Kind, block: JsonObject, written: list[bytes]) -> None:
        self._close(written)
        self._index += 1
        self._open = kind
        self._write({"type": "content_block_start", "index": self._index, "content_block": block}, written)

    def _close(self, written: list[bytes]) -> None:
        if self._open is None:
            return
        if self._open == "thinking":
            self._delta({"type": "signature_delta", "signature": THOUGHT_SIGNATURE}, written)
        self._open = None
        self._write({"type": "content_block_stop", "index": self._index}, written)

    def _delta(self, delta: JsonObject, written: list[bytes]) -> None:
        self._write({"type": "content_block_delta", "index": self._index, "delta": delta}, written)

    def _write(self, event: JsonObject, written: list[bytes]) -> None:
        written.append(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event)))

    def _break(self, error: ProviderError, written: list[bytes]) -> None:
        self._is_broken = True
        written.append(b"event: error\ndata: %b\n\n" % anthropic_error(error, self._request_id)[1])
