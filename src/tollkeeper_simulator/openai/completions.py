"""POST /v1/completions, the legacy route: `prompt`, `echo`, `n`, `stream`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock, text, tokens
from tollkeeper_simulator.answer import Answer, Event, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import RefusedError, model_in
from tollkeeper_simulator.openai import fields
from tollkeeper_simulator.openai.catalogue import Model, find, served_name
from tollkeeper_simulator.openai.chat_stream import DONE
from tollkeeper_simulator.openai.errors import error, refuse
from tollkeeper_simulator.openai.usage import plain_usage
from tollkeeper_simulator.portions import grouped, limited, stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.dialect import Json, Work
    from tollkeeper_simulator.faults import FaultPlan

_encode = msgspec.json.Encoder().encode
_OUTPUT_TOKENS_USUAL = 16
_KNOWN = frozenset({
    "model", "prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n",
    "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Choice:
    echoed: str
    pieces: list[str]
    finish: str


@dataclass(frozen=True, slots=True)
class _Request:
    asked_model: str
    model: Model
    prompts: list[tuple[str, int]]
    n: int
    limit: int
    stops: list[str]
    echo: bool
    stream: bool
    include_usage: bool
    seed: str


class Completions:
    """The legacy completions route."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the prompt, which may hold a fault marker."""
        given = body.get("prompt")
        return given if isinstance(given, str) else ""

    def answer(self, work: Work) -> Answer:
        """Answer a completion request, plain or as a stream."""
        request = _read(work.body)
        said = [_choice(request, work.plan, place) for place in range(len(request.prompts) * request.n)]
        usage = Usage(
            input_tokens=sum(size for _, size in request.prompts),
            output_tokens=sum(len(each.pieces) for each in said),
        )
        served = served_name(request.asked_model, request.model)
        job = Job(request.model.name, served, "default", usage)
        frame: Json = {
            "id": clock.object_id("cmpl-"),
            "object": "text_completion",
            "created": clock.now_s(),
            "model": served,
        }
        plan = work.plan
        shown = None if plan.no_usage else plain_usage(Usage() if plan.zero_usage else usage)
        if request.stream:
            return Answer(200, events=_events(frame, said, request, shown, late=plan.late_usage), job=job)
        choices = [
            {"text": each.echoed + "".join(each.pieces), "index": index, "logprobs": None, "finish_reason": each.finish}
            for index, each in enumerate(said)
        ]
        body = _encode({**frame, "choices": choices} | ({} if shown is None else {"usage": shown}))
        return Answer(
            200, body[: len(body) * 2 // 3] if plan.malformed else body, job=job, tells_usage=shown is not None
        )


def _read(body: Json) -> _Request:
    fields.known_only(body, _KNOWN)
    asked = fields.model_name(body)
    model = find(asked)
    if model.kind != "completion":
        message = (
            "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
            "v1/chat/completions?"
        )
        raise RefusedError(error(404, message, param="model"))
    stream = fields.flag(body, "stream")
    limit = fields.integer(body, "max_tokens", 1)
    prompts = _prompts(body.get("prompt", "<|endoftext|>"))
    fields.fits_context(model, max(size for _, size in prompts), limit or _OUTPUT_TOKENS_USUAL)
    return _Request(
        asked_model=asked,
        model=model,
        prompts=prompts,
        n=fields.integer(body, "n", 1, 128) or 1,
        limit=limit or _OUTPUT_TOKENS_USUAL,
        stops=fields.stops(body),
        echo=fields.flag(body, "echo"),
        stream=stream,
        include_usage=fields.include_usage(body, stream=stream),
        seed=str(body.get("seed")),
    )


def _prompts(given: object) -> list[tuple[str, int]]:
    """Return each prompt with its size; token arrays are echoed as their numbers."""
    if isinstance(given, str):
        return [(given, tokens.count(given))]
    if isinstance(given, list) and given:
        if all(isinstance(each, int) for each in given):
            return [(" ".join(map(str, given)), len(given))]
        if all(isinstance(each, str | list) for each in given):
            return [prompt for each in given for prompt in _prompts(each)]
    message = "Invalid type for 'prompt'."
    raise refuse(message, "prompt", "invalid_type")


def _choice(request: _Request, plan: FaultPlan, place: int) -> _Choice:
    prompt, _ = request.prompts[place // request.n]
    seed = text.seed_of(request.model.name, request.seed, prompt, str(place % request.n))
    echoed = prompt if request.echo else ""
    if plan.tokens is not None:
        return _Choice(echoed, text.say(seed, plan.tokens), "stop")
    if plan.big_kb is not None:
        return _Choice(echoed, text.say_bytes(seed, plan.big_kb * 1_024), "stop")
    pieces, cut = limited(stopped(text.say(seed, text.usual_length(seed)), request.stops), request.limit)
    return _Choice(echoed, pieces, "length" if cut else "stop")


def _events(frame: Json, said: list[_Choice], request: _Request, usage: Json | None, *, late: bool) -> Iterator[Event]:
    null: Json = {"usage": None} if request.include_usage else {}
    for index, each in enumerate(said):
        if each.echoed:
            yield _chunk(frame, index, each.echoed, None, null)
        for words, size in grouped(each.pieces):
            yield _chunk(frame, index, words, None, null, size)
        shown = {"usage": usage} if late and usage is not None and index == len(said) - 1 else null
        yield replace(_chunk(frame, index, "", each.finish, shown), tells_usage=shown.get("usage") is not None)
    if request.include_usage and usage is not None and not late:
        yield Event(b"data: " + _encode({**frame, "choices": [], "usage": usage}) + b"\n\n", tells_usage=True)
    yield DONE


def _chunk(frame: Json, index: int, words: str, finish: str | None, usage: Json, size: int = 0) -> Event:
    choice = {"text": words, "index": index, "logprobs": None, "finish_reason": finish}
    return Event(b"data: " + _encode({**frame, "choices": [choice], **usage}) + b"\n\n", size)
