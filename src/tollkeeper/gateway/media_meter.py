"""Meters a stream of pictures, speech or a transcript: its last event states the usage. The bytes are the provider's."""

from __future__ import annotations

import re

from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.wire import media_answer as wire
from tollkeeper.gateway.wire.translation_reading import event_data

_END = re.compile(
    rb'"type"\s*:\s*"(?:image_generation\.completed|image_edit\.completed|speech\.audio\.done|transcript\.text\.done)"'
)
_ERROR = re.compile(rb'^data:\s*\{\s*(?:"type"\s*:\s*"error"|"error"\s*:)', re.MULTILINE)


class MediaMeter(StreamMeter):
    """`is_speech` says that what is written is sound. Of several pictures each has its own end, whose usages are added up."""

    event_bytes_max = 64 * 1024 * 1024  # a picture of 4K stands in one event

    def __init__(self, *, is_speech: bool) -> None:
        super().__init__()
        self._is_speech = is_speech

    def _texts_of(self, data: bytes) -> list[str]:
        event = wire.read_media(data)
        return [event.delta] if event is not None and isinstance(event.delta, str) else []

    def _pass(self, block: bytes) -> bytes:
        if _END.search(block) is not None:
            for data in event_data(block):
                self._take_end(data)
        elif block.find(b'"error"') >= 0 and _ERROR.search(block) is not None:
            self.has_error = True
        if block.find(b"_image") < 0 and block.find(b"speech.audio") < 0:  # what is sound or a picture is not counted
            self._keep(block)
        return block

    def _take_end(self, data: bytes) -> None:
        read = wire.read_media(data)
        if read is None or read.type not in wire.ENDS:
            return
        self.is_done = True
        usage = wire.usage_of(read, picture="output_image" if "image" in read.type else "", spoken=self._is_speech)
        if usage is not None and self.usage is not None:  # whether each states its own or all, no provider says
            added = {name: usage.quantities.get(name, 0) + n for name, n in self.usage.quantities.items()}
            usage = Usage(usage.quantities | added, is_estimated=True)
        self.usage = usage or self.usage
