"""`/v1/responses`: makes responses, keeps them, lets them go on in the background, and shows, cancels and deletes them.

A response in the background is billed when it is asked for, and shows its usage when it has ended: after ten milliseconds for
each token. What is cancelled before is billed all the same, and never says its usage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Answer, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import RefusedError, model_in
from tollkeeper_simulator.openai import families, responses_request, responses_shape
from tollkeeper_simulator.openai.catalogue import served_name
from tollkeeper_simulator.openai.errors import error, refuse
from tollkeeper_simulator.openai.reply import replies
from tollkeeper_simulator.openai.usage import prompt_usage, with_output

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work
    from tollkeeper_simulator.http import Request
    from tollkeeper_simulator.openai.reply import Reply
    from tollkeeper_simulator.openai.responses_request import ResponsesRequest

_encode = msgspec.json.Encoder().encode
_PREFIX = "/v1/responses/"
_MS_PER_TOKEN = 10


@dataclass(slots=True)
class _Kept:
    """A stored response: whole, what was sent for it, what was said by its end, and when that is."""

    response: Json
    input_items: list[Json]
    messages: list[Json]
    said: Reply
    ends_ms: int
    cancelled: bool = False

    def shown(self) -> Json:
        """Return the response as it is now."""
        under_way: Json = {"output": [], "usage": None, "completed_at": None, "incomplete_details": None}
        if self.cancelled:
            return {**self.response, **under_way, "status": "cancelled"}
        if clock.monotonic_ms() < self.ends_ms:
            return {**self.response, **under_way, "status": "in_progress"}
        return self.response


class Responses:
    """The routes of responses; they share what is kept."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: dict[str, _Kept] = {}

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the text that may hold a fault marker."""
        return responses_request.user_text(body)

    def answer(self, work: Work) -> Answer:
        """Answer a request for a response: whole, as a stream, or with its promise."""
        request = responses_request.read(work.body, work.plan, self._history(work.body))
        chat, plan = request.chat, work.plan
        (said,) = replies(chat, plan)
        usage = with_output(
            prompt_usage(chat.prompt, chat.model, work.state, work.caller.api_key_id),
            said.output_tokens,
            reasoning=said.reasoning_tokens,
        )
        usage = msgspec.structs.replace(
            usage,
            web_searches=chat.searches,
            file_searches=request.hosted.count("file_search_call"),
            code_sessions=min(1, request.hosted.count("code_interpreter_call")),  # all in one container
        )
        job = Job(
            chat.model.name,
            served_name(chat.asked_model, chat.model),
            families.tier_of(chat.model, chat.tier, work.state.settings),
            usage,
            provider=chat.model.family,
            percent=families.percent_of(chat.model, work.state.settings),
            states_cost=chat.model.family == "xai",
        )
        shown = None if plan.no_usage else _usage(Usage() if plan.zero_usage else usage, job)
        response = _response(request, said, job, usage=shown, body=work.body)
        work_ms = said.output_tokens * _MS_PER_TOKEN if request.background and not chat.stream else 0
        ends_ms = clock.monotonic_ms() + work_ms
        if request.store:
            self._keep(response, request, said, ends_ms)
        if chat.stream:
            events = responses_shape.events(response, said)
            return Answer(200, events=events, job=job, error_event=responses_shape.ERROR_EVENT)
        if request.background:
            promise = {**response, "status": "queued", "output": [], "usage": None, "completed_at": None}
            return Answer(200, _encode(promise), job=job)
        encoded = _encode(response)
        body = encoded[: len(encoded) * 2 // 3] if plan.malformed else encoded
        return Answer(200, body, job=job, tells_usage=shown is not None)

    def look_up(self, request: Request) -> Answer | None:
        """Answer what is asked about a response that is kept; None for another route. Raises RefusedError."""
        if not request.path.startswith(_PREFIX):
            return None
        name, _, below = request.path.removeprefix(_PREFIX).partition("/")
        kept = self._kept.get(name)
        if kept is None:
            message = f"Response with id '{name}' not found."
            raise RefusedError(error(404, message))
        if (request.method, below) == ("GET", ""):
            return _shown(kept, request)
        if (request.method, below) == ("DELETE", ""):
            del self._kept[name]
            return Answer(200, _encode({"id": name, "object": "response", "deleted": True}))
        if (request.method, below) == ("POST", "cancel"):
            return _cancel(kept)
        return Answer(200, _encode(_listed(kept.input_items))) if below == "input_items" else None

    def _history(self, body: Json) -> list[Json]:
        previous = body.get("previous_response_id")
        if previous is None:
            return []
        kept = self._kept.get(previous)
        if kept is None:
            message = f"Previous response with id '{previous}' not found."
            raise refuse(message, "previous_response_id", "previous_response_not_found")
        return kept.messages

    def _keep(self, response: Json, request: ResponsesRequest, said: Reply, ends_ms: int) -> None:
        spoken = {"role": "assistant", "content": said.text}
        items = [{"id": clock.object_id("msg_"), **item} for item in request.input_items]
        self._kept[response["id"]] = _Kept(response, items, [*request.messages, spoken], said, ends_ms)


def _usage(usage: Usage, job: Job) -> Json:
    ticks = families.ticks(job, usage) if job.states_cost else None
    return responses_shape.usage_shown(usage, cost_ticks=ticks)


def _response(request: ResponsesRequest, said: Reply, job: Job, *, usage: Json | None, body: Json) -> Json:
    is_cut = said.finish in {"length", "content_filter"}
    reason = "max_output_tokens" if said.finish == "length" else "content_filter"
    now_s = clock.now_s()
    return {
        "id": clock.object_id("resp_"),
        "object": "response",
        "created_at": now_s,
        "status": "incomplete" if is_cut else "completed",
        "completed_at": None if is_cut else now_s,
        "background": request.background,
        "error": None,
        "incomplete_details": {"reason": reason} if is_cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": job.served_model,
        "output": responses_shape.output_items(said, request.hosted),
        "parallel_tool_calls": True,
        "previous_response_id": request.previous,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": job.tier,
        "store": request.store,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _shown(kept: _Kept, request: Request) -> Answer:
    query = dict(request.query)
    if query.get("stream") != "true":
        return Answer(200, _encode(kept.shown()))
    after = int(query.get("starting_after", -1))
    events = list(responses_shape.events(kept.response, kept.said))[after + 1 :]
    return Answer(200, b"".join(event.data for event in events), plain_type="text/event-stream")


def _cancel(kept: _Kept) -> Answer:
    if not kept.response["background"]:
        message = "Cannot cancel a synchronous response."
        raise RefusedError(error(400, message))
    kept.cancelled = kept.cancelled or clock.monotonic_ms() < kept.ends_ms
    return Answer(200, _encode(kept.shown()))


def _listed(items: list[Json]) -> Json:
    newest = list(reversed(items))
    first, last = (newest[0]["id"], newest[-1]["id"]) if newest else (None, None)
    return {"object": "list", "data": newest, "first_id": first, "last_id": last, "has_more": False}
