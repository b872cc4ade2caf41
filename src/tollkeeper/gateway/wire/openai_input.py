"""The OpenAI dialect, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Content parts: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21); other servers of the dialect have more.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.call import PLAIN, Unseen
from tollkeeper.gateway.wire.json_body import load, load_unambiguous
from tollkeeper.gateway.wire.openai_body import REQUIRED
from tollkeeper.gateway.wire.texts import collect_texts

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.openai import OpenAICall

AUDIO_TOKENS_PER_SECOND = 32
"""The most that is stated: Gemini's (ai.google.dev/gemini-api/docs/tokens); OpenAI's is 10 (developers.openai.com/api/
docs/guides/realtime-costs). Both read 2026-11-22."""
_MP3_BYTES_PER_SECOND_MIN = 500  # the lowest bit rate is 8 kbit/s (ISO/IEC 13818-3); half of it, to be sure
_WAV_FORMATS = frozenset({1, 3, 6, 7})  # PCM, float, A-law, mu-law; a compressed one may play for hours (RFC 2361)
_WAV_SAMPLES_PER_BYTE_MAX = 2  # plain samples have one byte or more; twice as many, to be sure
_WAV_HEADER_LENGTH = 28  # up to and including the samples per second

_NOT_INPUT = frozenset({"role", "type", "url", "data", "file_data", "id"})
_TEXT_PARTS = frozenset({"text", "refusal"})


_ANYTHING = Unseen(is_unbounded=True)


def unseen_of(call: OpenAICall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing.

    Whatever is no text stands under one of a few names, all but one of them with an underscore somewhere. A body without
    them is not read; one with an escaped letter in it, which could hide a name, is ambiguous and always read.
    """
    if call.has_cached_content:
        return _ANYTHING
    body = call.body
    if not (
        call.is_ambiguous
        or b'"audio"' in body
        or (b"_" in body and (b'_url"' in body or b'_audio"' in body or b'"file"' in body))
    ):
        return PLAIN
    fields = load_unambiguous(body)
    if fields is None:
        return _ANYTHING
    tally = _Tally()
    for message in _items(fields.get("messages" if call.operation == "chat.completions" else "input")):
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


def count_material(call: OpenAICall) -> tuple[list[str], int] | None:
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
    """Adds up what messages have besides text."""

    def __init__(self) -> None:
        self._images = self._audio_tokens = self._past_answers = self._data_bytes = 0
        self._is_unbounded = False

    def total(self) -> Unseen:
        found = Unseen(self._images, self._audio_tokens, self._past_answers, self._data_bytes, self._is_unbounded)
        return PLAIN if found == PLAIN else found

    def add_message(self, message: dict[str, Any]) -> None:
        if message.get("audio") is not None:
            self._past_answers += 1
        for part in _items(message.get("content")):
            if isinstance(part, dict):
                self.add_part(part)

    def add_part(self, part: dict[str, Any]) -> None:
        kind = part.get("type")
        if kind == "image_url":
            self._add_image(part.get("image_url"))
        elif kind == "input_audio":
            self._add_audio(part.get("input_audio"))
        elif kind not in _TEXT_PARTS:
            self._is_unbounded = True

    def _add_image(self, image: Any) -> None:
        self._images += 1
        url = image.get("url") if isinstance(image, dict) else None
        if isinstance(url, str) and url.startswith("data:image/"):
            self._data_bytes += len(url)

    def _add_audio(self, audio: Any) -> None:
        data = audio.get("data") if isinstance(audio, dict) else None
        tokens = audio_tokens(data, audio["format"]) if isinstance(data, str) and "format" in audio else None
        if tokens is None:
            self._is_unbounded = True
        else:
            self._audio_tokens += tokens
            self._data_bytes += len(data or "")


def audio_tokens(data: str, kind: Any) -> int | None:
    """Return the most tokens of a piece of audio, in base64; None when its length in time cannot be bounded."""
    size = len(data) * 3 // 4
    if kind == "mp3":
        return AUDIO_TOKENS_PER_SECOND * (size // _MP3_BYTES_PER_SECOND_MIN + 1)
    if kind != "wav":
        return None
    try:
        header = base64.b64decode(data[:64])
    except ValueError:
        return None
    samples_per_second = int.from_bytes(header[24:_WAV_HEADER_LENGTH], "little")
    is_usual = len(header) >= _WAV_HEADER_LENGTH and header[:4] == b"RIFF" and header[8:16] == b"WAVEfmt "
    is_plain = int.from_bytes(header[20:22], "little") in _WAV_FORMATS
    if not is_usual or not is_plain or not samples_per_second:
        return None
    return AUDIO_TOKENS_PER_SECOND * (size * _WAV_SAMPLES_PER_BYTE_MAX // samples_per_second + 1)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
