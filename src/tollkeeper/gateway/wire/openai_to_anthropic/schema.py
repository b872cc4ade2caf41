"""JSON schemas for Anthropic's structured outputs: the part of JSON Schema that they take; the rest is said in words. Pure.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs (2026-11): every object is closed, bounds of
numbers, lengths and patterns are not taken. Anthropic's own clients move those into the description, as is done here.
"""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.translation_reading import as_list, as_object, encoded

_TAKEN = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "title", "default"}
)  # fmt: skip
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_OF_MANY = ("properties", "$defs", "definitions")


def taken_schema(schema: Any, at: str) -> dict[str, Any]:
    """Return a schema as Anthropic takes it.

    Raises:
        InvalidRequest: it, or what stands where a schema must stand, is no object.
    """
    schema = as_object(schema, at)
    taken: dict[str, Any] = {}
    said: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _OF_MANY:
            members = as_object(value, f"{at}.{name}")
            taken[name] = {each: _inner(inner, f"{at}.{name}.{each}") for each, inner in members.items()}
        elif name in {"anyOf", "oneOf", "allOf"}:
            options = [_inner(inner, f"{at}.{name}[{i}]") for i, inner in enumerate(as_list(value, f"{at}.{name}"))]
            key = "allOf" if name == "allOf" else "anyOf"
            taken[key] = [*taken.get(key, ()), *options]
        elif name == "items":
            taken[name] = _inner(value, f"{at}.items")
        elif name in _TAKEN or _is_taken(name, value):
            taken[name] = value
        elif name not in {"description", "additionalProperties", "$schema", "$id", "$comment", "strict"}:
            said[name] = value
    if schema.get("type") == "object" or "properties" in schema:
        taken["additionalProperties"] = False
    described = schema.get("description")
    if said:
        described = f"{described or ''}\n\n{encoded(said, at)}".strip()
    if isinstance(described, str) and described:
        taken["description"] = described
    return taken


def _inner(schema: Any, at: str) -> Any:
    return schema if isinstance(schema, bool) else taken_schema(schema, at)


def _is_taken(name: str, value: Any) -> bool:
    if name == "format":
        return isinstance(value, str) and value in _FORMATS
    return name == "minItems" and value in (0, 1)
