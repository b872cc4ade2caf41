"""An answer as a stream: each chunk is a whole response with the usage so far; there is no event that says that it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Event
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.gemini.candidates import calls, ending, prompt_feedback, text_signature
from tollkeeper_simulator.gemini.usage import metadata
from tollkeeper_simulator.portions import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.gemini.reply import Reply
    from tollkeeper_simulator.gemini.request import GenerateRequest

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Shape:
    """How chunks are strung together: what stands around the first and the others, and what ends the stream."""

    first: bytes
    next: bytes
    end: bytes
    content_type: str


EVENTS = Shape(b"data: %b\r\n\r\n", b"data: %b\r\n\r\n", b"", "text/event-stream")
ARRAY = Shape(b"[%b", b",\r\n%b", b"]\r\n", "application/json; charset=UTF-8")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What one chunk adds: an answer's part with what ends it, and the tokens that were generated for it."""

    body: Json
    visible: int = 0
    thinking: int = 0


def events(
    frame: Json, said: list[Reply], asked: GenerateRequest, *, usage: Usage, plan: FaultPlan, shape: Shape
) -> Iterator[Event]:
    """Yield the chunks of all candidates, one after the other."""
    chunks = [chunk for index, each in enumerate(said) for chunk in _chunks(each, index, asked)]
    if not said:
        chunks = [_Chunk({"promptFeedback": prompt_feedback()})]
    visible = thinking = 0
    for number, chunk in enumerate(chunks):
        visible += chunk.visible
        thinking += chunk.thinking
        last = number == len(chunks) - 1
        body = {**chunk.body, **frame}
        if not plan.no_usage and (last or not plan.late_usage):
            so_far = _so_far(usage, visible + thinking, thinking, last=last)
            body["usageMetadata"] = metadata(Usage() if plan.zero_usage else so_far, asked.prompt, asked.tier)
        data = (shape.next if number else shape.first) % _encode(body)
        if last:
            data += shape.end
        generated = chunk.visible + chunk.thinking
        yield Event(data, generated, chunk.thinking, tells_usage=last and not plan.no_usage)


def _so_far(usage: Usage, output: int, thinking: int, *, last: bool) -> Usage:
    """Return the usage up to a chunk; what searches found is only told with the last one."""
    found = 0 if last else usage.tool_use_prompt_tokens
    return msgspec.structs.replace(
        usage,
        input_tokens=usage.input_tokens - found,
        tool_use_prompt_tokens=usage.tool_use_prompt_tokens - found,
        output_tokens=output,
        reasoning_tokens=thinking,
    )


def _chunks(said: Reply, index: int, asked: GenerateRequest) -> Iterator[_Chunk]:
    hidden = said.thinking_tokens
    if said.summary:
        yield _Chunk(_candidate([{"text": said.summary, "thought": True}], index), thinking=hidden)
        hidden = 0
    for words, size in grouped(said.pieces):
        yield _Chunk(_candidate([{"text": words}], index), size, hidden)
        hidden = 0
    if said.calls:
        made = sum(call.tokens for call in said.calls)
        yield _Chunk(_candidate(calls(said, asked), index, ending(said, asked)), made, hidden)
        return
    final = [{"text": "", **text_signature(said, asked)}]
    yield _Chunk(_candidate(final, index, ending(said, asked)), thinking=hidden)


def _candidate(parts: list[Json], index: int, more: Json | None = None) -> Json:
    return {"candidates": [{"content": {"parts": parts, "role": "model"}, **(more or {}), "index": index}]}
