"""The Anthropic dialect, answers: the usage that a message or a stream states, and the text that it adds. Pure.

Wire shapes: https://platform.claude.com/docs/en/api/messages and …/build-with-claude/streaming (read 2026-11-22), `anthropic`
2.12 type stubs (2026-11). `input_tokens` excludes what was read from or written to the cache; `output_tokens` includes
thinking. A stream's usage is cumulative: the last figure that is not null counts, and nothing is ever added up.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.openai_answer import Tokens
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX, collect_texts, printable

OTHER_MODELS = "other_models"
"""What other models than the one asked for wrote or read in the same call, if nobody says which: no price is theirs."""
PLACED_PERCENT = 110
"""What tokens of all classes cost of their list price where only the United States will do (platform.claude.com/docs/en/
about-claude/pricing, `inference_geo`; read 2026-11-22)."""
_PLACES = {"us": PLACED_PERCENT}
_ANYWHERE = frozenset({"", "global", "not_available"})
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_OTHER_MODELS_MAX = 8
_NOT_OUTPUT = frozenset({"type", "id", "name", "signature", "index", "tool_use_id"})


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: Tokens | None = None
    ephemeral_1h_input_tokens: Tokens | None = None


class OutputDetails(msgspec.Struct):
    thinking_tokens: Tokens | None = None


class ServerToolUse(msgspec.Struct):
    web_search_requests: Tokens | None = None


class Iteration(msgspec.Struct):
    """One of several runs behind an answer: those that are no `message` are not in the usage's own figures."""

    type: str = ""
    model: str = ""
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None


class WireUsage(msgspec.Struct):
    """`usage` of a message, and of `message_start` and `message_delta`."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    iterations: list[Iteration] | None = None

    def update(self, later: WireUsage) -> None:
        """Take over what a later event of the same stream states."""
        for name in self.__struct_fields__:
            value = getattr(later, name)
            if value is not None:
                setattr(self, name, value)


class Message(msgspec.Struct):
    """A whole answer, as far as it is metered."""

    model: str = ""
    usage: WireUsage | None = None


class StreamEvent(msgspec.Struct):
    """One event of a stream, as far as it is metered."""

    type: str = ""
    message: Message | None = None
    usage: WireUsage | None = None


_decode_message = msgspec.json.Decoder(Message).decode
_decode_event = msgspec.json.Decoder(StreamEvent).decode


def parse_answer(data: bytes) -> Message | None:
    """Read a whole answer; None when there is no usage to be had from it."""
    try:
        return _decode_message(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def parse_event(data: bytes) -> StreamEvent | None:
    """Read an event of a stream; None when nothing in it is understood."""
    try:
        return _decode_event(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def usage_of(wire: WireUsage) -> Usage:
    """Bring a stated usage into disjoint classes: they are so on the wire, but for the two lives of a cache write."""
    quantities = {"input": 0, "output": 0}
    _add(quantities, wire)
    if wire.server_tool_use is not None and wire.server_tool_use.web_search_requests:
        quantities["web_search"] = wire.server_tool_use.web_search_requests
    if wire.iterations:
        _add_iterations(quantities, wire.iterations)
    details = wire.output_tokens_details
    tier, percent = "fast_mode" if wire.speed == "fast" else wire.service_tier, 100
    if wire.inference_geo and wire.inference_geo not in _ANYWHERE:
        percent = _PLACES.get(wire.inference_geo, 0)
        if not percent:  # a place that has no price here
            tier, percent = f"{tier or 'standard'} in {wire.inference_geo}", 100
    return Usage(
        quantities,
        (details.thinking_tokens or 0) if details is not None else 0,
        printable(tier, SERVICE_TIER_LENGTH_MAX) if tier else None,
        percent=percent,
    )


def _add_iterations(quantities: dict[str, int], iterations: list[Iteration]) -> None:
    """Add what the figures of the whole do not have: a compaction by the same model, an advisor by its own."""
    models: set[str] = set()
    for iteration in iterations:
        if iteration.type == "compaction":
            _add(quantities, iteration)
        elif iteration.type == "advisor_message" and _MODEL_NAME.fullmatch(iteration.model):
            models.add(iteration.model)
            _add(
                quantities, iteration, f"@{iteration.model}" if len(models) <= _OTHER_MODELS_MAX else f"@{OTHER_MODELS}"
            )
        elif iteration.type not in {"", "message"}:
            others = (iteration.input_tokens or 0) + (iteration.output_tokens or 0)
            quantities[OTHER_MODELS] = quantities.get(OTHER_MODELS, 0) + max(others, 1)


def _add(quantities: dict[str, int], wire: WireUsage | Iteration, suffix: str = "") -> None:
    written = wire.cache_creation_input_tokens or 0
    for_an_hour = min(written, (wire.cache_creation and wire.cache_creation.ephemeral_1h_input_tokens) or 0)
    for name, count in (
        ("input", wire.input_tokens),
        ("cache_read", wire.cache_read_input_tokens),
        ("cache_write_5m", written - for_an_hour),
        ("cache_write_1h", for_an_hour),
        ("output", wire.output_tokens),
    ):
        if count:
            quantities[name + suffix] = quantities.get(name + suffix, 0) + count


def delta_texts(data: bytes) -> list[str]:
    """Return the texts that an event (or an answer) adds to the output: text, thinking, tool arguments."""
    try:
        event: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return []
    found: list[str] = []
    if isinstance(event, dict):
        for name in ("delta", "content_block", "content"):
            collect_texts(event.get(name), found, skip=_NOT_OUTPUT)
    return found
