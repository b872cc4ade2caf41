"""POST …/models/{model}:embedContent and :batchEmbedContents: unit vectors that depend on nothing but the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper_simulator import text
from tollkeeper_simulator.answer import Answer, Job
from tollkeeper_simulator.bill import Usage
from tollkeeper_simulator.gemini import catalogue, fields
from tollkeeper_simulator.gemini.errors import refuse
from tollkeeper_simulator.gemini.prompt import Prompt, read, user_text
from tollkeeper_simulator.gemini.usage import by_modality
from tollkeeper_simulator.vectors import vector

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work
    from tollkeeper_simulator.gemini.catalogue import Model

_encode = msgspec.json.Encoder().encode
_ONE = frozenset(
    {"model", "content", "taskType", "title", "outputDimensionality", "autoTruncate", "embedContentConfig"}
)
_MANY = frozenset({"requests", "model"})
_REQUESTS_MAX = 100


class Embed:
    """One of the two methods, for the model that the path names."""

    def __init__(self, model: str, version: str, *, batch: bool) -> None:
        """Answer for `model`; `batch` takes a list of requests."""
        self._model = model
        self._version = version
        self._batch = batch

    def asked_model(self, body: Json) -> str:
        """Return the model of the path."""
        del body
        return self._model

    def last_user_text(self, body: Json) -> str:
        """Return the input (the last of several), which may hold a fault marker."""
        given = body.get("requests") if self._batch else body
        last = given[-1] if isinstance(given, list) and given else given
        return user_text(last.get("content")) if isinstance(last, dict) else ""

    def answer(self, work: Work) -> Answer:
        """Answer an embedding request."""
        method = "batchEmbedContents" if self._batch else "embedContent"
        model = catalogue.find(self._model, "embedding", method, self._version)
        given = fields.camel(work.body)
        inputs = [_input(each, model) for each in (_requests(given) if self._batch else [given])]
        kinds = sum((prompt.by_modality() for prompt, _ in inputs), Prompt().by_modality())
        usage = Usage(input_tokens=kinds.total(), input_audio_tokens=kinds["AUDIO"], input_image_tokens=kinds["IMAGE"])
        vectors = [_values(prompt, size, model) for prompt, size in inputs]
        body: Json = {"embeddings": vectors} if self._batch else {"embedding": vectors[0]}
        # Only newer models say what they used.
        told = model.name != "gemini-embedding-001" and not work.plan.no_usage
        if told:
            shown = 0 if work.plan.zero_usage else usage.input_tokens
            body["usageMetadata"] = {"promptTokenCount": shown, "promptTokenDetails": by_modality(kinds)}
        encoded = _encode(body)
        job = Job(model.name, model.name, "default", usage, provider="gemini")
        cut = len(encoded) * 2 // 3 if work.plan.malformed else len(encoded)
        return Answer(200, encoded[:cut], job=job, tells_usage=told)


def _requests(given: Json) -> list[Json]:
    fields.known_only(given, _MANY)
    listed = fields.items(given.get("requests"), "requests")
    if not 1 <= len(listed) <= _REQUESTS_MAX:
        message = f"* BatchEmbedContentsRequest.requests: at most {_REQUESTS_MAX} requests can be in one batch\n"
        raise refuse(message)
    return [fields.mapping(each, f"requests[{place}]") for place, each in enumerate(listed)]


def _input(given: Json, model: Model) -> tuple[Prompt, int]:
    """Return one input and the length of its vector."""
    fields.known_only(given, _ONE)
    config = fields.mapping(given.get("embedContentConfig"), "embed_content_config")
    if given.get("content") is None:
        message = "* EmbedContentRequest.content: contents is not specified\n"
        raise refuse(message)
    content = fields.mapping(given["content"], "content")
    prompt = read({"contents": [{**content, "role": "user"}]}, model)
    prompt.tokens = prompt.tokens[1 : model.input_tokens_max + 1]  # without the role; longer ones are truncated
    name = "outputDimensionality"
    asked = fields.integer({**config, **given}, name, "embed_content_request", low=1, high=model.dimensions)
    return prompt, asked or model.dimensions


def _values(prompt: Prompt, size: int, model: Model) -> dict[str, Any]:
    seed = text.seed_of(model.name, "".join(prompt.tokens))
    return {"values": vector(seed, size).tolist()}
