"""The Anthropic dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Content blocks: https://platform.claude.com/docs/en/api/messages (read 2026-11-22).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.call import PLAIN, Unseen
from tollkeeper.gateway.wire.json_body import load, load_unambiguous
from tollkeeper.gateway.wire.texts import collect_texts

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.anthropic import AnthropicCall

_NOT_INPUT = frozenset({"role", "type", "url", "data", "media_type", "file_id", "id", "signature", "cache_control"})
_TEXT_BLOCKS = frozenset({"text", "tool_use", "thinking", "redacted_thinking"})
_MARKS = (b'"image"', b'"document"', b'"container_upload"', b'"search_result"', b"_tool_result", b'"server_tool_use"')
_ANYTHING = Unseen(is_unbounded=True)


def unseen_of(call: AnthropicCall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing.

    A body without one of a few names is not read; one with an escaped letter in it, which could hide a name, is
    ambiguous and always read.
    """
    body = call.body
    if not call.is_ambiguous and not any(mark in body for mark in _MARKS):
        return PLAIN
    fields = load_unambiguous(body)
    if fields is None:
        return _ANYTHING
    tally = _Tally()
    for message in [{"content": fields.get("system")}, *_items(fields.get("messages"))]:
        if isinstance(message, dict):
            tally.add_blocks(message.get("content"))
    return tally.total()


def input_texts(call: AnthropicCall) -> tuple[list[str], int]:
    """Return every text of the request's input, and how many tokens came as numbers already.

    Raises:
        InvalidRequest: the body cannot be read as a whole.
    """
    fields = load(call.body)
    texts: list[str] = []
    numbers = 0
    for name in ("system", "messages", "tools"):
        numbers += collect_texts(fields.get(name), texts, skip=_NOT_INPUT)
    return texts, numbers


def count_material(call: AnthropicCall) -> tuple[list[str], int] | None:
    """Return texts to be counted, and a bound of the tokens of all that is not among them: its bytes.

    None when the body could be read in two ways.

    Raises:
        InvalidRequest: the body cannot be read as a whole.
    """
    fields = load_unambiguous(call.body)
    if fields is None:
        return None
    texts, _ = input_texts(call)
    shortest = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return texts, _size(shortest) - sum(map(_size, texts)) - unseen_of(call).data_bytes


class _Tally:
    """Adds up what content has besides text."""

    def __init__(self) -> None:
        self._images = self._data_bytes = 0
        self._is_unbounded = False

    def total(self) -> Unseen:
        found = Unseen(images=self._images, data_bytes=self._data_bytes, is_unbounded=self._is_unbounded)
        return PLAIN if found == PLAIN else found

    def add_blocks(self, content: Any) -> None:
        for block in _items(content):
            if isinstance(block, dict):
                self._add_block(block)

    def _add_block(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind == "image":
            self._images += 1
            source = block.get("source")
            data = source.get("data") if isinstance(source, dict) and source.get("type") == "base64" else None
            if isinstance(data, str):
                self._data_bytes += len(data)
        elif kind == "tool_result":
            self.add_blocks(block.get("content"))
        elif kind == "document":
            self._add_document(block.get("source"))
        elif kind not in _TEXT_BLOCKS:
            self._is_unbounded = True

    def _add_document(self, source: Any) -> None:
        """A text is among the bytes of the body; a PDF's pages are images and texts that nobody sees here."""
        kind = source.get("type") if isinstance(source, dict) else None
        if kind == "content":
            self.add_blocks(source.get("content"))
        elif kind != "text":
            self._is_unbounded = True


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
