"""What the server and its counting child say to each other: a length (u32, little-endian), then msgpack."""

from __future__ import annotations

import struct

import msgspec

LENGTH = struct.Struct("<I")


class CountRequest(msgspec.Struct, array_like=True):
    """Asks for the tokens of each text."""

    model: str
    texts: list[str]


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(CountRequest).decode
decode_counts = msgspec.msgpack.Decoder(list[int]).decode


def message(content: CountRequest | list[int]) -> bytes:
    """Return a whole message."""
    payload = encode(content)
    return LENGTH.pack(len(payload)) + payload
