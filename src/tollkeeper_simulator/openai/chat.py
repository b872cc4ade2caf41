"""POST /v1/chat/completions."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock, text
from tollkeeper_simulator.answer import Answer, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import model_in
from tollkeeper_simulator.openai import chat_request, chat_stream, families, prompt
from tollkeeper_simulator.openai.catalogue import served_name
from tollkeeper_simulator.openai.reply import replies
from tollkeeper_simulator.openai.usage import chat_usage, deepseek_usage, prompt_usage, with_output, xai_usage

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work
    from tollkeeper_simulator.openai.chat_request import ChatRequest
    from tollkeeper_simulator.openai.reply import Reply

_encode = msgspec.json.Encoder().encode
_SILENCE = base64.b64encode(bytes(480)).decode()
_AUDIO_LIFE_S = 3_600


class Chat:
    """The chat route."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the text that may hold a fault marker."""
        return prompt.user_text(body)

    def answer(self, work: Work) -> Answer:
        """Answer a chat request, plain or as a stream."""
        request = chat_request.read(work.body, work.plan)
        family, settings = request.model.family, work.state.settings
        said = replies(request, work.plan)
        usage = with_output(
            prompt_usage(request.prompt, request.model, work.state, work.caller.api_key_id),
            sum(each.output_tokens for each in said),
            reasoning=sum(each.reasoning_tokens for each in said),
            audio=sum(each.audio_tokens for each in said),
        )
        usage = msgspec.structs.replace(usage, web_searches=request.searches)
        served = served_name(request.asked_model, request.model)
        job = Job(
            request.model.name,
            served,
            families.tier_of(request.model, request.tier, settings),
            usage,
            provider=family,
            percent=families.percent_of(request.model, settings),
            states_cost=family == "xai",
        )
        shown = None if work.plan.no_usage else _usage(Usage() if work.plan.zero_usage else usage, job)
        frame: Json = {
            "id": clock.object_id("chatcmpl-"),
            "object": "chat.completion",
            "created": clock.now_s(),
            "model": served,
            **({"service_tier": request.tier} if family == "openai" else {}),
            "system_fingerprint": f"fp_{text.seed_of(served) % 16**10:010x}",
        }
        if request.stream:
            events = chat_stream.events(frame, said, request, usage=shown, late=work.plan.late_usage)
            return Answer(200, events=events, job=job, error_event=families.error_event(family))
        return _plain(frame, said, request, job=job, shown=shown, malformed=work.plan.malformed)


def _usage(usage: Usage, job: Job) -> Json:
    if job.provider == "deepseek":
        return deepseek_usage(usage)
    if job.provider == "xai":
        return xai_usage(usage, families.ticks(job, usage))
    return chat_usage(usage)


def tool_call(name: str, arguments: str) -> Json:
    """Return one function call with a fresh id."""
    return {"id": clock.object_id("call_"), "type": "function", "function": {"name": name, "arguments": arguments}}


def _plain(
    frame: Json, said: list[Reply], request: ChatRequest, *, job: Job, shown: Json | None, malformed: bool
) -> Answer:
    choices = [
        {"index": index, "message": _message(each, request), "logprobs": None, "finish_reason": each.finish}
        for index, each in enumerate(said)
    ]
    body = {**frame, "choices": choices}
    if shown is not None:
        body["usage"] = shown
    encoded = _encode(body)
    # What a proxy in trouble does to JSON: it loses the end.
    return Answer(
        200, encoded[: len(encoded) * 2 // 3] if malformed else encoded, job=job, tells_usage=shown is not None
    )


def _message(reply: Reply, request: ChatRequest) -> Json:
    message: Json = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
    if reply.thoughts:
        message["reasoning_content"] = "".join(reply.thoughts)
    if reply.tool_name is not None:
        return {**message, "content": None, "tool_calls": [tool_call(reply.tool_name, reply.text)]}
    if request.audio:
        audio = {
            "id": clock.object_id("audio_"),
            "data": _SILENCE,
            "expires_at": clock.now_s() + _AUDIO_LIFE_S,
            "transcript": reply.text,
        }
        return {**message, "content": None, "audio": audio}
    return message
