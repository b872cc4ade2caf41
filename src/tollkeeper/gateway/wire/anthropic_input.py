"""The Anthropic dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Content blocks: https://platform.claude.com/docs/en/api/messages (read 2026-11-22).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.json_body import load_unambiguous
from tollkeeper.gateway.wire.texts import collect_texts, items_of, kind_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN, Unseen, UnseenTally

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.anthropic import AnthropicCall

_NOT_INPUT = frozenset({"role", "type", "url", "data", "media_type", "file_id", "id", "signature", "cache_control"})
_TEXT_BLOCKS = frozenset({"text", "tool_use", "thinking", "redacted_thinking"})
_MARKS = (b'"source"', b'"file_id"', b"_tool_result", b'"server_tool_use"', b'"compaction"')


def unseen_of(call: AnthropicCall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing.

    Whatever is no text has a source or an id, or is what a tool of the provider left; a body without these is not read,
    one with an escaped letter in it, which could hide a name, is ambiguous and always read.
    """
    body = call.body
    if not call.is_ambiguous and not _has_mark(body):
        return PLAIN
    fields = load_unambiguous(body)
    return ANYTHING if fields is None else unseen_in(fields)


def _has_mark(body: bytes) -> bool:
    for mark in _MARKS:  # noqa: SIM110  # on the path of every call: no generator
        if body.find(mark) >= 0:
            return True
    return False


def unseen_in(fields: dict[str, Any]) -> Unseen:
    """Return what the input of a decoded body has besides text; PLAIN, itself, when that is nothing."""
    tally = _Tally()
    for message in [{"content": fields.get("system")}, *items_of(fields.get("messages"))]:
        if isinstance(message, dict):
            tally.add_blocks(message.get("content"))
    return tally.total()


def texts_in(fields: dict[str, Any]) -> tuple[list[str], int]:
    """Return every text of the input of a decoded body, and how many tokens came as numbers already."""
    texts: list[str] = []
    numbers = 0
    for name in ("system", "messages", "tools"):
        numbers += collect_texts(fields.get(name), texts, skip=_NOT_INPUT)
    return texts, numbers


class _Tally(UnseenTally):
    """Adds up what content has besides text."""

    def add_blocks(self, content: Any) -> None:
        for block in items_of(content):
            if isinstance(block, dict):
                self._add_block(block)

    def _add_block(self, block: dict[str, Any]) -> None:
        kind = kind_of(block)
        if kind == "image":
            source = block.get("source")
            self.add_image(source.get("data") if isinstance(source, dict) and kind_of(source) == "base64" else None)
        elif kind == "tool_result":
            self.add_blocks(block.get("content"))
        elif kind == "document":
            self._add_document(block.get("source"))
        elif kind not in _TEXT_BLOCKS:
            self.add_anything()

    def _add_document(self, source: Any) -> None:
        """A text is among the bytes of the body; a PDF's pages are images and texts that nobody sees here."""
        kind = kind_of(source) if isinstance(source, dict) else ""
        if kind == "content":
            self.add_blocks(source.get("content"))
        elif kind != "text":
            self.add_anything()
