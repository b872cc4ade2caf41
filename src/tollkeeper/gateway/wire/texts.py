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
            if item and set(map(type, item)) == {int}:
                numbers += len(item)  # tokens, of which there may be a great many
            else:
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


def text_size(text: str) -> int:
    """Return how many bytes a text has in UTF-8; lone surrogates, which have none, count too."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def items_of(value: Any) -> list[Any]:
    """Return a list from outside; what is none has no items."""
    return value if isinstance(value, list) else []


def kind_of(item: dict[str, Any]) -> str:
    """Return the `type` of an item from outside; "" when it has none, or one that is no text and so equals nothing."""
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""
