"""What is said about a text when nothing can count it; needs no vocabulary."""

from __future__ import annotations


def estimate_tokens(text: str) -> int:
    """Return a quarter of the text's UTF-8 bytes, rounded up: what is said when nothing can count."""
    return -(-utf8_bytes(text) // 4)


def utf8_bytes(text: str) -> int:
    """Return the length in UTF-8; half of a surrogate pair, which JSON can carry, counts like any other character."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
