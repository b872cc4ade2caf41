"""Meters a stream in the Anthropic dialect, which states its usage as it goes: the bytes pass unchanged."""

from __future__ import annotations

from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.wire import anthropic_answer as wire
from tollkeeper.gateway.wire.translation_reading import event_data


class AnthropicMeter(StreamMeter):
    """The input is stated by the first event, the output by the last `message_delta`, each figure cumulative."""

    def __init__(self) -> None:
        super().__init__()
        self._stated = wire.WireUsage()

    def _texts_of(self, data: bytes) -> list[str]:
        return wire.delta_texts(data)

    def _pass(self, block: bytes) -> bytes:
        self._keep(block)
        if block.find(b"message_") >= 0 or block.find(b'"error"') >= 0:
            for data in event_data(block):
                self._note(data)
        return block

    def _note(self, data: bytes) -> None:
        is_of_message = data.find(b'"message_') >= 0
        if not is_of_message and data.find(b'"error"') < 0:
            return
        found = wire.parse_event(data)
        if found is None:
            return
        if found.type == "message_start" and found.message is not None:
            self.model_served = found.message.model
            if found.message.usage is not None:
                self._stated.update(found.message.usage)
                self.input_usage = wire.usage_of(self._stated)
        elif found.type == "message_delta" and found.usage is not None:
            self._stated.update(found.usage)
            self.usage = wire.usage_of(self._stated)
        elif found.type == "message_stop":
            self.is_done = True
        elif found.type == "error":
            self.has_error = True
