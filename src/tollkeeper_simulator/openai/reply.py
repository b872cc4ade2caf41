"""Decides what each choice of an answer says, and how many tokens that is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from tollkeeper_simulator import text, tokens
from tollkeeper_simulator.instance import UnsatisfiableError, instance
from tollkeeper_simulator.openai.errors import refuse
from tollkeeper_simulator.portions import limited, stopped

if TYPE_CHECKING:
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.openai.chat_request import ChatRequest

Finish = Literal["stop", "length", "tool_calls", "content_filter"]
_BYTES_PER_KB = 1_024
_AUDIO_TOKENS_PER_WORD = 2


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice: its visible pieces (each one token), or the pieces of a tool call's arguments.

    `name_tokens` are what naming the tool costs; `reasoning_tokens` came before everything visible, and are `thoughts`
    where the model shows them.
    """

    pieces: list[str]
    finish: Finish
    reasoning_tokens: int = 0
    tool_name: str | None = None
    name_tokens: int = 0
    audio_tokens: int = 0
    thoughts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says, or the arguments of its call."""
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        """All tokens that were generated for this choice."""
        return self.reasoning_tokens + self.name_tokens + len(self.pieces) + self.audio_tokens


def replies(request: ChatRequest, plan: FaultPlan) -> list[Reply]:
    """Return one reply for each choice; the same request gets the same replies."""
    said = "".join(request.prompt.tokens[-512:])
    seeds = [text.seed_of(request.model.name, request.seed, said, str(index)) for index in range(request.choices)]
    if plan.tokens is not None or plan.big_kb is not None:
        made = [_of_length(request, plan, seed) for seed in seeds]
    else:
        made = [_usual(request, seed) for seed in seeds]
    if plan.blocked or plan.filtered:
        made = [_filtered(each, wholly=plan.blocked) for each in made]
    if request.model.shows_reasoning:
        return [
            replace(each, thoughts=text.say(seed + 2, each.reasoning_tokens))
            for each, seed in zip(made, seeds, strict=True)
        ]
    return made


def _filtered(reply: Reply, *, wholly: bool) -> Reply:
    """Break an answer off for what it says, before it begins or half way."""
    if wholly:
        return Reply([], "content_filter")
    kept = reply.pieces[: len(reply.pieces) // 2] if reply.tool_name is None else []
    return Reply(kept, "content_filter", reasoning_tokens=reply.reasoning_tokens)


def _of_length(request: ChatRequest, plan: FaultPlan, seed: int) -> Reply:
    """Answer with exactly the length that the fault asks for, whatever the caller's limits are."""
    if plan.tokens is None:
        assert plan.big_kb is not None
        pieces = text.say_bytes(seed, plan.big_kb * _BYTES_PER_KB)
        return Reply(pieces, "stop", reasoning_tokens=request.reasoning_tokens)
    reasoning = min(request.reasoning_tokens, plan.tokens // 2)
    return Reply(text.say(seed, plan.tokens - reasoning), "stop", reasoning_tokens=reasoning)


def _usual(request: ChatRequest, seed: int) -> Reply:
    limit = request.output_tokens_max or request.model.output_tokens_max
    reasoning = min(request.reasoning_tokens, limit)
    left = limit - reasoning
    if request.tool is not None:
        return _call(request, seed, left=left, reasoning=reasoning)
    pieces, cut = limited(stopped(_content(request, seed), request.stops), left)
    audio = len(pieces) * _AUDIO_TOKENS_PER_WORD if request.audio else 0
    return Reply(pieces, "length" if cut else "stop", reasoning_tokens=reasoning, audio_tokens=audio)


def _content(request: ChatRequest, seed: int) -> list[str]:
    if request.schema is not None:
        return _json_pieces(request.schema, seed, "response_format")
    if request.json_object:
        return tokens.pieces(msgspec.json.encode({"answer": "".join(text.say(seed, 9))}).decode())
    return text.say(seed, text.usual_length(seed))


def _call(request: ChatRequest, seed: int, *, left: int, reasoning: int) -> Reply:
    assert request.tool is not None
    name = request.tool["name"]
    schema = request.tool.get("parameters") or {"type": "object", "properties": {}}
    name_tokens = min(tokens.count(name), left)
    pieces, cut = limited(_json_pieces(schema, seed, "tools"), left - name_tokens)
    return Reply(
        pieces,
        "length" if cut else "tool_calls",
        reasoning_tokens=reasoning,
        tool_name=name,
        name_tokens=name_tokens,
    )


def _json_pieces(schema: object, seed: int, param: str) -> list[str]:
    try:
        value = instance(schema, seed)
    except UnsatisfiableError as unsatisfiable:
        message = f"Invalid schema for '{param}': {unsatisfiable}."
        raise refuse(message, param, "invalid_json_schema") from unsatisfiable
    return tokens.pieces(msgspec.json.encode(value).decode())
