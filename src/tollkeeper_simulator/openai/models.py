"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.openai.catalogue import MODELS, OTHERS, family_of, find, served_name

_CREATED = 1_715_367_049


def _described(name: str) -> dict[str, object]:
    family = family_of(name)
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "system" if family == "openai" else family}


def answer(path: str) -> Answer:
    """Answer the list, or one model by its plain or dated name. Raises RefusedError (404)."""
    wanted = path.removeprefix("/v1/models").strip("/")
    if wanted:
        find(wanted)
        return Answer(200, msgspec.json.encode(_described(wanted)))
    models = [*MODELS.values(), *OTHERS.values()]
    names = dict.fromkeys(name for model in models for name in (model.name, served_name(model.name, model)))
    return Answer(200, msgspec.json.encode({"object": "list", "data": [_described(name) for name in names]}))
