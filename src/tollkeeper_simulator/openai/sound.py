"""POST /v1/audio/speech, transcriptions and translations: noise, and plain sentences; by tokens, characters or seconds."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import text, tokens
from tollkeeper_simulator.answer import Answer, Event, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import model_in
from tollkeeper_simulator.openai.errors import model_not_found, refuse
from tollkeeper_simulator.portions import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.dialect import Json, Work

_encode = msgspec.json.Encoder().encode
_SOUND_TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav"}
_BYTES_PER_TOKEN = 40
_TOKENS_PER_WORD = 6
_TOKENS_PER_SECOND = 10
_BYTES_PER_SECOND = 16_000
_CHARACTERS_MAX = 4_096


class Speech:
    """The route that speaks."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return what is to be said, which may hold a fault marker."""
        given = body.get("input")
        return given if isinstance(given, str) else ""

    def answer(self, work: Work) -> Answer:
        """Answer with sound, or with events that carry it."""
        body, plan = work.body, work.plan
        model, said = str(body.get("model")), str(body.get("input"))
        if model not in {"tts-1", "gpt-4o-mini-tts"}:
            raise model_not_found(model)
        if len(said) > _CHARACTERS_MAX:
            message = "Invalid 'input': string too long. Expected a string with maximum length 4096."
            raise refuse(message, "input", "string_above_max_length")
        kind = _SOUND_TYPES.get(str(body.get("response_format") or "mp3"), "audio/pcm")
        if model == "tts-1":
            if body.get("stream_format") == "sse":
                message = "Invalid 'stream_format': 'sse' is not supported with this model."
                raise refuse(message, "stream_format", "unsupported_value")
            job = Job(model, model, "default", Usage(characters=len(said)))
            return Answer(200, _noise(said, tokens.count(said)), job=job, plain_type=kind)
        output = tokens.count(said) * _TOKENS_PER_WORD
        words = tokens.count(said + str(body.get("instructions") or ""))
        usage = Usage(input_tokens=words, output_tokens=output, output_audio_tokens=output)
        job = Job(model, model, "default", usage)
        if body.get("stream_format") != "sse":
            return Answer(200, _noise(said, output), job=job, plain_type=kind)
        shown = None if plan.no_usage else _tokens_shown(usage)
        return Answer(200, events=_spoken(said, output, shown), job=job)


class Listening:
    """A route that listens."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the prompt, which may hold a fault marker."""
        given = body.get("prompt")
        return given if isinstance(given, str) else ""

    def answer(self, work: Work) -> Answer:
        """Answer with what was said, as JSON, text or events."""
        body, plan = work.body, work.plan
        model, file = str(body.get("model")), body.get("file")
        if model not in {"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"}:
            raise model_not_found(model)
        if not isinstance(file, bytes):
            message = "Missing required parameter: 'file'."
            raise refuse(message, "file", "missing_required_parameter")
        length = _seconds(file)
        pieces = text.say(text.seed_of(model, str(len(file))), 5 + length // 10)
        form = str(body.get("response_format") or "json")
        if model == "whisper-1":
            job = Job(model, model, "default", Usage(seconds=-(-length // 10)))
            return _by_the_second("".join(pieces), form, job, tenths=length)
        heard = -(-length * _TOKENS_PER_SECOND // 10)
        words = tokens.count(str(body.get("prompt") or ""))
        usage = Usage(input_tokens=heard + words, input_audio_tokens=heard, output_tokens=len(pieces))
        job = Job(model, model, "default", usage)
        shown = None if plan.no_usage else _tokens_shown(Usage() if plan.zero_usage else usage)
        if str(body.get("stream")).lower() == "true":
            return Answer(200, events=_told(pieces, shown), job=job)
        answer: Json = {"text": "".join(pieces), **({} if shown is None else {"usage": shown})}
        return Answer(200, _encode(answer), job=job, tells_usage=shown is not None)


def _by_the_second(said: str, form: str, job: Job, *, tenths: int) -> Answer:
    if form in {"text", "srt", "vtt"}:
        return Answer(200, f"{said}\n".encode(), job=job, plain_type="text/plain; charset=utf-8")
    answer: Json = {"text": said, "usage": {"type": "duration", "seconds": tenths / 10}}
    if form == "verbose_json":
        answer |= {"task": "transcribe", "language": "english", "duration": tenths / 10, "segments": []}
    return Answer(200, _encode(answer), job=job, tells_usage=True)


def _seconds(file: bytes) -> int:
    """Return how many tenths of a second a recording plays: by its header if it is a WAV, else by its length."""
    is_wav = file[:4] == b"RIFF"
    per_second = int.from_bytes(file[28:32], "little") if is_wav else _BYTES_PER_SECOND
    return max(1, len(file) * 10 // (per_second or _BYTES_PER_SECOND))


def _tokens_shown(usage: Usage) -> Json:
    heard = usage.input_audio_tokens
    return {
        "type": "tokens",
        "input_tokens": usage.input_tokens,
        "input_token_details": {"audio_tokens": heard, "text_tokens": usage.input_tokens - heard},
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _noise(said: str, size: int) -> bytes:
    seed = text.seed_of(said).to_bytes(8, "big")
    return (seed * (size * _BYTES_PER_TOKEN // len(seed) + 1))[: size * _BYTES_PER_TOKEN]


def _spoken(said: str, output: int, shown: Json | None) -> Iterator[Event]:
    sound = _noise(said, output)
    for start in range(0, output, 10):
        size = min(10, output - start)
        piece = sound[start * _BYTES_PER_TOKEN : (start + size) * _BYTES_PER_TOKEN]
        data = {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}
        yield Event(_event(data), size, 0, size)
    done: Json = {"type": "speech.audio.done", **({} if shown is None else {"usage": shown})}
    yield Event(_event(done), tells_usage=shown is not None)


def _told(pieces: list[str], shown: Json | None) -> Iterator[Event]:
    for words, size in grouped(pieces):
        yield Event(_event({"type": "transcript.text.delta", "delta": words}), size)
    done: Json = {
        "type": "transcript.text.done",
        "text": "".join(pieces),
        **({} if shown is None else {"usage": shown}),
    }
    yield Event(_event(done), tells_usage=shown is not None)


def _event(data: Json) -> bytes:
    return b"data: %b\n\n" % _encode(data)
