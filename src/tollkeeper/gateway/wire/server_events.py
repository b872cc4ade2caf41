"""Server-sent events: whole ones out of a block of bytes, and the data of each. Pure."""

from __future__ import annotations

import re

_EVENT_END = re.compile(rb"\n\r?\n")
_DATA_LINE = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)


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
