"""POST /v1/moderations: nothing is ever flagged, and nothing is billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.dialect import model_in
from tollkeeper_simulator.openai import fields
from tollkeeper_simulator.openai.errors import model_not_found

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work

_KNOWN = frozenset({"input", "model"})
_MODELS = {
    "omni-moderation-latest": "omni-moderation-2024-09-26",
    "omni-moderation-2024-09-26": "omni-moderation-2024-09-26",
}
_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip


class Moderations:
    """The moderations route."""

    def asked_model(self, body: Json) -> str:
        """Return the model that is asked for."""
        return model_in(body)

    def last_user_text(self, body: Json) -> str:
        """Return the input, which may hold a fault marker."""
        given = body.get("input")
        last = given[-1] if isinstance(given, list) and given else given
        return last if isinstance(last, str) else ""

    def answer(self, work: Work) -> Answer:
        """Answer a request for moderations."""
        fields.known_only(work.body, _KNOWN)
        asked = work.body.get("model") or "omni-moderation-latest"
        if asked not in _MODELS:
            raise model_not_found(asked)
        given = work.body.get("input")
        if not isinstance(given, str | list):
            raise fields.wrong_type("input", "a string or an array", given)
        are_texts = isinstance(given, list) and all(isinstance(each, str) for each in given)
        result = {
            "flagged": False,
            "categories": dict.fromkeys(_CATEGORIES, False),
            "category_scores": dict.fromkeys(_CATEGORIES, 0.0),
            "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
        }
        results = [result] * (len(given) if are_texts else 1)
        body = {"id": clock.object_id("modr-"), "model": _MODELS[asked], "results": results}
        return Answer(200, msgspec.json.encode(body))
