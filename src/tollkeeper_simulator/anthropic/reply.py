"""Decides what an answer says, block by block, and how many tokens each block is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from tollkeeper_simulator import clock, text, tokens
from tollkeeper_simulator.anthropic.errors import refuse
from tollkeeper_simulator.instance import UnsatisfiableError, instance
from tollkeeper_simulator.portions import limited, stopped, stopped_by

if TYPE_CHECKING:
    from tollkeeper_simulator.anthropic.request import MessageRequest
    from tollkeeper_simulator.faults import FaultPlan

Kind = Literal["thinking", "text", "tool_use", "search"]
_BYTES_PER_KB = 1_024
_SUMMARY_TOKENS_MAX = 40
_FOUND_TOKENS = 300


@dataclass(frozen=True, slots=True)
class Said:
    """One block: its visible pieces (each one token) and the tokens that were generated beside them.

    Of thoughts only a summary is visible, the rest is in `hidden_tokens`; with a call it is the tool's name. A search has
    the query as its pieces, and its results come into the prompt: `found`, which are `found_tokens`.
    """

    kind: Kind
    pieces: list[str]
    hidden_tokens: int = 0
    name: str = ""
    block_id: str = ""
    found: str = ""
    found_tokens: int = 0

    @property
    def text(self) -> str:
        """What it says, or the input of its call as JSON."""
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        """All tokens that were generated for it."""
        return len(self.pieces) + self.hidden_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    blocks: list[Said] = field(default_factory=list)
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None

    @property
    def output_tokens(self) -> int:
        """All tokens that were generated."""
        return sum(block.output_tokens for block in self.blocks)

    @property
    def thinking_tokens(self) -> int:
        """Those of them that are thoughts."""
        return sum(block.output_tokens for block in self.blocks if block.kind == "thinking")

    @property
    def searches(self) -> list[Said]:
        """The searches among the blocks."""
        return [block for block in self.blocks if block.kind == "search"]


def reply(request: MessageRequest, plan: FaultPlan) -> Reply:
    """Return what is said; the same request gets the same text."""
    seed = text.seed_of(request.model.name, request.prompt.tail(512))
    if plan.blocked:
        return Reply(stop_reason="refusal")
    if plan.tokens is not None or plan.big_kb is not None:
        return _of_length(request, plan, seed)
    said = _usual(request, seed)
    if plan.filtered:
        halves = [replace(block, pieces=block.pieces[: len(block.pieces) // 2]) for block in said.blocks[-1:]]
        return Reply([*said.blocks[:-1], *halves], "refusal")
    return _within(said, request.output_tokens_max)


def _of_length(request: MessageRequest, plan: FaultPlan, seed: int) -> Reply:
    """Answer with exactly the length that the fault asks for, whatever the caller's limits are."""
    if plan.tokens is None:
        assert plan.big_kb is not None
        return Reply(
            [
                *_thoughts(request.thinking_tokens, request, seed),
                Said("text", text.say_bytes(seed, plan.big_kb * _BYTES_PER_KB)),
            ]
        )
    thinking = min(request.thinking_tokens, plan.tokens // 2)
    return Reply([*_thoughts(thinking, request, seed), Said("text", text.say(seed, plan.tokens - thinking))])


def _usual(request: MessageRequest, seed: int) -> Reply:
    blocks = _thoughts(request.thinking_tokens, request, seed)
    blocks += [_search(seed + place) for place in range(request.tools.searches)]
    if request.tools.calls:
        if not request.thinking_tokens:
            blocks.append(Said("text", text.say(seed + 1, 6)))
        blocks += [_call(name, schema, seed + place) for place, (name, schema) in enumerate(request.tools.calls)]
        return Reply(blocks, "tool_use")
    if request.schema is not None:
        return Reply([*blocks, Said("text", _json_pieces(request.schema, seed, "output_config.format.schema"))])
    pieces = text.say(seed, text.usual_length(seed))
    stop = stopped_by(pieces, request.stops)
    if stop is not None:
        pieces = stopped(pieces, request.stops)
        return Reply([*blocks, Said("text", pieces)] if pieces else blocks, "stop_sequence", stop)
    return Reply([*blocks, Said("text", pieces)])


def _thoughts(size: int, request: MessageRequest, seed: int) -> list[Said]:
    if not size:
        return []
    shown = text.say(seed + 2, min(size, _SUMMARY_TOKENS_MAX)) if request.shows_thinking else []
    return [Said("thinking", shown, hidden_tokens=size - len(shown))]


def _call(name: str, schema: object, seed: int) -> Said:
    pieces = _json_pieces(schema, seed, f"tools.{name}.input_schema")
    return Said("tool_use", pieces, tokens.count(name), name, clock.object_id("toolu_"))


def _search(seed: int) -> Said:
    query = "".join(text.say(seed, 4)).rstrip(" .")
    pieces = tokens.pieces(msgspec.json.encode({"query": query}).decode())
    found = "".join(text.say(seed + 3, _FOUND_TOKENS))
    return Said("search", pieces, 2, "web_search", clock.object_id("srvtoolu_"), found, tokens.count(found))


def _json_pieces(schema: object, seed: int, where: str) -> list[str]:
    try:
        value = instance(schema, seed)
    except UnsatisfiableError as unsatisfiable:
        message = f"{where}: {unsatisfiable}"
        raise refuse(message) from unsatisfiable
    return tokens.pieces(msgspec.json.encode(value).decode())


def _within(said: Reply, limit: int) -> Reply:
    """Cut an answer where the output limit is reached."""
    if said.output_tokens <= limit:
        return said
    blocks: list[Said] = []
    left = limit
    for block in said.blocks:
        hidden = min(block.hidden_tokens, left)
        pieces, _ = limited(block.pieces, left - hidden)
        left -= hidden + len(pieces)
        cut = len(pieces) < len(block.pieces) or hidden < block.hidden_tokens
        if cut and block.kind == "search":
            break
        if pieces or hidden:
            blocks.append(replace(block, pieces=pieces, hidden_tokens=hidden))
        if cut:
            break
    return Reply(blocks, "max_tokens")
