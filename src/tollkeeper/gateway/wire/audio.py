"""`/v1/audio/…`, requests: speech that is made, and speech that is listened to; by tokens, characters or seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.domain.deployment import Deployment, ProviderKind
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire import media_answer
from tollkeeper.gateway.wire.answers import Stated
from tollkeeper.gateway.wire.json_body import load
from tollkeeper.gateway.wire.media_call import MediaCall
from tollkeeper.gateway.wire.sound_length import seconds_max, seconds_of
from tollkeeper.gateway.wire.unseen import Unseen

BY_CHARACTER, BY_SECOND = "tts-1", "whisper"
"""How the names of models begin that are billed by characters, and by seconds (developers.openai.com/api/docs/pricing)."""


class SpeechCall(MediaCall):
    """A call for speech. Where OpenAI bills tokens, it states them in events alone: those are asked for, and put together."""

    __slots__ = ()

    @property
    def is_read_whole(self) -> bool:  # type: ignore[override]  # which is never set
        return self.fields.stream_format != "sse"

    def added_fields(self, model: str, kind: ProviderKind) -> dict[str, Any]:
        is_asked_for = kind == "openai" and self.is_read_whole and not model.startswith(BY_CHARACTER)
        return {"stream_format": "sse"} if is_asked_for else {}

    def fees_max(self, model: str) -> Mapping[str, int]:
        return {"characters": self._characters()} if model.startswith(BY_CHARACTER) else super().fees_max(model)

    def read_answer(self, body: bytes, deployment: Deployment) -> Stated:
        if deployment.model.startswith(BY_CHARACTER):
            return Stated("", Usage({"characters": self._characters()}), [])
        stated = media_answer.read_speech(body, self.fields.response_format or "mp3")
        if stated.usage is None:  # nobody can count the tokens of a sound
            stated.usage = Usage({"speech": 1}, is_estimated=True)
        return stated

    def _characters(self) -> int:
        text = load(bytes(self.fields.input)) if self.fields.input else ""
        return len(text) if isinstance(text, str) else 0


class ListenCall(MediaCall):
    """A call for a transcription or a translation of a recording."""

    __slots__ = ()

    def may_cause_fees(self, model: str) -> bool:
        """See `Call`. How long a recording is, is known of plain samples and of MP3 alone."""
        return model.startswith(BY_SECOND) and self._seconds_max() is None

    def fees_max(self, model: str) -> Mapping[str, int]:
        seconds = self._seconds_max()
        return {"seconds": seconds} if model.startswith(BY_SECOND) and seconds is not None else super().fees_max(model)

    def unseen(self) -> Unseen:
        """See `Call`. A recording fills the model's window at most."""
        return Unseen(data_bytes=self.file_bytes, is_unbounded=True)

    def read_answer(self, body: bytes, deployment: Deployment) -> Stated:
        stated = media_answer.read_transcript(body)
        if stated.usage is None and deployment.model.startswith(BY_SECOND):
            seconds = sum(found for each in self.files if (found := seconds_of(self.body[each.start : each.end])))
            stated.usage = Usage({"seconds": seconds}, is_estimated=True) if seconds else None
        return stated

    def _seconds_max(self) -> int | None:
        found = [seconds_max(self.body[each.start : each.end]) for each in self.files]
        return None if None in found else sum(each for each in found if each is not None)
