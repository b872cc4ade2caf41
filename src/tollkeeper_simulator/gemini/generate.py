"""POST …/models/{model}:generateContent and :streamGenerateContent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Answer, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.gemini import catalogue, generate_stream, request
from tollkeeper_simulator.gemini.candidates import candidate, prompt_feedback
from tollkeeper_simulator.gemini.errors import BROKEN
from tollkeeper_simulator.gemini.prompt import user_text
from tollkeeper_simulator.gemini.reply import replies
from tollkeeper_simulator.gemini.usage import TIER_NAMES, metadata, usage_of

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work
    from tollkeeper_simulator.gemini.reply import Reply
    from tollkeeper_simulator.gemini.request import GenerateRequest

_encode = msgspec.json.Encoder().encode


class Generate:
    """One of the two methods, for the model that the path names."""

    def __init__(self, model: str, version: str, *, stream: bool = False, as_events: bool = False) -> None:
        """Answer for `model`; a stream comes as server-sent events or as a JSON array."""
        self._model = model
        self._version = version
        self._stream = stream
        self._as_events = as_events

    def asked_model(self, body: Json) -> str:
        """Return the model of the path."""
        del body
        return self._model

    def last_user_text(self, body: Json) -> str:
        """Return the text that may hold a fault marker."""
        return user_text(body.get("contents"))

    def answer(self, work: Work) -> Answer:
        """Answer, whole or as a stream."""
        plan = work.plan
        method = "streamGenerateContent" if self._stream else "generateContent"
        asked = request.read(work.body, catalogue.find(self._model, "chat", method, self._version), plan)
        said = replies(asked, plan)
        usage = usage_of(asked, said, work)
        job = Job(asked.model.name, asked.model.name, asked.tier, usage, provider="gemini")
        frame: Json = {"modelVersion": asked.model.name, "responseId": work.caller.request_id}
        headers = [("x-gemini-service-tier", TIER_NAMES[asked.tier])]
        if self._stream:
            shape = generate_stream.EVENTS if self._as_events else generate_stream.ARRAY
            events = generate_stream.events(frame, said, asked, usage=usage, plan=plan, shape=shape)
            broken = shape.next % BROKEN + shape.end
            kind = shape.content_type
            return Answer(200, events=events, job=job, headers=headers, error_event=broken, stream_type=kind)
        body = _whole(frame, said, asked)
        if not plan.no_usage:
            body["usageMetadata"] = metadata(Usage() if plan.zero_usage else usage, asked.prompt, asked.tier)
        encoded = _encode(body)
        return Answer(
            200,
            encoded[: len(encoded) * 2 // 3] if plan.malformed else encoded,
            job=job,
            tells_usage=not plan.no_usage,
            headers=headers,
        )


def _whole(frame: Json, said: list[Reply], asked: GenerateRequest) -> Json:
    if not said:
        return {"promptFeedback": prompt_feedback(), **frame}
    return {"candidates": [candidate(each, index, asked) for index, each in enumerate(said)], **frame}
