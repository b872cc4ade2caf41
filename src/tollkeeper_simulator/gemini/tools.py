"""Which of the offered tools are used now: functions that the caller runs, and the search that Google runs.

The text of the last user content decides in mode AUTO: "use the tool" calls the first function, "use the tools" all of them
at once, "search" grounds the answer in one search (the fault `searches=n` in n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.gemini import fields, schema
from tollkeeper_simulator.gemini.errors import refuse
from tollkeeper_simulator.gemini.prompt import user_text

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.gemini.catalogue import Model

_TOOL = frozenset({
    "functionDeclarations", "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "googleMaps",
    "fileSearch", "computerUse", "mcpServers",
})  # fmt: skip
_FUNCTION = frozenset({
    "name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior",
})  # fmt: skip
_NAME_MAX = 128


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """The calls to make: (name, JSON schema of the arguments) of each; how often to search; whether functions are offered."""

    calls: list[tuple[str, Any]]
    searches: int = 0
    has_functions: bool = False


def read(body: Json, model: Model, plan: FaultPlan) -> ToolPlan:
    """Return what to use. Raises RefusedError for wrong tools and modes."""
    offered: list[tuple[str, Any]] = []
    searches = False
    for place, each in enumerate(fields.items(body.get("tools"), "tools")):
        tool = fields.mapping(each, f"tools[{place}]")
        fields.known_only(tool, _TOOL, f"tools[{place}]")
        declared = fields.items(tool.get("functionDeclarations"), f"tools[{place}].function_declarations")
        offered += [
            _function(function, f"tools[{place}].function_declarations[{index}]")
            for index, function in enumerate(declared)
        ]
        searches = searches or "googleSearch" in tool or "googleSearchRetrieval" in tool
    if searches and offered and not model.is_newer:
        message = "Tool use with function calling is unsupported by the model."
        raise refuse(message)
    text = user_text(body.get("contents")).lower()
    wanted = plan.searches if plan.searches is not None else int("search" in text)
    if plan.zero_usage:
        wanted = 0  # nothing is billed, so nothing was searched
    return ToolPlan(_picked(body, offered, text), wanted if searches else 0, bool(offered))


def _function(function: object, where: str) -> tuple[str, Any]:
    given = fields.mapping(function, where)
    fields.known_only(given, _FUNCTION, where)
    name = fields.text(given.get("name"), f"{where}.name")
    plain = name.replace("_", "a").replace("-", "a").replace(".", "a").replace(":", "a")
    if not 1 <= len(name) <= _NAME_MAX or not plain.isalnum() or not name.isascii() or name[0].isdecimal():
        message = (
            f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an underscore. Must "
            "be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length "
            f"of {_NAME_MAX}.\n"
        )
        raise refuse(message)
    if "parametersJsonSchema" in given:
        return name, given["parametersJsonSchema"]
    parameters = given.get("parameters")
    return name, {"type": "object"} if parameters is None else schema.as_json_schema(parameters, f"{where}.parameters")


def _picked(body: Json, offered: list[tuple[str, Any]], text: str) -> list[tuple[str, Any]]:
    config = fields.mapping(
        fields.mapping(body.get("toolConfig"), "tool_config").get("functionCallingConfig"), "function_calling_config"
    )
    modes = ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")
    mode = fields.choice(config.get("mode"), modes, "tool_config.function_calling_config.mode") or "AUTO"
    allowed = fields.items(config.get("allowedFunctionNames"), "allowed_function_names")
    names = [name for name, _ in offered]
    if allowed and mode not in {"ANY", "VALIDATED"}:
        message = "`allowed_function_names` should only be set when the function calling mode is ANY or VALIDATED."
        raise refuse(message)
    for name in allowed:
        if name not in names:
            message = f"Function calling config: allowed function name {name} is not declared."
            raise refuse(message)
    if mode == "NONE" or not offered:
        return []
    left = [each for each in offered if not allowed or each[0] in allowed]
    if "use the tools" in text:
        return left
    return left[:1] if mode == "ANY" or "use the tool" in text else []
