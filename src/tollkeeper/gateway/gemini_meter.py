"""Meters a stream in the Gemini dialect, every chunk of which states the usage so far: the bytes pass unchanged."""

from __future__ import annotations

import re

from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.wire import gemini_answer as wire
from tollkeeper.gateway.wire.translation_reading import event_data

_TELLING = re.compile(rb'"(?:usageMetadata|finishReason|promptFeedback|groundingMetadata|error)"')
"""Members without which a chunk has nothing to be metered but its text."""


class GeminiMeter(StreamMeter):
    """The last figures count; they are final with the chunk that says why the last of `choices` answers ended."""

    def __init__(self, choices: int = 1) -> None:
        super().__init__()
        self.is_usage_final = False
        self._choices = choices
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._queries: set[str] = set()

    def _texts_of(self, data: bytes) -> list[str]:
        return wire.delta_texts(data)

    def _pass(self, block: bytes) -> bytes:
        self._keep(block)
        if not self.model_served or _TELLING.search(block) is not None:
            for data in event_data(block):
                if (found := wire.parse_answer(data)) is not None:
                    self._note(found)
        return block

    def _note(self, found: wire.Answer) -> None:
        if found.error is not None:
            self.has_error = True
        if found.model_version:
            self.model_served = found.model_version
        self._queries |= wire.queries_of(found)
        if found.usage_metadata is not None:
            self.usage = wire.usage_of(found.usage_metadata)
        if self._queries and self.usage is not None:
            self.usage = wire.with_grounding(self.usage, self._queries, self.model_served)
        self._note_ends(found)

    def _note_ends(self, found: wire.Answer) -> None:
        for candidate in found.candidates or ():
            index = candidate.index or 0
            self._begun.add(index)
            if candidate.finish_reason:
                self._ended.add(index)
        if found.is_blocked:
            self.is_done = self.is_usage_final = True
        elif self._ended:
            self.is_done = self._ended == self._begun
            self.is_usage_final = self.is_done and len(self._ended) >= self._choices
