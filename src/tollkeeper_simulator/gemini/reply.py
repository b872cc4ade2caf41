"""Decides what each candidate of an answer says, and how many tokens that is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper_simulator import text, tokens
from tollkeeper_simulator.gemini.errors import refuse
from tollkeeper_simulator.instance import UnsatisfiableError, instance
from tollkeeper_simulator.portions import limited, stopped

if TYPE_CHECKING:
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.gemini.request import GenerateRequest

_BYTES_PER_KB = 1_024
_SUMMARY_TOKENS_MAX = 40


@dataclass(frozen=True, slots=True)
class Call:
    """A function call: what naming it and its arguments cost together, all of it generated at once."""

    name: str
    arguments: Any
    tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One candidate. Thoughts are billed whole, of which `summary` is what the caller may be shown."""

    pieces: list[str]
    finish: str = "STOP"
    thinking_tokens: int = 0
    summary: str = ""
    calls: list[Call] = field(default_factory=list)
    seed: int = 0

    @property
    def visible_tokens(self) -> int:
        """What `candidatesTokenCount` counts."""
        return len(self.pieces) + sum(call.tokens for call in self.calls)


def replies(request: GenerateRequest, plan: FaultPlan) -> list[Reply]:
    """Return one reply for each candidate; the same request gets the same replies."""
    said = "".join(request.prompt.tokens[-512:])
    seeds = [text.seed_of(request.model.name, request.seed, said, str(index)) for index in range(request.candidates)]
    if plan.blocked:
        return []
    if plan.tokens is not None or plan.big_kb is not None:
        return [_of_length(request, plan, seed) for seed in seeds]
    usual = [_usual(request, seed) for seed in seeds]
    if plan.filtered:
        return [replace(each, pieces=each.pieces[: len(each.pieces) // 2], calls=[], finish="SAFETY") for each in usual]
    return usual


def _of_length(request: GenerateRequest, plan: FaultPlan, seed: int) -> Reply:
    """Answer with exactly the length that the fault asks for, whatever the caller's limits are."""
    if plan.tokens is None:
        assert plan.big_kb is not None
        return _with_thoughts(
            Reply(text.say_bytes(seed, plan.big_kb * _BYTES_PER_KB)), request, request.thinking_tokens, seed
        )
    thinking = min(request.thinking_tokens, plan.tokens // 2)
    return _with_thoughts(Reply(text.say(seed, plan.tokens - thinking)), request, thinking, seed)


def _usual(request: GenerateRequest, seed: int) -> Reply:
    thinking = min(request.thinking_tokens, request.output_tokens_max)
    left = request.output_tokens_max - thinking
    if request.tools.calls:
        calls = [_call(name, schema, seed + place) for place, (name, schema) in enumerate(request.tools.calls)]
        fits = sum(call.tokens for call in calls) <= left
        made = Reply([], calls=calls) if fits else Reply([], "MAX_TOKENS")
    else:
        pieces, cut = limited(stopped(_content(request, seed), request.stops), left)
        made = Reply(pieces, "MAX_TOKENS" if cut else "STOP")
    return _with_thoughts(made, request, thinking, seed)


def _with_thoughts(made: Reply, request: GenerateRequest, thinking: int, seed: int) -> Reply:
    summary = "".join(text.say(seed + 2, min(thinking, _SUMMARY_TOKENS_MAX))) if request.shows_thinking else ""
    return replace(made, thinking_tokens=thinking, summary=summary, seed=seed)


def _content(request: GenerateRequest, seed: int) -> list[str]:
    if request.schema is not None:
        return tokens.pieces(msgspec.json.encode(_instance(request.schema, seed, "response_schema")).decode())
    if request.json_object:
        return tokens.pieces(msgspec.json.encode({"answer": "".join(text.say(seed, 9))}).decode())
    return text.say(seed, text.usual_length(seed))


def _call(name: str, schema: Any, seed: int) -> Call:
    arguments = _instance(schema, seed, name)
    return Call(name, arguments, tokens.count(name) + tokens.count(msgspec.json.encode(arguments).decode()))


def _instance(schema: Any, seed: int, where: str) -> Any:
    try:
        return instance(schema, seed)
    except UnsatisfiableError as unsatisfiable:
        message = f"{where}: {unsatisfiable}"
        raise refuse(message) from unsatisfiable
