"""GET …/models and …/models/{id} in Google's shape, paged by `pageSize` and `pageToken`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.gemini.catalogue import MODELS, Model
from tollkeeper_simulator.gemini.errors import model_not_found, refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.http import Request

_PAGE_USUAL, _PAGE_MAX = 50, 1_000
_METHODS = {
    "chat": ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"],
    "embedding": ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"],
}


def answer(request: Request, wanted: str, version: str) -> Answer:
    """Answer the list, or one model. Raises RefusedError."""
    if wanted:
        if wanted not in MODELS:
            raise model_not_found(wanted, "GetModel", version)
        return Answer(200, msgspec.json.encode(_described(MODELS[wanted])))
    asked = dict(request.query)
    size, start = asked.get("pageSize", str(_PAGE_USUAL)), asked.get("pageToken", "0")
    if not size.isdecimal() or not start.isdecimal():
        message = "Invalid page size or page token."
        raise refuse(message, "page_size")
    first, count = int(start), min(int(size) or _PAGE_USUAL, _PAGE_MAX)
    models = list(MODELS.values())
    body: dict[str, object] = {"models": [_described(model) for model in models[first : first + count]]}
    if first + count < len(models):
        body["nextPageToken"] = str(first + count)
    return Answer(200, msgspec.json.encode(body))


def _described(model: Model) -> dict[str, object]:
    return {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": model.display_name,
        "description": f"The simulated {model.display_name}",
        "inputTokenLimit": model.input_tokens_max,
        "outputTokenLimit": model.output_tokens_max,
        "supportedGenerationMethods": _METHODS[model.kind],
        "thinking": model.kind == "chat",
    }
