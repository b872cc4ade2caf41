"""The Gemini dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Parts: https://ai.google.dev/api/caching#Part (read 2026-11-22).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.gemini_body import canonical
from tollkeeper.gateway.wire.json_body import load_unambiguous
from tollkeeper.gateway.wire.texts import collect_texts, items_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN, Unseen, UnseenTally

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.gemini import GeminiCall

_NOT_INPUT = frozenset({
    "role", "type", "mimeType", "mime_type", "data", "fileUri", "file_uri", "thoughtSignature", "thought_signature",
})  # fmt: skip
_INPUT = ("systemInstruction", "contents", "tools")
_SEEN_PARTS = frozenset({
    "text", "thought", "thoughtSignature", "functionCall", "functionResponse", "partMetadata", "executableCode",
    "codeExecutionResult", "mediaResolution",
})  # fmt: skip
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


def unseen_of(call: GeminiCall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing."""
    if call.has_cached_content:
        return ANYTHING
    body = call.body
    if body.find(b"Data") < 0 and body.find(b"_data") < 0 and body.find(b"\\u") < 0:
        return PLAIN
    fields = load_unambiguous(call.body)
    return ANYTHING if fields is None else unseen_in(canonical(fields))


def unseen_in(members: dict[str, Any]) -> Unseen:
    """Return what the input of a decoded body, named in camel case, has besides text; PLAIN, itself, when that is nothing."""
    return unseen_of_contents([*items_of(members.get("contents")), members.get("systemInstruction")])


def unseen_of_contents(contents: list[Any]) -> Unseen:
    """Return what contents have besides text; PLAIN, itself, when that is nothing."""
    tally = _Tally()
    for content in contents:
        if isinstance(content, dict):
            for part in items_of(content.get("parts")):
                tally.add_part(part)
    return tally.total()


def texts_in(members: dict[str, Any]) -> tuple[list[str], int]:
    """Return every text of the input of a decoded body, named in camel case; and how many tokens came as numbers."""
    texts: list[str] = []
    numbers = sum(collect_texts(members.get(name), texts, skip=_NOT_INPUT) for name in _INPUT)
    return texts, numbers


def texts_of_contents(contents: list[Any]) -> tuple[list[str], int]:
    """Return every text of contents, and how many tokens came as numbers already."""
    texts: list[str] = []
    return texts, collect_texts(contents, texts, skip=_NOT_INPUT)


class _Tally(UnseenTally):
    """Adds up what parts have besides text."""

    def add_part(self, part: Any) -> None:
        if not isinstance(part, dict):
            return
        members = canonical(part)
        if "inlineData" in members:
            self._add_data(members["inlineData"])
        elif not members.keys() <= _SEEN_PARTS:
            self.add_anything()
        response = members.get("functionResponse")
        if isinstance(response, dict):
            for each in items_of(response.get("parts")):
                self.add_part(each)

    def _add_data(self, blob: Any) -> None:
        members = canonical(blob) if isinstance(blob, dict) else {}
        kind, data = members.get("mimeType"), members.get("data")
        if isinstance(kind, str) and kind.startswith("image/") and isinstance(data, str):
            self.add_image(data)
        else:
            self.add_audio(data, _AUDIO_FORMATS.get(kind) if isinstance(kind, str) else None)
