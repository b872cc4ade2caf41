"""A chat answer as server-sent events: role, content in pieces of one to three tokens, finish, usage, `[DONE]`."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Event
from tollkeeper_simulator.portions import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.openai.chat_request import ChatRequest
    from tollkeeper_simulator.openai.reply import Reply

_encode = msgspec.json.Encoder().encode
DONE = Event(b"data: [DONE]\n\n")
_KEEP_ALIVE = Event(b": keep-alive\n\n")


def events(frame: Json, said: list[Reply], request: ChatRequest, *, usage: Json | None, late: bool) -> Iterator[Event]:
    """Yield the events of all choices, taking turns. `usage` None leaves it out, `late` puts it on the last finish chunk."""
    start = _encode({**frame, "object": "chat.completion.chunk"})[:-1]
    asked = request.include_usage or request.model.family == "xai"  # which always says what it used
    null_usage = b',"usage":null' if asked else b""
    writers = [
        _Choice(start, index, null_usage, late=usage if late and index == len(said) - 1 else None)
        for index in range(len(said))
    ]
    if request.model.family == "deepseek":
        yield _KEEP_ALIVE
    turns = (writer.events(reply, request) for writer, reply in zip(writers, said, strict=True))
    yield from filter(None, chain.from_iterable(zip_longest(*turns)))
    if asked and usage is not None and not late:
        yield Event(b'data: %b,"choices":[],"usage":%b}\n\n' % (start, _encode(usage)), tells_usage=True)
    yield DONE


class _Choice:
    """The chunks of one choice."""

    def __init__(self, start: bytes, index: int, null_usage: bytes, *, late: Json | None) -> None:
        self._before = b'data: %b,"choices":[{"index":%d,"delta":' % (start, index)
        self._after = b',"logprobs":null,"finish_reason":null}]%b}\n\n' % null_usage
        self._late = late is not None
        shown = null_usage if late is None else b',"usage":' + _encode(late)
        self._end = b'{},"logprobs":null,"finish_reason":"%%b"}]%b}\n\n' % shown.replace(b"%", b"%%")

    def events(self, reply: Reply, request: ChatRequest) -> Iterator[Event]:
        reasoning = reply.reasoning_tokens
        if reply.thoughts:
            yield self._event(b'{"role":"assistant","content":null,"reasoning_content":""}')
            for words, size in grouped(reply.thoughts):
                yield self._event(_encode({"content": None, "reasoning_content": words}), reasoning=size)
            reasoning -= len(reply.thoughts)
        if reply.tool_name is not None:
            yield from self._call(reply, reply.tool_name, reasoning)
        elif request.audio:
            yield from self._spoken(reply)
        else:
            yield self._event(b'{"role":"assistant","content":"","refusal":null}', reasoning=reasoning)
            for words, size in grouped(reply.pieces):
                yield self._event(b'{"content":%b}' % _encode(words), size)
        yield Event(self._before + self._end % reply.finish.encode(), tells_usage=self._late)

    def _call(self, reply: Reply, name: str, reasoning: int) -> Iterator[Event]:
        call = {"index": 0, "id": clock.object_id("call_"), "type": "function"}
        first = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{**call, "function": {"name": name, "arguments": ""}}],
        }
        yield self._event(_encode(first), reply.name_tokens, reasoning=reasoning)
        for words, size in grouped(reply.pieces):
            yield self._event(_encode({"tool_calls": [{"index": 0, "function": {"arguments": words}}]}), size)

    def _spoken(self, reply: Reply) -> Iterator[Event]:
        name = clock.object_id("audio_")
        yield self._event(_encode({"role": "assistant", "audio": {"id": name}}), reasoning=reply.reasoning_tokens)
        for words, size in grouped(reply.pieces):
            yield self._event(_encode({"audio": {"transcript": words}}), size)
        yield self._event(
            _encode({"audio": {"data": "AAAA", "expires_at": clock.now_s() + 3_600}}), audio=reply.audio_tokens
        )

    def _event(self, delta: bytes, visible: int = 0, *, reasoning: int = 0, audio: int = 0) -> Event:
        data = self._before + delta + self._after
        return Event(data, visible + reasoning + audio, reasoning, audio)
