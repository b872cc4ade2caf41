"""Counts what passes in a stream: the usage that it states, and the text that went by in case it states none.

A stream is forwarded in whole events. Cutting it into other pieces changes neither the bytes nor the usage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.translation_reading import event_data

EVENT_BYTES_MAX = 8 * 1024 * 1024  # one event that is larger is no event
KEPT_BYTES_MAX = 32 * 1024  # of raw events, before they are reduced to their text
TEXT_LENGTH_MAX = 16 * 1024 * 1024  # of that text: some four million tokens, more than any model writes

_EMPTY_LINES = (b"\n\n", b"\r\n\r\n")


class StreamMeter(ABC):
    """Meters one stream of server-sent events, in the dialect of the provider.

    `input_usage` is what is known of the input when the stream broke off before it stated what it wrote. `needs_end` says
    that a stream without its end is cut short, whatever usage it has stated. `is_text_cut` says that more text went by than
    is kept.
    """

    needs_end = True
    event_bytes_max = EVENT_BYTES_MAX

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.input_usage: Usage | None = None
        self.model_served = ""
        self.has_error = False
        self.is_done = False
        self.is_usage_final = True  # stated behind the content, not while it was still being written
        self.is_text_cut = False
        self._rest = bytearray()  # grows in place, however small the pieces of a large event are
        self._kept = bytearray()
        self._texts: list[str] = []
        self._text_length = 0

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what may go to the client now: whole events, b"" when none is complete.

        Raises:
            UpstreamFault: an event without end.
        """
        if not self._rest and data.endswith(_EMPTY_LINES):
            return self._pass(data)  # whole events, as they usually come
        rest = self._rest
        scanned = len(rest)
        rest += data
        end = _last_event_end(rest, max(0, scanned - 3))
        if end == 0:
            if len(rest) > self.event_bytes_max:
                raise UpstreamFault("protocol", "The provider sent an event without end.", sent=True)
            return b""
        block = bytes(rest[:end])
        del rest[:end]
        return self._pass(block)

    def finish(self) -> bytes:
        """Return what is left when the stream has ended without closing its last event."""
        block = bytes(self._rest)
        self._rest.clear()
        return self._pass(block) if block else b""

    def output_texts(self) -> list[str]:
        """Return the text that has gone by, for counting: its first TEXT_LENGTH_MAX characters, in whole events."""
        self._reduce()
        self._texts = ["".join(self._texts)] if self._texts else []
        return self._texts

    @abstractmethod
    def _pass(self, block: bytes) -> bytes:
        """Meter whole events (the last one may be cut short at the stream's end) and return what the client gets of them."""

    @abstractmethod
    def _texts_of(self, data: bytes) -> list[str]:
        """Return the texts that an event's data adds to the output."""

    def _keep(self, block: bytes) -> None:
        kept = self._kept
        kept += block
        if len(kept) > KEPT_BYTES_MAX:
            self._reduce()

    def _reduce(self) -> None:
        """Keep only the text of what was kept: a thirtieth of the bytes."""
        block, self._kept = bytes(self._kept), bytearray()
        if self._text_length >= TEXT_LENGTH_MAX:
            self.is_text_cut = self.is_text_cut or bool(block)
            return
        texts: list[str] = []
        for data in event_data(block):
            texts.extend(self._texts_of(data))
        if text := "".join(texts):
            self._texts.append(text)
            self._text_length += len(text)


def _last_event_end(block: bytearray, start: int) -> int:
    """Return where the last complete event ends: behind an empty line, LF or CRLF; 0 when there is none."""
    lf, crlf = block.rfind(b"\n\n", start), block.rfind(b"\n\r\n", start)
    return max(lf + 2 if lf >= 0 else 0, crlf + 3 if crlf >= 0 else 0)
