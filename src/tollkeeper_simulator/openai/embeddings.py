"""POST /v1/embeddings: unit vectors that depend on nothing but the input."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import text, tokens
from tollkeeper_simulator.answer import Answer, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.dialect import RefusedError, model_in
from tollkeeper_simulator.openai import fields
from tollkeeper_simulator.openai.catalogue import Model, find, served_name
from tollkeeper_simulator.openai.errors import error, refuse
from tollkeeper_simulator.vectors import vector

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work

_encode = msgspec.json.Encoder().encode
_KNOWN = frozenset({"input", "model", "dimensions", "encoding_format", "user"})
_INPUTS_MAX = 2_048
_INPUT_TOKENS_TOTAL_MAX = 300_000


class Embeddings:
    """The embeddings route."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the input (the last of several), which may hold a fault marker."""
        given = body.get("input")
        last = given[-1] if isinstance(given, list) and given else given
        return last if isinstance(last, str) else ""

    def answer(self, work: Work) -> Answer:
        """Answer an embeddings request."""
        body = work.body
        fields.known_only(body, _KNOWN)
        asked = fields.model_name(body)
        model = find(asked)
        if model.kind != "embedding":
            message = f"You are not allowed to generate embeddings from this model: '{asked}'."
            raise RefusedError(error(403, message))
        inputs = _inputs(body.get("input"), model)
        size = _dimensions(body, model)
        as_base64 = _as_base64(body)
        usage = Usage(input_tokens=sum(length for _, length in inputs))
        job = Job(model.name, served_name(asked, model), "default", usage)
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _shown(text.seed_of(model.name, said), size, as_base64),
            }
            for index, (said, _) in enumerate(inputs)
        ]
        answer: Json = {"object": "list", "data": data, "model": job.served_model}
        if not work.plan.no_usage:
            told = 0 if work.plan.zero_usage else usage.input_tokens
            answer["usage"] = {"prompt_tokens": told, "total_tokens": told}
        encoded = _encode(answer)
        return Answer(
            200,
            encoded[: len(encoded) * 2 // 3] if work.plan.malformed else encoded,
            job=job,
            tells_usage=not work.plan.no_usage,
        )


def _inputs(given: object, model: Model) -> list[tuple[str, int]]:
    """Return each input as text, with its number of tokens."""
    if isinstance(given, str) or (isinstance(given, list) and given and all(isinstance(each, int) for each in given)):
        given = [given]
    if not isinstance(given, list):
        raise fields.wrong_type("input", "a string or an array", given)
    if not 1 <= len(given) <= _INPUTS_MAX:
        message = f"'$.input' is invalid: it must have 1 to {_INPUTS_MAX} items."
        raise refuse(message, "input", "invalid_value")
    inputs = [_input(each) for each in given]
    longest = max(length for _, length in inputs)
    if longest > model.context_tokens:
        message = (
            f"This model's maximum context length is {model.context_tokens} tokens, however you requested {longest} "
            f"tokens ({longest} in your prompt; 0 for the completion). Please reduce your prompt."
        )
        raise refuse(message, "input", "context_length_exceeded")
    if sum(length for _, length in inputs) > _INPUT_TOKENS_TOTAL_MAX:
        message = (
            f"Requested more than {_INPUT_TOKENS_TOTAL_MAX} tokens, max {_INPUT_TOKENS_TOTAL_MAX} tokens per request"
        )
        raise refuse(message, "input", "max_tokens_per_request")
    return inputs


def _input(each: object) -> tuple[str, int]:
    if isinstance(each, str) and each:
        return each, tokens.count(each)
    if isinstance(each, list) and each and all(isinstance(token, int) for token in each):
        return " ".join(map(str, each)), len(each)
    message = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    raise refuse(message, "input", "invalid_value")


def _dimensions(body: Json, model: Model) -> int:
    asked = fields.integer(body, "dimensions", 1, model.dimensions)
    if asked is not None and model.name == "text-embedding-ada-002":
        message = "This model does not support specifying dimensions."
        raise refuse(message, "dimensions", "unsupported_parameter")
    return asked or model.dimensions


def _as_base64(body: Json) -> bool:
    form = body.get("encoding_format", "float")
    if form not in {"float", "base64"}:
        message = f"Invalid value: '{form}'. Supported values are: 'float' and 'base64'."
        raise refuse(message, "encoding_format", "invalid_value")
    return bool(form == "base64")


@lru_cache(maxsize=1_024)
def _shown(seed: int, size: int, as_base64: bool) -> str | msgspec.Raw:  # noqa: FBT001
    numbers = vector(seed, size)
    if as_base64:
        return base64.b64encode(numbers.tobytes()).decode()
    return msgspec.Raw(_encode(numbers.tolist()))
