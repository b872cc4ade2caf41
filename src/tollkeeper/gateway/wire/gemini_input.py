"""The Gemini dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Parts: https://ai.google.dev/api/caching#Part (read 2026-11-22).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.call import PLAIN, Unseen
from tollkeeper.gateway.wire.gemini_body import canonical
from tollkeeper.gateway.wire.json_body import load, load_unambiguous
from tollkeeper.gateway.wire.openai_input import audio_tokens
from tollkeeper.gateway.wire.texts import collect_texts

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
_ANYTHING = Unseen(is_unbounded=True)


def unseen_of(call: GeminiCall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing."""
    if call.has_cached_content:
        return _ANYTHING
    if b"Data" not in call.body and b"_data" not in call.body and b"\\u" not in call.body:
        return PLAIN
    fields = load_unambiguous(call.body)
    if fields is None:
        return _ANYTHING
    tally = _Tally()
    members = canonical(fields)
    for content in [*_items(members.get("contents")), members.get("systemInstruction")]:
        if isinstance(content, dict):
            for part in _items(content.get("parts")):
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


def count_material(call: GeminiCall) -> tuple[list[str], int] | None:
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
    """Adds up what parts have besides text."""

    def __init__(self) -> None:
        self._images = self._audio_tokens = self._data_bytes = 0
        self._is_unbounded = False

    def total(self) -> Unseen:
        found = Unseen(
            images=self._images,
            audio_tokens=self._audio_tokens,
            data_bytes=self._data_bytes,
            is_unbounded=self._is_unbounded,
        )
        return PLAIN if found == PLAIN else found

    def add_part(self, part: Any) -> None:
        if not isinstance(part, dict):
            return
        members = canonical(part)
        if "inlineData" in members:
            self._add_data(members["inlineData"])
        elif not members.keys() <= _SEEN_PARTS:
            self._is_unbounded = True
        response = members.get("functionResponse")
        if isinstance(response, dict):
            for each in _items(response.get("parts")):
                self.add_part(each)

    def _add_data(self, blob: Any) -> None:
        members = canonical(blob) if isinstance(blob, dict) else {}
        kind, data = members.get("mimeType"), members.get("data")
        if not isinstance(kind, str) or not isinstance(data, str):
            self._is_unbounded = True
        elif kind.startswith("image/"):
            self._images += 1
            self._data_bytes += len(data)
        elif (tokens := audio_tokens(data, _AUDIO_FORMATS.get(kind))) is not None:
            self._audio_tokens += tokens
            self._data_bytes += len(data)
        else:
            self._is_unbounded = True


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
