"""A table that becomes a file: its columns with their kinds, and how the server and the writing child speak of it.

Each message is a length (u32, little-endian) and msgpack: the table's head first, then batches of rows, then an empty one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

LENGTH = struct.Struct("<I")
END = LENGTH.pack(0)
Kind = Literal["text", "count", "usd", "moment", "day"]
"""`count` is an int64, `usd` nano-dollars, `moment` microseconds since 1970 UTC, `day` a date in ISO 8601."""
Row = Sequence[Any]
"""The values of a line, in the order of the columns; None where there is none."""


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column by its name in the file."""

    name: str
    kind: Kind


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a file says of itself: its columns, and notes that programs find beside them."""

    columns: tuple[Column, ...]
    notes: dict[str, str]


decode_head = msgspec.msgpack.Decoder(Head).decode
decode_rows = msgspec.msgpack.Decoder(list[list[Any]]).decode
_encode = msgspec.msgpack.Encoder().encode


def head_message(head: Head) -> bytes:
    """Return the first message."""
    return _framed(_encode(head))


def rows_message(head: Head, rows: Sequence[Row]) -> bytes:
    """Return a batch of rows. Amounts go as text: msgpack has no whole numbers beyond 64 bits.

    Raises:
        OverflowError: a count that no msgpack holds.
    """
    amounts = [at for at, column in enumerate(head.columns) if column.kind == "usd"]
    sent = []
    for row in rows:
        assert len(row) == len(head.columns), "a row has a value for each column"
        values = list(row)
        for at in amounts:
            if values[at] is not None:
                values[at] = str(values[at])
        sent.append(values)
    return _framed(_encode(sent))


def _framed(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload
