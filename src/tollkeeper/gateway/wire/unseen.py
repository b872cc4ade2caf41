"""What an input has besides text, which costs tokens that its bytes do not bound: pictures, sound, files. Pure."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from tollkeeper.gateway.wire.sound_length import MP3_BYTES_PER_SECOND_MIN, WAV_HEADER_LENGTH, wav_seconds_max

AUDIO_TOKENS_PER_SECOND = 32
"""The most that is stated: Gemini's (ai.google.dev/gemini-api/docs/tokens); OpenAI's is 10 (developers.openai.com/api/
docs/guides/realtime-costs). Both read 2026-11-22."""


class Unseen(msgspec.Struct, frozen=True, gc=False):
    """What an input has besides text.

    `data_bytes` are those of the body that are no text but an image or audio. `past_answers` are spoken answers that are
    named by their ids. `is_unbounded` says that something, a file say, may be as long as the model's window.
    """

    images: int = 0
    audio_tokens: int = 0
    past_answers: int = 0
    data_bytes: int = 0
    is_unbounded: bool = False


PLAIN = Unseen()
ANYTHING = Unseen(is_unbounded=True)


class UnseenTally:
    """Adds up what an input has besides text; each dialect says where it stands."""

    def __init__(self) -> None:
        self._images = self._audio_tokens = self._past_answers = self._data_bytes = 0
        self._is_unbounded = False

    def total(self) -> Unseen:
        """Return what was found; PLAIN, itself, when that is nothing."""
        found = Unseen(self._images, self._audio_tokens, self._past_answers, self._data_bytes, self._is_unbounded)
        return PLAIN if found == PLAIN else found

    def add_image(self, data: Any) -> None:
        """Count a picture; `data` is its text in the body, if it lies there."""
        self._images += 1
        if isinstance(data, str):
            self._data_bytes += len(data)

    def add_audio(self, data: Any, kind: Any) -> None:
        """Count sound in base64 of a kind, "mp3" or "wav"; of any other nobody knows how long it is."""
        tokens = _audio_tokens(data, kind) if isinstance(data, str) else None
        if tokens is None:
            self.add_anything()
        else:
            self._audio_tokens += tokens
            self._data_bytes += len(data)

    def add_past_answer(self) -> None:
        """Count a spoken answer that is named by its id."""
        self._past_answers += 1

    def add_anything(self) -> None:
        """Note something that may be as long as the model's window."""
        self._is_unbounded = True


def _audio_tokens(data: str, kind: Any) -> int | None:
    """Return the most tokens of a piece of audio, in base64; None when its length in time cannot be bounded."""
    size = len(data) * 3 // 4
    if kind == "mp3":
        return AUDIO_TOKENS_PER_SECOND * (size // MP3_BYTES_PER_SECOND_MIN + 1)
    if kind != "wav":
        return None
    try:
        header = base64.b64decode(data[:64])
    except ValueError:
        return None
    seconds = wav_seconds_max(header[:WAV_HEADER_LENGTH], size)
    return None if seconds is None else AUDIO_TOKENS_PER_SECOND * seconds
