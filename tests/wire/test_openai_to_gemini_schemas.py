"""JSON Schemas of clients in the subset that Gemini takes: nothing unknown is left, nothing allowed is forbidden."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.gemini_target.schemas import gemini_schema

# ai.google.dev/api/generate-content, `responseJsonSchema`, 2026-11
TAKEN = {
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
    "minItems", "maxItems", "minimum", "maximum", "anyOf", "properties", "additionalProperties", "required",
    "propertyOrdering",
}  # fmt: skip
NAMES = st.sampled_from(["a", "b", "x1"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "2026-11-22"])
INSTANCES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner), max_leaves=5
)
KINDS = ["string", "integer", "number", "boolean", "null", "object", "array"]


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(KINDS) | st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True),
            "enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=repr),
            "const": SCALARS,
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.just("^x"), inner, max_size=1),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "minLength": st.integers(0, 2),
            "minimum": st.integers(-2, 2),
            "minItems": st.integers(0, 2),
            "format": st.sampled_from(["date", "email", "uuid"]),
            "description": st.just("x"),
        },
    )


SCHEMAS = st.recursive(st.booleans() | st.just({}), _schemas, max_leaves=6)


@settings(max_examples=1000)
@given(SCHEMAS, INSTANCES)
def test_what_a_schema_allows_is_still_allowed(schema, instance):
    converted = gemini_schema(schema, "schema")
    assert not _unknown(converted)
    if jsonschema_rs.is_valid(schema, instance):
        assert jsonschema_rs.is_valid(converted, instance)
    assert gemini_schema(converted, "schema") == converted


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$schema": "x", "type": "string", "minLength": 2, "pattern": "a"}, {"type": "string"}),
        ({"type": "string", "format": "uuid"}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"const": 5}, {"enum": [5]}),
        ({"enum": [True]}, {}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": ["string", "null"], "enum": ["a", None]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        ({"$ref": "#/definitions/A", "description": "x"}, {"$ref": "#/$defs/A"}),
        ({"allOf": [{"$ref": "#/$defs/A"}], "description": "x"}, {"$ref": "#/$defs/A"}),
        ({"definitions": {"A": {"const": "x"}}}, {"$defs": {"A": {"enum": ["x"]}}}),
        ({"oneOf": [{"type": "string"}, True]}, {"anyOf": [{"type": "string"}, {}]}),
        ({"items": [{"type": "string"}]}, {"prefixItems": [{"type": "string"}]}),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {}),
        ({"prefixItems": [{}], "allOf": [{"prefixItems": [{"type": "null"}]}]}, {"prefixItems": [{}]}),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]},
            {"properties": {"a": {}, "b": {}}, "required": ["a", "b"]},
        ),
        (
            {"type": "object", "additionalProperties": {"const": "x"}},
            {"type": "object", "additionalProperties": {"enum": ["x"]}},
        ),
    ],
)
def test_keywords_in_other_words(schema, expected):
    assert gemini_schema(schema, "schema") == expected


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (7, "s"),
        ({"properties": []}, "s.properties"),
        ({"properties": {"a": "string"}}, "s.properties.a"),
        ({"anyOf": {}}, "s.anyOf"),
        ({"items": 3}, "s.items"),
        ({"$ref": 3}, "s.$ref"),
        ({"enum": "a"}, "s.enum"),
        ({"format": []}, None),
    ],
)
def test_what_is_no_schema_is_refused_by_its_place(schema, place):
    found = None
    try:
        gemini_schema(schema, "s")
    except InvalidRequest as error:
        found = error.param
    assert found == place


def _unknown(schema: dict[str, Any]) -> set[str]:
    unknown = set(schema) - TAKEN
    for name, value in schema.items():
        if name in {"properties", "$defs"}:
            unknown |= {each for inner in value.values() for each in _unknown(inner)}
        elif name in {"anyOf", "prefixItems"}:
            unknown |= {each for inner in value for each in _unknown(inner)}
        elif name in {"items", "additionalProperties"} and isinstance(value, dict):
            unknown |= _unknown(value)
    return unknown
