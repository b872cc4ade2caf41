"""Signatures on thinking blocks: what the simulator signed it knows again, whatever else comes back is refused."""

from __future__ import annotations

import base64
from hashlib import blake2b

_KEY = b"tollkeeper simulator"
_BYTES = 48


def sign(thinking: str) -> str:
    """Return the signature of a thinking text."""
    return base64.b64encode(blake2b(thinking.encode(), key=_KEY, digest_size=_BYTES).digest()).decode()


def is_genuine(thinking: str, signature: str) -> bool:
    """Whether the signature belongs to that text; an omitted text has one too."""
    return signature == sign(thinking)
