"""Requests made of the OpenAPI document alone: the least that each route takes, with ids where the names of fields say so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """One operation of the document. `permission` is "" for those that anybody may call."""

    method: str
    path: str
    permission: str
    operation: Schema

    @property
    def path_parameters(self) -> list[str]:
        return _PATH_PARAMETER.findall(self.path)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Example:
    """A request that its route understands."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


def routes_of(document: Schema) -> Iterator[Route]:
    """Yield every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield Route(method.upper(), path, operation.get("x-permission", ""), operation)


def example_of(route: Route, document: Schema, ids: Mapping[str, str]) -> Example:
    """Return the least request; `ids` decide what fields and parameters of these names hold.

    Raises:
        AssertionError: the document does not say what a required field takes.
    """
    parameters = [each for each in route.operation.get("parameters", []) if each["required"]]
    query = {
        each["name"]: _text(_value(each["name"], each["schema"], document, ids))
        for each in parameters
        if each["in"] == "query"
    }
    path = _PATH_PARAMETER.sub(lambda found: ids[found[1]], route.path)
    content = route.operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = None if content is None else _value("", content["schema"], document, ids)
    return Example(route.method, path, query, body)


def id_fields(route: Route, document: Schema, ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield where a route takes ids besides its path: ("query" or "body", the field's name), optional ones too."""
    for each in route.operation.get("parameters", []):
        if each["in"] == "query" and id_name(each["name"], ids):
            yield "query", each["name"]
    content = route.operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None:
        for name in _resolved(content["schema"], document).get("properties", {}):
            if id_name(name, ids):
                yield "body", name


def id_name(name: str, ids: Mapping[str, str]) -> str:
    """Return the name under which `ids` knows what a field takes: `further_project_ids` takes a project's id."""
    bare = name.removeprefix("further_")
    bare = bare.removesuffix("s") if bare.endswith("_ids") else bare
    return bare if bare in ids else ""


def _value(name: str, schema: Schema, document: Schema, ids: Mapping[str, str]) -> Any:
    schema = _resolved(schema, document)
    known = id_name(name, ids)
    if schema.get("type") == "array":
        return [_value(name, schema["items"], document, ids)] if schema.get("minItems") or known else []
    if known:
        return ids[known]
    if "const" in schema:
        return schema["const"]
    for stated in ("examples", "enum"):
        if schema.get(stated):
            return schema[stated][0]
    return _made(name, schema, document, ids)


def _made(name: str, schema: Schema, document: Schema, ids: Mapping[str, str]) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            required = [*schema.get("required", []), *schema.get("oneOf", [{}])[0].get("required", [])]
            return {each: _value(each, properties[each], document, ids) for each in required}
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            assert "pattern" not in schema, f"the document gives no example of '{name}', which has a pattern"
            assert schema.get("format") in {None, "password"}, f"the document gives no example of '{name}'"
            return f"an example of {name}"[: schema.get("maxLength", 100)].ljust(schema.get("minLength", 1), "x")
        case other:
            raise AssertionError(f"the document does not say what '{name}' takes: {other}")


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        found = next(each for each in schema["anyOf"] if each.get("type") != "null")
        return _resolved(found, document)
    return schema


def _text(value: Any) -> str:
    return value[0] if isinstance(value, list) else str(value)
