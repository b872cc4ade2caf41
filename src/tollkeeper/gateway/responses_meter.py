"""Meters a stream of OpenAI's Responses: the usage stands in the response that its last event carries.

The bytes are the provider's, but for the ids of responses, which the client gets sealed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tollkeeper.domain.deployment import Provider
from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.wire import responses_answer as wire
from tollkeeper.gateway.wire.responses import ClientIds
from tollkeeper.gateway.wire.translation_reading import event_data

_ENDS = ("response.completed", "response.incomplete", "response.failed")
_END = re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete|failed)"')
_ERROR = re.compile(rb'^data:\s*\{\s*(?:"type"\s*:\s*"error"|"error"\s*:)', re.MULTILINE)


class ResponsesMeter(StreamMeter):
    """`ids` are the client's; None leaves the provider's. `on_id` is told the provider's id once it is known."""

    def __init__(self, provider: Provider, ids: ClientIds | None, *, on_id: Callable[[str], object] = str) -> None:
        super().__init__()
        self._provider, self._ids, self._on_id = provider, ids, on_id
        self._previous_id = ""
        self._raw_id = ""

    def _texts_of(self, data: bytes) -> list[str]:
        return wire.delta_texts(data)

    def _pass(self, block: bytes) -> bytes:
        if not self._raw_id and block.find(b'"response"') >= 0:
            self._learn(block)
        if block.find(b'"response.') >= 0 and _END.search(block) is not None:
            for data in event_data(block):
                self._take_end(data)
        if b"data: [DONE]" in block and self.usage is not None:
            self.is_done = True
        if block.find(b'"error"') >= 0 and _ERROR.search(block) is not None:
            self.has_error = True
        self._keep(block)
        if self._ids is None or not self._raw_id:
            return block
        return self._ids.outward(block, self._provider, self._raw_id, self._previous_id)

    def _learn(self, block: bytes) -> None:
        for data in event_data(block):
            response = wire.response_in(data)[1]
            if response is not None and response.id:
                self._raw_id, self._previous_id = response.id, response.previous_response_id or ""
                self.model_served = response.model
                self._on_id(response.id)
                return

    def _take_end(self, data: bytes) -> None:
        kind, response = wire.response_in(data)
        if kind not in _ENDS or response is None:
            return
        self.is_done, self.has_error = True, kind == "response.failed"
        self.model_served = response.model or self.model_served
        if response.usage is not None:
            self.usage = wire.usage_of(response)
