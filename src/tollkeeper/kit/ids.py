"""New ids: uuid7 for records that are made in time order, prefixed random base62 for things that people name."""

from __future__ import annotations

import os
import secrets

from tollkeeper.kit.clock import now_us

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


_tails: list[bytes] = []
"""Random ends of uuid7, made 256 at a time: version, variant and 74 random bits each."""
os.register_at_fork(after_in_child=_tails.clear)


def uuid7(at_us: int | None = None) -> bytes:
    """Return a new UUID version 7 (RFC 9562): 48 bits of milliseconds, of now if no time is given, then 74 random bits."""
    if not _tails:
        random = os.urandom(2560)
        _tails.extend(_marked(random[at : at + 10]) for at in range(0, 2560, 10))
    return ((now_us() if at_us is None else at_us) // 1000).to_bytes(6, "big") + _tails.pop()


def _marked(random: bytes) -> bytes:
    return bytes((0x70 | random[0] & 0x0F, random[1], 0x80 | random[2] & 0x3F)) + random[3:]


def uuid7_ms(value: bytes) -> int:
    """Return the milliseconds since 1970 that a uuid7 carries."""
    return int.from_bytes(value[:6], "big")


def random_base62(length: int) -> str:
    """Return a random string of base62 digits from the system's secure source."""
    return "".join(secrets.choice(BASE62) for _ in range(length))


def new_id(prefix: str, *, length: int = 20) -> str:
    """Return `<prefix>_<random base62>`; 20 digits are 119 bits."""
    return f"{prefix}_{random_base62(length)}"
