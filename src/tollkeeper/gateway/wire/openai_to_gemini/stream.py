"""A stream of Gemini's as the chunks of an OpenAI chat completion."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tollkeeper.gateway.wire.gemini_target.answers import Answer, Candidate, Usage
from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.gemini_target.errors import CUT_SHORT, ProviderError, describe
from tollkeeper.gateway.wire.gemini_target.naming import created_s
from tollkeeper.gateway.wire.gemini_target.stream import GeminiStream
from tollkeeper.gateway.wire.openai_to_gemini.answer import Said, openai_logprobs, openai_usage, service_tier
from tollkeeper.gateway.wire.openai_to_gemini.errors import openai_error

_encode = msgspec.json.Encoder().encode
DONE = b"data: [DONE]\n\n"


class Stream(GeminiStream):
    """One stream on its way back. It says its first word with the first candidate, its last when it has ended."""

    def __init__(self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]) -> None:
        super().__init__()
        self._model, self._request_id = model, request_id
        self._wants_usage, self._cost_usd = wants_usage, cost_usd
        self._head = b""
        self._tail = b'],"usage":null}\n\n' if wants_usage else b"]}\n\n"
        self._said: dict[int, Said] = {}
        self._open: set[int] = set()
        self._usage = Usage()

    def finish(self) -> bytes:
        if self._is_broken:
            return b""
        if self._open or not self._said:
            written: list[bytes] = []
            self._break(ProviderError("internal", CUT_SHORT), written)
            return b"".join(written)
        if not self._wants_usage:
            return DONE
        usage = _encode(openai_usage(self._usage, self._cost_usd))
        return b'%b],"usage":%b}\n\n%b' % (self._head, usage, DONE)

    def _take(self, answer: Answer, written: list[bytes]) -> None:
        if answer.error is not None:
            self._break(describe(answer.error), written)
            return
        if answer.usage_metadata is not None:
            self._usage = answer.usage_metadata
        if not self._head:
            self._begin(answer)
        if answer.candidates:
            for number, candidate in enumerate(answer.candidates):
                self._take_candidate(candidate, number, written)
        elif (blocked := answer.blocked) is not None and not self._said:
            self._said[0] = Said(0, self._request_id)
            self._write(0, {"role": "assistant", "content": None, "refusal": blocked}, written)
            self._write(0, {}, written, finish_reason="content_filter")

    def _take_candidate(self, candidate: Candidate, number: int, written: list[bytes]) -> None:
        index = candidate.index if candidate.index is not None else number
        said = self._said.get(index)
        delta: JsonObject = {}
        if said is None:
            said = self._said[index] = Said(index, self._request_id)
            self._open.add(index)
            delta = {"role": "assistant", "content": "", "refusal": None}
        delta |= said.delta(candidate.parts)
        logprobs = openai_logprobs(candidate.logprobs_result)
        if delta or logprobs:
            self._write(index, delta, written, logprobs=logprobs)
        if candidate.ended_by is not None and index in self._open:
            self._open.discard(index)
            self._write(index, {}, written, finish_reason=said.finish_reason(candidate.ended_by))

    def _write(
        self,
        index: int,
        delta: JsonObject,
        written: list[bytes],
        *,
        finish_reason: str | None = None,
        logprobs: JsonObject | None = None,
    ) -> None:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        written.append(b"%b%b%b" % (self._head, _encode(choice), self._tail))

    def _begin(self, answer: Answer) -> None:
        """Prepare what is the same in every chunk: it goes around the choice."""
        chunk: JsonObject = {
            "id": f"chatcmpl-{answer.response_id or self._request_id}",
            "object": "chat.completion.chunk",
            "created": created_s(self._request_id),
            "model": self._model,
        }
        tier = service_tier(self._usage)
        if tier is not None:
            chunk["service_tier"] = tier
        self._head = b'data: %b,"choices":[' % _encode(chunk)[:-1]

    def _break(self, error: ProviderError, written: list[bytes]) -> None:
        self._is_broken = True
        written.append(b"data: %b\n\n" % openai_error(error, self._request_id)[1])
