"""A stream of events as the JSON array that Gemini answers with when nobody asks for events. Pure."""

from __future__ import annotations

import re

_DATA_LINE = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)


class EventsAsArray:
    """One stream; what has been written at any moment, with `]` behind it, is valid JSON."""

    def __init__(self) -> None:
        self._is_begun = False

    def feed(self, events: bytes) -> bytes:
        """Take whole events and return their data as elements."""
        elements = [data for data in _DATA_LINE.findall(events) if data]
        if not elements:
            return b""
        begin = b",\r\n" if self._is_begun else b"["
        self._is_begun = True
        return begin + b",\r\n".join(elements)

    def finish(self) -> bytes:
        """Return the end of the array."""
        return b"]" if self._is_begun else b"[]"
