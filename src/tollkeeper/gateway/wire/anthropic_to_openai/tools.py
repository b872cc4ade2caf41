"""The tools of an Anthropic request as OpenAI has them, which must be used, and the form of the answer. Pure.

Shapes: `anthropic` 2.12, types/{tool,tool_choice,output_config}_param.py (2026-11); what a strict schema must be:
developers.openai.com/api/docs/guides/structured-outputs.
"""

from __future__ import annotations

from typing import Any

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.translation_reading import as_flag, as_list, as_object, as_text, encoded, refused, text_in

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SCHEMA_NAME = "answer"  # OpenAI wants one; nobody sees it


def put_tools(body: dict[str, Any], said: dict[str, Any], *, kind: ProviderKind) -> None:
    """Put `tools`, `tool_choice` and `parallel_tool_calls` into the body, as far as the call has them.

    Raises:
        InvalidRequest: a tool is one that Anthropic runs, or of a wrong type.
    """
    tools = as_list(said["tools"], "tools") if "tools" in said else []
    body_tools = [_tool(as_object(each, f"tools[{i}]"), f"tools[{i}]", kind) for i, each in enumerate(tools)]
    choice = as_object(said["tool_choice"], "tool_choice") if "tool_choice" in said else None
    named = _choice(choice) if choice is not None else None
    if not body_tools:  # OpenAI takes no choice where there is none
        return
    body["tools"] = body_tools
    if choice is None:
        return
    body["tool_choice"] = named
    single = choice.get("disable_parallel_tool_use")
    if single is not None and as_flag(single, "tool_choice.disable_parallel_tool_use"):
        body["parallel_tool_calls"] = False


def put_format(body: dict[str, Any], said: dict[str, Any], *, kind: ProviderKind) -> None:
    """Put the schema of the answer into the body: as `response_format`, or in words where a provider takes no schema.

    Raises:
        InvalidRequest: the format is none that Anthropic has, or its schema is no object.
    """
    at, form = "output_format", said.get("output_format")
    if form is None and "output_config" in said:
        at, form = "output_config.format", as_object(said["output_config"], "output_config").get("format")
    if form is None:
        return
    form = as_object(form, at)
    if (given := text_in(form, "type", at)) != "json_schema":
        raise refused(f"is '{given}'; it must be json_schema.", f"{at}.type")
    schema = as_object(form.get("schema"), f"{at}.schema")
    if kind == "deepseek":
        body["response_format"] = {"type": "json_object"}
        text = "Answer with one JSON object of this JSON schema and nothing else: " + encoded(schema, f"{at}.schema")
        body["messages"].insert(0, {"role": "system", "content": text})
        return
    described = {"name": _SCHEMA_NAME, "schema": schema, "strict": is_strict(schema)}
    body["response_format"] = {"type": "json_schema", "json_schema": described}


def is_strict(schema: Any) -> bool:
    """Tell whether OpenAI takes a schema as a strict one: each object is closed, and has all of its members always."""
    if isinstance(schema, list):
        return all(is_strict(each) for each in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            return False
        if schema.get("additionalProperties") is not False or any(name not in required for name in properties):
            return False
    return all(is_strict(value) for name, value in schema.items() if name not in {"enum", "const", "default"})


def _tool(tool: dict[str, Any], at: str, kind: ProviderKind) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise refused("is one of Anthropic's own tools; only tools that the client runs are taken.", f"{at}.type")
    function: dict[str, Any] = {"name": text_in(tool, "name", at)}
    if tool.get("description") is not None:
        function["description"] = as_text(tool["description"], f"{at}.description")
    function["parameters"] = as_object(tool.get("input_schema"), f"{at}.input_schema")
    if tool.get("strict") is not None and as_flag(tool["strict"], f"{at}.strict") and kind != "deepseek":
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: dict[str, Any]) -> str | dict[str, Any]:
    chosen = text_in(choice, "type", "tool_choice")
    if chosen in _CHOICES:
        return _CHOICES[chosen]
    if chosen == "tool":
        return {"type": "function", "function": {"name": text_in(choice, "name", "tool_choice")}}
    raise refused(f"is '{chosen}'; it must be auto, any, tool or none.", "tool_choice.type")
