"""The OpenAI dialect, answers with images, speech and transcripts: the usage that they state, whole or in events. Pure.

Wire shapes: `openai` 3.51 type stubs (types/images_response.py, types/audio, 2026-11).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.answers import Stated
from tollkeeper.gateway.wire.openai_answer import Tokens
from tollkeeper.gateway.wire.reported_cost import CostFields, reported_nanos
from tollkeeper.gateway.wire.server_events import data_of, events_of

_DAYS_S = 86_400 * 365
SOUND_TYPES = {
    "mp3": b"audio/mpeg", "opus": b"audio/opus", "aac": b"audio/aac", "flac": b"audio/flac", "wav": b"audio/wav",
    "pcm": b"audio/pcm",
}  # fmt: skip
ENDS = frozenset({"image_generation.completed", "image_edit.completed", "speech.audio.done", "transcript.text.done"})
"""The types of the events that state a stream's usage."""


class Details(msgspec.Struct):
    text_tokens: Tokens | None = None
    image_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None


class WireUsage(CostFields, kw_only=True):
    """`usage` of a picture, a piece of speech or a transcript; `seconds` where it is billed by time."""

    type: str = "tokens"
    input_tokens: Tokens | None = None
    output_tokens: Tokens = 0
    input_tokens_details: Details | None = None
    input_token_details: Details | None = None  # of transcripts, spelled so
    output_tokens_details: Details | None = None
    seconds: float | None = None


class SvgUsage(msgspec.Struct):
    model: str
    input_tokens: Tokens
    output_tokens: Tokens
    reasoning_tokens: Tokens = 0


class WireMedia(msgspec.Struct):
    """An answer, or an event of a stream, as far as it is metered."""

    type: str = ""
    model: str = ""
    usage: WireUsage | None = None
    svg_usage: SvgUsage | None = None
    data: list[msgspec.Raw] | None = None
    duration: float | str | None = None
    delta: Any = None
    audio: str | None = None


class StatedImages(Stated, kw_only=True):
    pictures: int = 0


_decode = msgspec.json.Decoder(WireMedia).decode


def read_media(data: bytes) -> WireMedia | None:
    """Read an answer or an event; None when it is none, or none of these."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def model_in(body: bytes) -> str:
    """Return the model that an answer names."""
    answer = read_media(body)
    return "" if answer is None else answer.model


def read_images(body: bytes) -> StatedImages:
    """Read a whole answer with pictures; it does not name its model."""
    answer = read_media(body)
    if answer is None:
        return StatedImages("", None, [])
    usage = usage_of(answer, picture="output_image")
    return StatedImages("", usage, [], pictures=len(answer.data or ()))


def read_transcript(body: bytes) -> Stated:
    """Read a whole transcript: JSON, or any text."""
    answer = read_media(body)
    if answer is None:
        return Stated("", None, [body.decode("utf-8", "replace")])
    usage = usage_of(answer)
    if usage is None and answer.duration is not None:
        usage = _seconds(answer.duration)
    return Stated("", usage, [body.decode("utf-8", "replace")] if usage is None else [])


def read_speech(body: bytes, sound: str) -> Stated:
    """Read speech: as sound it states nothing; as events it is put together again, and its last event has the usage.

    Raises:
        UpstreamFault: the events do not come to their end, so that the sound is a part of what was asked for.
    """
    if not body.lstrip()[:5].startswith((b"data:", b"event")):
        return Stated("", None, [])
    stated, pieces = Stated("", None, []), []
    is_read = is_done = False
    for event in events_of(body):
        read = read_media(data_of(event))
        if read is None:
            continue
        is_read = True
        if read.audio:
            try:
                pieces.append(base64.b64decode(read.audio, validate=True))
            except binascii.Error:
                return stated
        if read.type in ENDS:
            is_done = True
            stated.usage = usage_of(read, spoken=True)
    if not is_read:  # sound that begins like an event
        return stated
    if not is_done:
        raise UpstreamFault("closed", "the provider's speech ended before its end", sent=True)
    stated.body, stated.content_type = b"".join(pieces), SOUND_TYPES.get(sound, b"application/octet-stream")
    return stated


def usage_of(answer: WireMedia, *, picture: str = "", spoken: bool = False) -> Usage | None:
    """Bring a stated usage into disjoint classes; `picture` is the class of output that is not split, of pictures."""
    usage = answer.usage
    if usage is None:
        return None
    if usage.seconds is not None:
        return _seconds(usage.seconds)
    reported = reported_nanos(usage)
    if usage.input_tokens is None:
        return None if reported is None else Usage({}, reported_nanos=reported)
    quantities = {"input": usage.input_tokens}
    inputs = usage.input_tokens_details or usage.input_token_details or Details()
    _split(quantities, "input", ("input_image", inputs.image_tokens), ("input_audio", inputs.audio_tokens))
    outputs = usage.output_tokens_details
    quantities["output"] = usage.output_tokens
    if outputs is not None:
        _split(quantities, "output", ("output_image", outputs.image_tokens), ("output_audio", outputs.audio_tokens))
    elif picture or spoken:
        quantities[picture or "output_audio"] = quantities.pop("output")
    if (drawn := answer.svg_usage) is not None:
        quantities[f"input@{drawn.model}"] = drawn.input_tokens
        quantities[f"output@{drawn.model}"] = drawn.output_tokens
    return Usage(quantities, reported_nanos=reported)


def _split(quantities: dict[str, int], whole: str, *parts: tuple[str, int | None]) -> None:
    for name, stated in parts:
        if stated:
            quantities[name] = count = min(stated, quantities[whole])
            quantities[whole] -= count


def _seconds(stated: float | str) -> Usage | None:
    """Return a length of time in whole seconds, rounded up as it is billed."""
    try:
        seconds = float(stated)
    except ValueError:
        return None
    return Usage({"seconds": int(-(-seconds // 1))}) if 0 <= seconds < _DAYS_S else None
