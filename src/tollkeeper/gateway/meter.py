"""Counts what passes: the usage a stream or an answer states, and the text that went by in case it states none.

A stream is forwarded in whole events. The usage chunk that only Tollkeeper asked for is taken out, the one the client
asked for gets its cost. Cutting the stream into other pieces changes neither the bytes nor the usage.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.usage import Charge, Usage
from tollkeeper.gateway.wire import openai_answer as wire

EVENT_BYTES_MAX = 8 * 1024 * 1024  # one event that is larger is no event
KEPT_BYTES_MAX = 32 * 1024  # of raw events, before they are reduced to their text

_USAGE_OBJECT = re.compile(rb'"usage"\s*:\s*\{')
_ERROR_OBJECT = re.compile(rb'^data:\s*\{\s*"error"\s*:', re.MULTILINE)
_EVENT_END = re.compile(rb"\n\r?\n")
_DATA_LINE = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)


class StreamMeter:
    """Meters one stream of server-sent events. `charge` prices a usage, for the cost in the client's usage chunk."""

    def __init__(self, *, wants_usage: bool, charge: Callable[[Usage], Charge]) -> None:
        self.usage: Usage | None = None
        self.model_served = ""
        self.has_error = False
        self.is_done = False
        self.is_usage_final = True  # stated behind the content, not while it was still being written
        self._wants_usage = wants_usage
        self._charge = charge
        self._service_tier: str | None = None
        self._rest = b""
        self._scanned = 0
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._texts: list[str] = []

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what may go to the client now: whole events, b"" when none is complete.

        Raises:
            UpstreamFault: an event without end.
        """
        if not self._rest and data.endswith(b"\n\n"):
            return self._pass(data)  # whole events, as they usually come
        block = self._rest + data
        end = _last_event_end(block, max(0, self._scanned - 3))
        if end == 0:
            self._rest, self._scanned = block, len(block)
            if len(block) > EVENT_BYTES_MAX:
                raise UpstreamFault("protocol", "The provider sent an event without end.", sent=True)
            return b""
        self._rest, self._scanned = block[end:], 0
        return self._pass(block[:end])

    def finish(self) -> bytes:
        """Return what is left when the stream has ended without closing its last event."""
        block, self._rest = self._rest, b""
        return self._pass(block) if block else b""

    def output_texts(self) -> list[str]:
        """Return the text that has gone by, for counting."""
        self._reduce()
        return self._texts

    def _pass(self, block: bytes) -> bytes:
        if not self.model_served:
            self._learn_model(block)
        if b'"usage"' in block and _USAGE_OBJECT.search(block) is not None:
            return b"".join([self._pass_event(event) for event in _events(block)])
        self._keep(block)
        self._notice(block)
        return block

    def _pass_event(self, event: bytes) -> bytes:
        found = _USAGE_OBJECT.search(event)
        answer = wire.parse_answer(_data_of(event)) if found else None
        if found is None or answer is None or answer.usage is None:
            self._keep(event)
            self._notice(event)
            return event
        self.usage = wire.usage_of(answer.usage, answer.service_tier or self._service_tier)
        self.is_usage_final = not answer.choices
        if answer.choices:  # some servers put the usage into the last content chunk, or into every one
            self._keep(event)
            return event
        if not self._wants_usage:
            return b""
        return self._with_cost(event, found.end())

    def _with_cost(self, event: bytes, at: int) -> bytes:
        amount = self._charge(self.usage).amount_nanos if self.usage is not None else None
        if amount is None or b'"cost"' in event or _USAGE_OBJECT.search(event, at) is not None:
            return event  # which of two is the usage, only a parser could say
        return b'%b"cost":%b,%b' % (event[:at], format_usd(amount).encode(), event[at:])

    def _learn_model(self, block: bytes) -> None:
        for event in _events(block):
            answer = wire.parse_answer(_data_of(event))
            if answer is not None and answer.model:
                self.model_served = answer.model
                self._service_tier = answer.service_tier
                return

    def _notice(self, block: bytes) -> None:
        if b"data: [DONE]" in block:
            self.is_done = True
        if b'"error"' in block and _ERROR_OBJECT.search(block) is not None:
            self.has_error = True

    def _keep(self, block: bytes) -> None:
        self._kept.append(block)
        self._kept_bytes += len(block)
        if self._kept_bytes > KEPT_BYTES_MAX:
            self._reduce()

    def _reduce(self) -> None:
        """Keep only the text of what was kept: a thirtieth of the bytes."""
        block = b"".join(self._kept)
        self._kept, self._kept_bytes = [], 0
        for event in _events(block):
            self._texts.extend(wire.delta_texts(_data_of(event)))
        self._texts = ["".join(self._texts)] if self._texts else []


def _last_event_end(block: bytes, start: int) -> int:
    """Return where the last complete event ends: behind an empty line, LF or CRLF; 0 when there is none."""
    lf, crlf = block.rfind(b"\n\n", start), block.rfind(b"\n\r\n", start)
    return max(lf + 2 if lf >= 0 else 0, crlf + 3 if crlf >= 0 else 0)


def _events(block: bytes) -> list[bytes]:
    """Split a block into its events, each with the empty line that ends it; what follows the last is one more."""
    events: list[bytes] = []
    begin = 0
    for found in _EVENT_END.finditer(block):
        events.append(block[begin : found.end()])
        begin = found.end()
    return [*events, block[begin:]] if begin < len(block) else events


def _data_of(event: bytes) -> bytes:
    return b"\n".join(_DATA_LINE.findall(event))
