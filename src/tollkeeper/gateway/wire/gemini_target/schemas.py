"""JSON Schema as Gemini takes it: a subset of the keywords, the rest left out or said in other words.

`responseJsonSchema` and `parametersJsonSchema` take these keywords alone; `$ref` stands without siblings
(https://ai.google.dev/api/generate-content#FIELDS.response_json_schema, 2026-11). What a keyword that is left out asked
for is not enforced by the model any more: the client's own validation has the last word, as with any provider.
"""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.translation_reading import as_list, as_object, as_text

_KEPT = frozenset(
    {
        "$id", "$anchor", "type", "title", "description", "required", "minItems", "maxItems", "minimum", "maximum",
        "propertyOrdering",
    }
)  # fmt: skip
_LISTS = {"anyOf": "anyOf", "oneOf": "anyOf", "prefixItems": "prefixItems"}
_TABLES = {"properties": "properties", "$defs": "$defs", "definitions": "$defs"}
_FORMATS = frozenset({"date-time", "date", "time", "int32", "int64", "float", "double", "enum"})


def gemini_schema(schema: Any, where: str) -> JsonObject:
    """Return a schema of the client's in Gemini's subset.

    Raises:
        InvalidRequest: it is no schema.
    """
    if isinstance(schema, bool):
        return {}
    source = as_object(schema, where)
    if "$ref" in source:
        return _reference(source, where)
    found: JsonObject = {}
    for name, value in source.items():
        if name in _KEPT:
            found[name] = value
        elif name in _TABLES:
            table = as_object(value, f"{where}.{name}")
            within = {key: gemini_schema(each, f"{where}.{name}.{key}") for key, each in table.items()}
            found.setdefault(_TABLES[name], {}).update(within)
        elif name in _LISTS:
            found.setdefault(_LISTS[name], []).extend(_schemas(value, f"{where}.{name}"))
        else:
            _convert(found, name, value, where)
    if "patternProperties" in source:
        found.pop("additionalProperties", None)  # what the patterns allow would be forbidden
    if source.get("nullable") is True or ("enum" in found and None in as_list(source.get("enum", []), where)):
        _allow_null(found)
    return {name: value for name, value in found.items() if name.startswith("$")} if "$ref" in found else found


def has_parameters(schema: JsonObject) -> bool:
    """Tell whether a function with this schema takes any: an object without properties is best left out."""
    return not (
        schema.get("type", "object") == "object"
        and schema.keys() <= {"type", "properties", "additionalProperties", "required", "title"}
        and not schema.get("properties")
    )


def _convert(found: JsonObject, name: str, value: Any, where: str) -> None:
    """Say a keyword that Gemini takes in another way, or leave it out."""
    place = f"{where}.{name}"
    match name:
        case "enum":
            _add_enum(found, as_list(value, place))
        case "const":
            _add_enum(found, [value])
        case "items" if isinstance(value, list):
            found["prefixItems"] = _schemas(value, place)
        case "items":
            found["items"] = gemini_schema(value, place)
        case "additionalProperties":
            found[name] = value if isinstance(value, bool) else gemini_schema(value, place)
        case "format" if isinstance(value, str) and value in _FORMATS:
            found[name] = value
        case "allOf":
            for each in _schemas(value, place):
                _merge(found, each)
        case _:
            pass


def _add_enum(found: JsonObject, values: list[Any]) -> None:
    """Say which values there are, if they are texts or numbers: Gemini takes no others."""
    kept = [each for each in values if isinstance(each, str | int | float) and not isinstance(each, bool)]
    if kept and not any(isinstance(each, bool | list | dict) for each in values):
        found["enum"] = kept


def _reference(source: JsonObject, where: str) -> JsonObject:
    target = as_text(source["$ref"], f"{where}.$ref")
    if target.startswith("#/definitions/"):
        target = f"#/$defs/{target.removeprefix('#/definitions/')}"
    found: JsonObject = {"$ref": target}
    for name in ("$defs", "definitions"):
        if name in source:
            table = as_object(source[name], f"{where}.{name}")
            within = {key: gemini_schema(each, f"{where}.{name}.{key}") for key, each in table.items()}
            found.setdefault("$defs", {}).update(within)
    return found


def _schemas(value: Any, where: str) -> list[JsonObject]:
    return [gemini_schema(each, f"{where}[{number}]") for number, each in enumerate(as_list(value, where))]


def _merge(found: JsonObject, other: JsonObject) -> None:
    """Add what another schema asks for to this one; where both say something, tables and lists are joined."""
    for name, value in other.items():
        own = found.get(name)
        if isinstance(own, dict) and isinstance(value, dict):
            own.update(value)
        elif isinstance(own, list) and isinstance(value, list) and name != "prefixItems":
            own += [each for each in value if each not in own]
        else:
            found.setdefault(name, value)


def _allow_null(found: JsonObject) -> None:
    """Allow null beside what a schema allows; an `enum` of Gemini's cannot hold it."""
    kind = found.get("type")
    if "enum" in found:
        kinds = [each for each in (kind if isinstance(kind, list) else [kind]) if each not in (None, "null")]
        stated = {"type": kinds if len(kinds) > 1 else kinds[0]} if kinds else {}
        found.pop("type", None)
        found.setdefault("anyOf", []).append({**stated, "enum": found.pop("enum")})
    elif isinstance(kind, str) and kind != "null":
        found["type"] = [kind, "null"]
    if "anyOf" in found:
        found["anyOf"].append({"type": "null"})
