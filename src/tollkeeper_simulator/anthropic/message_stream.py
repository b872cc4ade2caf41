"""A message as server-sent events: `message_start`, the blocks with their deltas and a ping, `message_delta`, `message_stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Event
from tollkeeper_simulator.anthropic.blocks import blocks_of, stop_details
from tollkeeper_simulator.anthropic.signatures import sign
from tollkeeper_simulator.portions import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.anthropic.reply import Reply, Said
    from tollkeeper_simulator.dialect import Json

_encode = msgspec.json.Encoder().encode
_DELTAS = {"thinking": ("thinking_delta", "thinking"), "text": ("text_delta", "text")}


def events(frame: Json, said: Reply, *, first: Json | None, last: Json | None) -> Iterator[Event]:
    """Yield the events; `first` and `last` are the usages of the start and of the end, None leaves them out."""
    yield _event("message_start", {"message": frame | ({} if first is None else {"usage": first})})
    index = 0
    for block in said.blocks:
        yield from _search(index, block) if block.kind == "search" else _block(index, block)
        index += 2 if block.kind == "search" else 1
    if not said.blocks:
        yield _event("ping", {})
    delta = {"stop_reason": said.stop_reason, "stop_sequence": said.stop_sequence, **stop_details(said)}
    told = {} if last is None else {"usage": last}
    yield _event("message_delta", {"delta": delta, **told}, tells_usage=last is not None)
    yield _event("message_stop", {})


def _block(index: int, block: Said) -> Iterator[Event]:
    thinks = block.kind == "thinking"
    if block.kind == "tool_use":
        start: Json = {**blocks_of(block)[0], "input": {}}
    else:
        start = {"type": block.kind, block.kind: ""} | ({"signature": ""} if thinks else {})
    hidden = block.hidden_tokens
    yield _event("content_block_start", {"index": index, "content_block": start}, hidden, reasoning=thinks)
    if index == 0:
        yield _event("ping", {})
    if block.kind == "tool_use":
        yield _delta(index, {"type": "input_json_delta", "partial_json": ""})
    for words, size in grouped(block.pieces):
        if block.kind == "tool_use":
            yield _delta(index, {"type": "input_json_delta", "partial_json": words}, size)
        else:
            kind, name = _DELTAS[block.kind]
            yield _delta(index, {"type": kind, name: words}, size, reasoning=thinks)
    if thinks:
        yield _delta(index, {"type": "signature_delta", "signature": sign(block.text)})
    yield _event("content_block_stop", {"index": index})


def _search(index: int, block: Said) -> Iterator[Event]:
    use, found = blocks_of(block)
    start = {"index": index, "content_block": {**use, "input": {}}}
    yield _event("content_block_start", start, block.hidden_tokens)
    for words, size in grouped(block.pieces):
        yield _delta(index, {"type": "input_json_delta", "partial_json": words}, size)
    yield _event("content_block_stop", {"index": index})
    data = b"event: content_block_start\ndata: " + _encode(
        {"type": "content_block_start", "index": index + 1, "content_block": found}
    )
    yield Event(data + b"\n\n", searches=1, found_tokens=block.found_tokens)
    yield _event("content_block_stop", {"index": index + 1})


def _delta(index: int, delta: Json, size: int = 0, *, reasoning: bool = False) -> Event:
    return _event("content_block_delta", {"index": index, "delta": delta}, size, reasoning=reasoning)


def _event(name: str, body: Json, size: int = 0, *, reasoning: bool = False, tells_usage: bool = False) -> Event:
    data = b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **body}))
    return Event(data, size, size if reasoning else 0, tells_usage=tells_usage)
