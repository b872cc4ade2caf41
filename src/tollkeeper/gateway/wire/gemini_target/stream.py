"""What reading Gemini's stream is for every dialect that it is translated to: chunk by chunk, until it ends or breaks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from tollkeeper.gateway.wire.gemini_target.answers import Answer, parse_event
from tollkeeper.gateway.wire.gemini_target.errors import UNREADABLE, ProviderError
from tollkeeper.gateway.wire.translation_reading import event_data


class GeminiStream(ABC):
    """One stream on its way back. After an error nothing more is said."""

    def __init__(self) -> None:
        self._is_broken = False

    def feed(self, events: bytes) -> bytes:
        """See `TranslatedStream`."""
        written: list[bytes] = []
        for data in event_data(events):
            if self._is_broken:
                break
            try:
                self._take(parse_event(data), written)
            except (msgspec.DecodeError, RecursionError):
                self._break(ProviderError("internal", UNREADABLE), written)
        return b"".join(written)

    @abstractmethod
    def _take(self, answer: Answer, written: list[bytes]) -> None:
        """Say what a chunk says."""

    @abstractmethod
    def _break(self, error: ProviderError, written: list[bytes]) -> None:
        """Say an error, which is the end."""
