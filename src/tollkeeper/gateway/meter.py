"""Counts what passes in a stream: the usage that it states, and the text that went by in case it states none.

A stream is forwarded in whole events. Cutting it into other pieces changes neither the bytes nor the usage.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Usage

EVENT_BYTES_MAX = 8 * 1024 * 1024  # one event that is larger is no event
KEPT_BYTES_MAX = 32 * 1024  # of raw events, before they are reduced to their text

_EVENT_END = re.compile(rb"\n\r?\n")
_DATA_LINE = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)


class StreamMeter(ABC):
    """Meters one stream of server-sent events, in the dialect of the provider.

    `input_usage` is what is known of the input when the stream broke off before it stated what it wrote. `needs_end` says
    that a stream without its end is cut short, whatever usage it has stated.
    """

    needs_end = True

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.input_usage: Usage | None = None
        self.model_served = ""
        self.has_error = False
        self.is_done = False
        self.is_usage_final = True  # stated behind the content, not while it was still being written
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

    @abstractmethod
    def _pass(self, block: bytes) -> bytes:
        """Meter whole events (the last one may be cut short at the stream's end) and return what the client gets of them."""

    @abstractmethod
    def _texts_of(self, data: bytes) -> list[str]:
        """Return the texts that an event's data adds to the output."""

    def _keep(self, block: bytes) -> None:
        self._kept.append(block)
        self._kept_bytes += len(block)
        if self._kept_bytes > KEPT_BYTES_MAX:
            self._reduce()

    def _reduce(self) -> None:
        """Keep only the text of what was kept: a thirtieth of the bytes."""
        block = b"".join(self._kept)
        self._kept, self._kept_bytes = [], 0
        for event in events_of(block):
            self._texts.extend(self._texts_of(data_of(event)))
        self._texts = ["".join(self._texts)] if self._texts else []


def _last_event_end(block: bytes, start: int) -> int:
    """Return where the last complete event ends: behind an empty line, LF or CRLF; 0 when there is none."""
    lf, crlf = block.rfind(b"\n\n", start), block.rfind(b"\n\r\n", start)
    return max(lf + 2 if lf >= 0 else 0, crlf + 3 if crlf >= 0 else 0)


def events_of(block: bytes) -> list[bytes]:
    """Split a block into its events, each with the empty line that ends it; what follows the last is one more."""
    events: list[bytes] = []
    begin = 0
    for found in _EVENT_END.finditer(block):
        events.append(block[begin : found.end()])
        begin = found.end()
    return [*events, block[begin:]] if begin < len(block) else events


def data_of(event: bytes) -> bytes:
    return b"\n".join(_DATA_LINE.findall(event))
