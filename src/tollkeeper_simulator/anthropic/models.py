"""GET /v1/models and /v1/models/{id} in Anthropic's shape, paged by `limit`, `after_id` and `before_id`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.anthropic.catalogue import MODELS, Model, find
from tollkeeper_simulator.anthropic.errors import refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.http import Request

_LIMIT_USUAL, _LIMIT_MAX = 20, 1_000


def answer(request: Request) -> Answer:
    """Answer the list, or one model by its plain or dated name. Raises RefusedError."""
    wanted = request.path.removeprefix("/v1/models").strip("/")
    if wanted:
        return Answer(200, msgspec.json.encode(_described(find(wanted))))
    asked = dict(request.query)
    limit = asked.get("limit", str(_LIMIT_USUAL))
    if not limit.isdecimal() or not 1 <= int(limit) <= _LIMIT_MAX:
        message = f"limit: Input should be between 1 and {_LIMIT_MAX}"
        raise refuse(message)
    models = list({model.served_as: model for model in MODELS.values()}.values())
    names = [model.served_as for model in models]
    first, last = 0, len(models)
    if asked.get("after_id") in names:
        first = names.index(asked["after_id"]) + 1
    if asked.get("before_id") in names:
        last = names.index(asked["before_id"])
        first = max(0, last - int(limit))
    page = models[first:last][: int(limit)]
    body = {
        "data": [_described(model) for model in page],
        "has_more": first + len(page) < last,
        "first_id": page[0].served_as if page else None,
        "last_id": page[-1].served_as if page else None,
    }
    return Answer(200, msgspec.json.encode(body))


def _described(model: Model) -> dict[str, object]:
    year, month, day = model.created[:4], model.created[4:6], model.created[6:]
    return {
        "type": "model",
        "id": model.served_as,
        "display_name": model.display_name,
        "created_at": f"{year}-{month}-{day}T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.output_tokens_max,
    }
