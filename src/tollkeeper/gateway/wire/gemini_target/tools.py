"""Function declarations of a request to Gemini, and how they may be called."""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.gemini_target.schemas import gemini_schema, has_parameters
from tollkeeper.gateway.wire.translation_reading import as_text


def declaration(tool: JsonObject, schema: Any, where: str, *, schema_name: str) -> JsonObject:
    """Return the declaration of a function; `schema_name` is what the client calls the schema of its parameters.

    Raises:
        InvalidRequest: it has no name, or its schema is none.
    """
    found: JsonObject = {"name": as_text(tool.get("name"), f"{where}.name")}
    if tool.get("description") is not None:
        found["description"] = as_text(tool["description"], f"{where}.description")
    if schema is not None:
        parameters = gemini_schema(schema, f"{where}.{schema_name}")
        if has_parameters(parameters):
            found["parametersJsonSchema"] = parameters
    return found


def calling(mode: str, names: list[str] | None = None) -> JsonObject:
    """Return `toolConfig`. Modes: AUTO, ANY (some call must come), NONE, VALIDATED (a call or a text, within names).

    https://ai.google.dev/api/caching#FunctionCallingConfig (2026-11)
    """
    config: JsonObject = {"mode": mode}
    if names:
        config["allowedFunctionNames"] = names
    return {"toolConfig": {"functionCallingConfig": config}}
