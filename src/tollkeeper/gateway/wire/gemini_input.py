"""The Gemini dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Parts: https://ai.google.dev/api/caching#Part (read 2026-11-22).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.gemini_body import canonical
from tollkeeper.gateway.wire.json_body import load, load_unambiguous
from tollkeeper.gateway.wire.texts import collect_texts, items_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN, Unseen, UnseenTally

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.gemini import GeminiCall

_NOT_INPUT = frozenset({
    "role", "type", "mimeType", "mime_type", "data", "fileUri", "file_uri", "thoughtSignature", "thought_signature",
})  # fmt: skip
_SEEN_PARTS = frozenset({
    "text", "thought", "thoughtSignature", "functionCall", "functionResponse", "partMetadata", "executableCode",
    "codeExecutionResult", "mediaResolution",
})  # fmt: skip
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


def unseen_of(call: GeminiCall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing."""
    if call.has_cached_content:
        return ANYTHING
    if b"Data" not in call.body and b"_data" not in call.body and b"\\u" not in call.body:
        return PLAIN
    fields = load_unambiguous(call.body)
    if fields is None:
        return ANYTHING
    tally = _Tally()
    members = canonical(fields)
    for content in [*items_of(members.get("contents")), members.get("systemInstruction")]:
        if isinstance(content, dict):
            for part in items_of(content.get("parts")):
                tally.add_part(part)
    return tally.total()


def input_texts(call: GeminiCall) -> tuple[list[str], int]:
    """Return every text of the request's input, and how many tokens came as numbers already.

    Raises:
        InvalidRequest: the body cannot be read as a whole.
    """
    fields = canonical(load(call.body))
    texts: list[str] = []
    numbers = 0
    for name in ("systemInstruction", "contents", "tools"):
        numbers += collect_texts(fields.get(name), texts, skip=_NOT_INPUT)
    return texts, numbers


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
