"""Makes a value that satisfies a JSON Schema: the subset that structured outputs and tool parameters use.

Objects get all their properties, arrays their smallest allowed length (at least one), strings a few words.
"""

from __future__ import annotations

from typing import Any

from tollkeeper_simulator import text

_DEPTH_MAX = 12
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "P1D",
    "email": "keeper@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "018f2f6e-7c1a-7000-8000-000000000001",
    "uri": "https://example.com/",
}


class UnsatisfiableError(ValueError):
    """The schema is not in the supported subset, or nothing small satisfies it; `str()` says where."""


def instance(schema: Any, seed: int) -> Any:
    """Return a value that `schema` accepts. Raises UnsatisfiableError."""
    return _Maker(schema, seed).make(schema, 0)


class _Maker:
    def __init__(self, root: Any, seed: int) -> None:
        self._root = root
        self._seed = seed

    def make(self, schema: Any, depth: int) -> Any:
        if schema is True or schema == {}:
            return "anything"
        if not isinstance(schema, dict) or depth > _DEPTH_MAX:
            msg = "not a schema, or nested too deeply"
            raise UnsatisfiableError(msg)
        if "$ref" in schema:
            return self.make(self._resolve(schema["$ref"]), depth + 1)
        if schema.get("allOf"):
            return self.make(_merged(schema), depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._seed % len(schema["enum"])]
        branches = schema.get("anyOf") or schema.get("oneOf")
        return self._first_that_works(branches, depth) if branches else self._typed(schema, depth)

    def _first_that_works(self, options: list[Any], depth: int) -> Any:
        # A recursive schema ends in its shallow branch, so the deeper we are the more we want the simple one.
        for option in sorted(options, key=_complexity) if depth > _DEPTH_MAX // 3 else options:
            try:
                return self.make(option, depth + 1)
            except UnsatisfiableError:
                continue
        msg = "no branch of anyOf can be satisfied"
        raise UnsatisfiableError(msg)

    def _typed(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            return self._first_that_works([{**schema, "type": each} for each in kind], depth)
        if kind == "object":
            properties = schema.get("properties") or {}
            return {name: self.make(each, depth + 1) for name, each in properties.items()}
        if kind == "array":
            return self._array(schema, depth)
        if kind in {"integer", "number"}:
            return _number(schema, self._seed)
        simple = {"boolean": self._seed % 2 == 0, "null": None, "string": ""}
        if kind not in simple:
            msg = f"unknown type {kind!r}"
            raise UnsatisfiableError(msg)
        return self._string(schema) if kind == "string" else simple[kind]

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        least = schema.get("minItems", 1 if depth <= _DEPTH_MAX // 3 else 0)
        least = min(least, schema.get("maxItems", least))
        return [self.make(schema.get("items", True), depth + 1) for _ in range(least)]

    def _string(self, schema: dict[str, Any]) -> str:
        if "format" in schema and schema["format"] in _FORMATS:
            return _FORMATS[schema["format"]]
        if "pattern" in schema:
            msg = "patterns are not supported"
            raise UnsatisfiableError(msg)
        said = "".join(text.say(self._seed, 4)).rstrip(" .")
        said = said.ljust(schema.get("minLength", 0), ".")
        return said[: schema.get("maxLength", len(said))]

    def _resolve(self, reference: Any) -> Any:
        target = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            msg = f"cannot follow {reference!r}"
            raise UnsatisfiableError(msg)
        for step in filter(None, reference[1:].split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or key not in target:
                msg = f"cannot follow {reference!r}"
                raise UnsatisfiableError(msg)
            target = target[key]
        return target


def _complexity(schema: Any) -> int:
    return len(str(schema)) if isinstance(schema, dict) and schema.get("type") != "null" else 0


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema["allOf"]:
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        merged = {**merged, **part, **({"properties": properties} if properties else {})}
    return merged


def _number(schema: dict[str, Any], seed: int) -> int | float:
    step: int | float = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    value: int | float = seed % 90 + 10
    if low is not None:
        value = -(-low // step) * step
        if value == schema.get("exclusiveMinimum"):
            value += step
    elif high is not None:
        value = high // step * step
        if value == schema.get("exclusiveMaximum"):
            value -= step
    else:
        value = value // step * step
    if high is None or value < high or value == schema.get("maximum"):
        return value
    if schema.get("type") == "number" and "multipleOf" not in schema and low is not None and low < high:
        between: float = (low + high) / 2
        return between
    msg = "no number fits"
    raise UnsatisfiableError(msg)
