"""POST /v1/messages: a message, whole or as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Answer, Job
from tollkeeper_simulator.anthropic import message_stream, prompt, request
from tollkeeper_simulator.anthropic.blocks import blocks_of, stop_details
from tollkeeper_simulator.anthropic.errors import OVERLOADED_EVENT
from tollkeeper_simulator.anthropic.reply import reply
from tollkeeper_simulator.anthropic.usage import delta_usage, start_usage, usage_of, whole_usage
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import model_in

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work

_encode = msgspec.json.Encoder().encode


class Messages:
    """The Messages route."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the text that may hold a fault marker."""
        return prompt.user_text(body)

    def answer(self, work: Work) -> Answer:
        """Answer a Messages request, whole or as a stream."""
        plan = work.plan
        asked = request.read(work.body, plan)
        said = reply(asked, plan)
        usage = usage_of(asked, said, work)
        job = Job(
            asked.model.name,
            asked.served_model,
            asked.tier,
            usage,
            provider="anthropic",
            percent=asked.percent,
            found_tokens=sum(block.found_tokens for block in said.searches),
        )
        frame: Json = {
            "id": clock.object_id("msg_01"),
            "type": "message",
            "role": "assistant",
            "model": asked.served_model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        told = Usage() if plan.zero_usage else usage
        priority = asked.wants_priority and work.state.settings.priority_capacity
        if asked.stream:
            at_start = Usage() if plan.late_usage or plan.zero_usage else told
            found = 0 if plan.zero_usage or plan.late_usage else job.found_tokens
            first = start_usage(at_start, found, asked, serves_priority=priority)
            last = delta_usage(told)
            events = message_stream.events(
                frame, said, first=None if plan.no_usage else first, last=None if plan.no_usage else last
            )
            return Answer(200, events=events, job=job, error_event=OVERLOADED_EVENT)
        content = [entry for block in said.blocks for entry in blocks_of(block)]
        body = {**frame, "content": content, "stop_reason": said.stop_reason, "stop_sequence": said.stop_sequence}
        body |= stop_details(said)
        if not plan.no_usage:
            body["usage"] = whole_usage(told, asked, serves_priority=priority)
        encoded = _encode(body)
        return Answer(
            200,
            encoded[: len(encoded) * 2 // 3] if plan.malformed else encoded,
            job=job,
            tells_usage=not plan.no_usage,
        )
