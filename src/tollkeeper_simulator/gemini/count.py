"""POST …/models/{model}:countTokens, which is free."""

from __future__ import annotations

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.gemini import catalogue, fields
from tollkeeper_simulator.gemini.errors import error
from tollkeeper_simulator.gemini.prompt import read
from tollkeeper_simulator.gemini.usage import by_modality

_KNOWN = frozenset({"contents", "generateContentRequest", "systemInstruction", "tools", "model", "generationConfig"})


def answer(model: str, body: bytes, version: str) -> Answer:
    """Answer how many tokens contents, or a whole request, are. Raises RefusedError."""
    found = catalogue.MODELS.get(model) or catalogue.find(model, "chat", "countTokens", version)
    try:
        given = msgspec.json.decode(body)
    except msgspec.DecodeError as wrong:
        return error(400, f"Invalid JSON payload received. {wrong}")
    asked = fields.camel(fields.mapping(given, "count_tokens_request"))
    fields.known_only(asked, _KNOWN)
    whole = fields.mapping(asked.get("generateContentRequest"), "generate_content_request")
    kinds = read(whole or asked, found).by_modality()
    return Answer(200, msgspec.json.encode({"totalTokens": kinds.total(), "promptTokensDetails": by_modality(kinds)}))
