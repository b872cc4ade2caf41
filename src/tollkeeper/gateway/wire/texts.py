"""Texts inside JSON from outside: gathering them for counting, and making them fit for a record."""

from __future__ import annotations

from typing import Any

SERVICE_TIER_LENGTH_MAX = 64


def collect_texts(value: Any, found: list[str], *, skip: frozenset[str]) -> int:
    """Gather strings from nested lists and objects; return how many integers stood in lists: a token each."""
    stack = [value]
    numbers = 0
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            stack.extend(part for name, part in reversed(item.items()) if name not in skip)
        elif isinstance(item, int):
            numbers += 1
    return numbers


def printable(text: str, length_max: int) -> str:
    """Return the beginning of a text from outside without what no database column or terminal should be given."""
    text = text[:length_max]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))
