"""Schemas of answers and of functions: Google's own subset of OpenAPI, and JSON Schema where the caller sends that.

Source of the names: ai.google.dev/api/caching#Schema, read 2026-11-21.
"""

from __future__ import annotations

from typing import Any

from tollkeeper_simulator.gemini import fields
from tollkeeper_simulator.gemini.errors import refuse

_NAMES = frozenset({
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default",
    "items", "minimum", "maximum",
})  # fmt: skip
_TYPES = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "TYPE_UNSPECIFIED")


def as_json_schema(schema: object, where: str) -> Any:
    """Return Google's schema as JSON Schema. Raises RefusedError for names and types that it does not have."""
    given = fields.mapping(schema, where)
    fields.known_only(given, _NAMES, where)
    out = dict(given)
    if "type" in given:
        kind = str(given["type"]).upper()
        if kind not in _TYPES:
            message = f"Invalid value at '{where}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), {given['type']!r}"
            raise refuse(message, f"{where}.type")
        out["type"] = kind.lower()
    # What an OpenAPI schema says in these has no place in a value that is made up.
    for name in ("format", "pattern", "default", "example", "nullable", "propertyOrdering"):
        out.pop(name, None)
    if "properties" in given:
        entries = fields.mapping(given["properties"], f"{where}.properties")
        out["properties"] = {
            name: as_json_schema(each, f"{where}.properties[{name}]") for name, each in entries.items()
        }
    if "items" in given:
        out["items"] = as_json_schema(given["items"], f"{where}.items")
    for name in ("minItems", "maxItems", "minLength", "maxLength"):
        if name in given:
            out[name] = fields.integer(given, name, where, low=0)
    if "anyOf" in given:
        out["anyOf"] = [as_json_schema(each, f"{where}.any_of") for each in fields.items(given["anyOf"], where)]
    return out
