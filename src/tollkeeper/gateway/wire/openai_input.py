"""The OpenAI dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Content parts: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21); other servers of the dialect have more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.json_body import load, load_unambiguous
from tollkeeper.gateway.wire.openai_body import REQUIRED
from tollkeeper.gateway.wire.texts import collect_texts, items_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN, Unseen, UnseenTally

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.openai import OpenAICall

_NOT_INPUT = frozenset({"role", "type", "url", "data", "file_data", "id"})
_TEXT_PARTS = frozenset({"text", "refusal"})


def unseen_of(call: OpenAICall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing.

    Whatever is no text stands under one of a few names, all but one of them with an underscore somewhere. A body without
    them is not read; one with an escaped letter in it, which could hide a name, is ambiguous and always read.
    """
    if call.has_cached_content:
        return ANYTHING
    body = call.body
    if not (
        call.is_ambiguous
        or b'"audio"' in body
        or (b"_" in body and (b'_url"' in body or b'_audio"' in body or b'"file"' in body))
    ):
        return PLAIN
    fields = load_unambiguous(body)
    if fields is None:
        return ANYTHING
    tally = _Tally()
    for message in items_of(fields.get("messages" if call.operation == "chat.completions" else "input")):
        if isinstance(message, dict):
            tally.add_message(message) if "content" in message or "role" in message else tally.add_part(message)
    return tally.total()


def input_texts(call: OpenAICall) -> tuple[list[str], int]:
    """Return every text of the request's input, and how many tokens came as numbers already.

    For counting tokens when the provider did not say.

    Raises:
        InvalidRequest: the body cannot be read as a whole.
    """
    fields = load(call.body)
    texts: list[str] = []
    numbers = collect_texts(fields.get(REQUIRED[call.operation]), texts, skip=_NOT_INPUT)
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

    def add_part(self, part: dict[str, Any]) -> None:
        kind = part.get("type")
        if kind == "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else None
            self.add_image(url if isinstance(url, str) and url.startswith("data:image/") else None)
        elif kind == "input_audio":
            audio = part.get("input_audio")
            sound = audio if isinstance(audio, dict) else {}
            self.add_audio(sound.get("data"), sound.get("format"))
        elif kind not in _TEXT_PARTS:
            self.add_anything()
