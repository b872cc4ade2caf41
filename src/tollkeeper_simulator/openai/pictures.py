"""POST /v1/images/generations, edits and variations: pictures of no content, billed by tokens or by the piece.

Tokens of a picture: developers.openai.com/api/docs/guides/image-generation (1024 x 1024), as far as known by 2026-11-22.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock, tokens
from tollkeeper_simulator.answer import Answer, Event, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import model_in
from tollkeeper_simulator.openai.errors import model_not_found, refuse
from tollkeeper_simulator.prices import rates_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.dialect import Json, Work

_encode = msgspec.json.Encoder().encode
_TOKENS = {"low": 272, "medium": 1_056, "auto": 1_056, "high": 4_160}
_PARTIAL_TOKENS = 100
_GIVEN_TOKENS = 323
_PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
_BY_TOKENS = ("gpt-image-1", "gpt-image-2")
_BY_THE_PIECE = ("dall-e-3",)


class Pictures:
    """A route of pictures; `kind` is how its events are named."""

    def __init__(self, kind: str) -> None:
        """Name the events."""
        self._kind = kind

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the prompt, which may hold a fault marker."""
        prompt = body.get("prompt")
        return prompt if isinstance(prompt, str) else ""

    def answer(self, work: Work) -> Answer:
        """Answer with pictures, or as a stream of one."""
        body, plan = work.body, work.plan
        asked = str(body.get("model"))
        if asked not in (*_BY_TOKENS, *_BY_THE_PIECE):
            raise model_not_found(asked)
        count = int(body.get("n") or 1)
        if not 1 <= count <= 10:
            message = f"Invalid 'n': integer above maximum value. Expected a value <= 10, but got {count} instead."
            raise refuse(message, "n", "integer_above_max_value")
        if asked in _BY_THE_PIECE:
            kind = f"{body.get('size') or '1024x1024'}/{body.get('quality') or 'standard'}"
            if kind not in rates_for(asked, "default", 0).image_pico:
                message = f"There is no picture of {kind}."
                raise refuse(message, "size", "invalid_value")
            job = Job(asked, asked, "default", Usage(images=count, image_kind=kind))
            return Answer(
                200, _encode({"created": clock.now_s(), "data": [{"url": "https://x.test/1"}] * count}), job=job
            )
        stream = str(body.get("stream")).lower() == "true"
        partial = int(body.get("partial_images") or 0) if stream else 0
        usage = _usage(body, count, partial)
        job = Job(asked, asked, "default", usage)
        shown = None if plan.no_usage else _shown(Usage() if plan.zero_usage else usage)
        if stream:
            return Answer(200, events=self._events(usage, partial, shown), job=job)
        answer = {"created": clock.now_s(), "data": [{"b64_json": _PIXEL}] * count, "output_format": "png"}
        if shown is not None:
            answer["usage"] = shown
        encoded = _encode(answer)
        return Answer(
            200, encoded[: len(encoded) * 2 // 3] if plan.malformed else encoded, job=job, tells_usage=shown is not None
        )

    def _events(self, usage: Usage, partial: int, shown: Json | None) -> Iterator[Event]:
        what = {"b64_json": _PIXEL, "created_at": clock.now_s(), "size": "1024x1024", "quality": "medium"}
        what |= {"background": "opaque", "output_format": "png"}
        for index in range(partial):
            data = {"type": f"{self._kind}.partial_image", "partial_image_index": index, **what}
            yield Event(_event(data), _PARTIAL_TOKENS)
        done = {"type": f"{self._kind}.completed", **what, **({} if shown is None else {"usage": shown})}
        yield Event(_event(done), usage.output_tokens - partial * _PARTIAL_TOKENS, tells_usage=shown is not None)


def _usage(body: Json, count: int, partial: int) -> Usage:
    given = [each for name in ("image", "mask") if (each := body.get(name)) is not None]
    files = sum(len(each) if isinstance(each, list) else 1 for each in given)
    pictures = files * _GIVEN_TOKENS
    output = _TOKENS.get(str(body.get("quality") or "auto"), 1_056) * count + partial * _PARTIAL_TOKENS
    words = tokens.count(str(body.get("prompt")))
    return Usage(
        input_tokens=words + pictures,
        input_image_tokens=pictures,
        output_tokens=output,
        output_image_tokens=output,
    )


def _shown(usage: Usage) -> Json:
    words = usage.input_tokens - usage.input_image_tokens
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"text_tokens": words, "image_tokens": usage.input_image_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": usage.output_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _event(data: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), _encode(data))
