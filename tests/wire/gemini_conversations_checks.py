"""Whether a request is one that Gemini's own client would send: by the pydantic models of `google-genai`."""

from __future__ import annotations

import json
from typing import Any

from google.genai import types

_MEMBERS: dict[str, Any] = {
    "systemInstruction": types.Content,
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "serviceTier": types.ServiceTier,
}


def check_gemini_request(body: dict[str, Any]) -> None:
    """Every member must be known by its REST name, all the way down: those models forbid what they do not know."""
    rest = dict(body)
    for content in rest.pop("contents"):
        checked = types.Content.model_validate_json(json.dumps(content))
        assert checked.parts
        assert checked.role in {"user", "model"}
    for tool in rest.pop("tools", []):
        types.Tool.model_validate_json(json.dumps(tool))
    for name, value in rest.items():
        model = _MEMBERS[name]
        if issubclass(model, str):
            assert value in {each.value for each in model}
        else:
            model.model_validate_json(json.dumps(value))
    assert not _snake_names(body)


def _snake_names(value: Any) -> list[str]:
    """Names in Python's spelling, which the models would take as well; schemas, arguments and results are the client's."""
    if isinstance(value, list):
        return [name for each in value for name in _snake_names(each)]
    if not isinstance(value, dict):
        return []
    own = {"args", "response", "parametersJsonSchema", "responseJsonSchema"}
    return [name for name in value if "_" in name] + [
        name for key, each in value.items() if key not in own for name in _snake_names(each)
    ]
