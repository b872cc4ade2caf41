"""Meters a stream in the Gemini dialect, every chunk of which states the usage so far: the bytes pass unchanged."""

from __future__ import annotations

from tollkeeper.gateway.meter import StreamMeter, data_of, events_of
from tollkeeper.gateway.wire import gemini_answer as wire


class GeminiMeter(StreamMeter):
    """The last figures count; they are final with the chunk that says why the answer ended."""

    def __init__(self) -> None:
        super().__init__()
        self.is_usage_final = False

    def _texts_of(self, data: bytes) -> list[str]:
        return wire.delta_texts(data)

    def _pass(self, block: bytes) -> bytes:
        self._keep(block)
        for event in events_of(block):
            if (found := wire.parse_answer(data_of(event))) is not None:
                self._note(found)
        return block

    def _note(self, found: wire.Answer) -> None:
        if found.error is not None:
            self.has_error = True
        if found.model_version:
            self.model_served = found.model_version
        if found.usage_metadata is not None:
            self.usage = wire.usage_of(found.usage_metadata)
        if any(candidate.finish_reason for candidate in found.candidates or ()):
            self.is_done = self.is_usage_final = True
