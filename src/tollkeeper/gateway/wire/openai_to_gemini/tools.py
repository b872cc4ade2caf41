"""The tools of an OpenAI chat as Gemini's function declarations, and what may, must or must not be called."""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject, as_choice, objects
from tollkeeper.gateway.wire.gemini_target.tools import calling, declaration
from tollkeeper.gateway.wire.translation_reading import as_object, as_text, refused

_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def read_tools(fields: JsonObject) -> JsonObject:
    """Return `tools` and `toolConfig` as far as they are asked for.

    Raises:
        InvalidRequest: a tool is no function, or the choice names what is not there.
    """
    declared = [_declaration(tool, where) for tool, where in _listed(fields, "tools")]
    declared += [
        declaration(function, function.get("parameters"), where, schema_name="parameters")
        for function, where in _listed(fields, "functions")
    ]
    names = {each["name"] for each in declared}
    if not declared:
        choice = fields.get("tool_choice")
        if choice not in (None, "none", "auto"):
            raise refused("needs 'tools'.", "tool_choice")
        return {}
    found: JsonObject = {"tools": [{"functionDeclarations": declared}]}
    if fields.get("tool_choice") is not None:
        found |= _choice(fields["tool_choice"], names)
    elif fields.get("function_call") is not None:
        found |= _function_choice(fields["function_call"], names)
    return found


def _listed(fields: JsonObject, name: str) -> list[tuple[JsonObject, str]]:
    return list(objects(fields[name], name)) if fields.get(name) is not None else []


def _declaration(tool: JsonObject, where: str) -> JsonObject:
    as_choice(tool.get("type"), f"{where}.type", ("function",))
    function = as_object(tool.get("function"), f"{where}.function")
    return declaration(function, function.get("parameters"), f"{where}.function", schema_name="parameters")


def _choice(choice: Any, names: set[str]) -> JsonObject:
    where = "tool_choice"
    if isinstance(choice, str):
        return calling(_MODES[as_choice(choice, where, tuple(_MODES))])
    kind = as_choice(as_object(choice, where).get("type"), f"{where}.type", ("function", "allowed_tools"))
    if kind == "function":
        return calling("ANY", [_named(choice.get("function"), f"{where}.function", names)])
    allowed = as_object(choice.get("allowed_tools"), f"{where}.allowed_tools")
    mode = as_choice(allowed.get("mode"), f"{where}.allowed_tools.mode", ("auto", "required"))
    wanted = [
        _named(tool.get("function"), f"{place}.function", names)
        for tool, place in objects(allowed.get("tools"), f"{where}.allowed_tools.tools")
    ]
    return calling("ANY" if mode == "required" else "VALIDATED", wanted)


def _function_choice(choice: Any, names: set[str]) -> JsonObject:
    """Read `function_call`, the old form of `tool_choice`."""
    if isinstance(choice, str):
        return calling(_MODES[as_choice(choice, "function_call", ("none", "auto"))])
    return calling("ANY", [_named(choice, "function_call", names)])


def _named(function: Any, where: str, names: set[str]) -> str:
    name = as_text(as_object(function, where).get("name"), f"{where}.name")
    if name not in names:
        raise refused("names no tool of the request.", f"{where}.name")
    return name
