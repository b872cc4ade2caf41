"""The OpenAI dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Content parts: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21); other servers of the dialect have more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.json_body import load_unambiguous
from tollkeeper.gateway.wire.openai_body import REQUIRED, OpenAIOperation
from tollkeeper.gateway.wire.texts import collect_texts, items_of, kind_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN, Unseen, UnseenTally

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.openai import OpenAICall

_NOT_INPUT = frozenset({"role", "type", "url", "data", "file_data", "id"})
_TEXT_PARTS = frozenset({"text", "refusal"})
_PLAIN_PART = {"text"}
_MESSAGE, _TEXT_PART, _PICTURE_PART = {"role", "content"}, {"type", "text"}, {"type", "image_url"}


def unseen_of(call: OpenAICall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing.

    Whatever is no text stands under one of a few names, all but two of them with an underscore in it. A body without
    them is not read; one with an escaped letter in it, which could hide a name, is ambiguous and always read.
    """
    if call.has_cached_content:
        return ANYTHING
    body = call.body
    if call.operation == "embeddings":
        return _unseen_of_embeddings(body)
    if not (
        call.is_ambiguous
        or body.find(b'"audio"') >= 0
        or body.find(b'"file"') >= 0
        or (body.find(b"_") >= 0 and (body.find(b'_url"') >= 0 or body.find(b'_audio"') >= 0))
    ):
        return PLAIN
    fields = load_unambiguous(body)
    if fields is None:
        return ANYTHING
    tally = _Tally()
    for message in items_of(fields.get("messages")):
        if isinstance(message, dict):
            tally.add_message(message) if "content" in message or "role" in message else tally.add_part(message)
    return tally.total()


def _unseen_of_embeddings(body: bytes) -> Unseen:
    """Return what inputs of embeddings have besides text: where servers take more, each is an object, or has some in it."""
    if body.count(b"{") == 1:
        return PLAIN
    fields = load_unambiguous(body)
    if fields is None:
        return ANYTHING
    tally = _Tally()
    given = fields.get("input")
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, dict):
            tally.add_embedded(each)
        elif isinstance(each, list) and any(isinstance(part, dict | list) for part in each):
            tally.add_anything()
    return tally.total()


def texts_in(operation: OpenAIOperation, fields: dict[str, Any]) -> tuple[list[str], int]:
    """Return every text of the input of a decoded body, and how many tokens came as numbers already."""
    texts: list[str] = []
    numbers = collect_texts(fields.get(REQUIRED[operation]), texts, skip=_NOT_INPUT)
    collect_texts(fields.get("tools"), texts, skip=_NOT_INPUT)
    return texts, numbers


class _Tally(UnseenTally):
    """Adds up what messages have besides text."""

    def add_message(self, message: dict[str, Any]) -> None:
        if message.get("audio") is not None:
            self.add_past_answer()
        for part in items_of(message.get("content")):
            if isinstance(part, dict):
                self.add_part(part)

    def add_embedded(self, item: dict[str, Any]) -> None:
        """Count an input of embeddings; whatever has more to it than is known here may be anything."""
        if "content" in item and item.keys() <= _MESSAGE:
            self.add_message(item)
        elif item.keys() <= _TEXT_PART or item.keys() == _PICTURE_PART:
            self.add_part(item)
        else:
            self.add_anything()

    def add_part(self, part: dict[str, Any]) -> None:
        kind = kind_of(part)
        if kind == "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else None
            self.add_image(url if isinstance(url, str) and url.startswith("data:image/") else None)
        elif kind == "input_audio":
            audio = part.get("input_audio")
            sound = audio if isinstance(audio, dict) else {}
            self.add_audio(sound.get("data"), sound.get("format"))
        elif kind not in _TEXT_PARTS and part.keys() != _PLAIN_PART:
            self.add_anything()
