"""Thought signatures: what the simulator gives with its parts, and whether what comes back is one of them."""

from __future__ import annotations

import base64
from hashlib import blake2b

_KEY = b"tollkeeper simulator"
_SEED_BYTES = 8
_DIGEST_BYTES = 40
_ACCEPTED = frozenset({"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"})
"""What ai.google.dev/gemini-api/docs/thought-signatures lets a caller send for calls that another model made (2026-11-21)."""


def sign(seed: int) -> str:
    """Return a signature that is told from others by `seed`."""
    start = (seed & (2**64 - 1)).to_bytes(_SEED_BYTES)
    return base64.b64encode(start + _digest(start)).decode()


def is_genuine(signature: object) -> bool:
    """Whether this is a signature that was given, or one that stands for none."""
    if not isinstance(signature, str):
        return False
    if signature in _ACCEPTED or _decoded(signature).decode("latin-1") in _ACCEPTED:
        return True
    given = _decoded(signature)
    return len(given) == _SEED_BYTES + _DIGEST_BYTES and given[_SEED_BYTES:] == _digest(given[:_SEED_BYTES])


def _digest(start: bytes) -> bytes:
    return blake2b(start, key=_KEY, digest_size=_DIGEST_BYTES).digest()


def _decoded(signature: str) -> bytes:
    """Return the bytes; JSON callers may use either alphabet of base64."""
    try:
        return base64.b64decode(signature.replace("-", "+").replace("_", "/") + "=" * (-len(signature) % 4))
    except ValueError:
        return b""
