"""Random secrets, keyed digests, and the pepper file that the digests are made with."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

PEPPER_BYTES = 32


def keyed_digest(pepper: bytes, secret: bytes) -> bytes:
    """Return HMAC-SHA256: secrets of 256 random bits need no slow hash, only one that the database alone cannot test."""
    return hmac.digest(pepper, secret, "sha256")


def fingerprint(pepper: bytes) -> str:
    """Name a pepper without giving it away, so that a wrong one is noticed before every key seems unknown."""
    return hmac.digest(pepper, b"tollkeeper pepper fingerprint", "sha256").hex()[:16]


def read_pepper(path: Path) -> bytes:
    """Read a pepper file: 64 hexadecimal digits.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it holds something else.
    """
    pepper = bytes.fromhex(path.read_text().strip())
    if len(pepper) != PEPPER_BYTES:
        message = f"{path} must hold {PEPPER_BYTES * 2} hexadecimal digits"
        raise ValueError(message)
    return pepper


def create_pepper(path: Path) -> bytes:
    """Make a new pepper and keep it in a file that only the owner may read; never overwrites one."""
    pepper = secrets.token_bytes(PEPPER_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(pepper.hex() + "\n")
    return pepper
