"""The tools of an OpenAI request as Anthropic has them, and which of them must be used. Pure.

Shapes: `openai` 3.51, types/chat/chat_completion_tool_choice_option_param.py; platform.claude.com/docs/en/
agents-and-tools/tool-use/{define-tools,strict-tool-use} (2026-11).
"""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.openai_to_anthropic.parts import list_of, mark_cache
from tollkeeper.gateway.wire.translation_reading import (
    as_flag,
    as_list,
    as_object,
    as_text,
    missing,
    refused,
    text_in,
    wrong_type,
)

_SIMPLE = {"auto": "auto", "none": "none", "required": "any"}


def put_tools(body: dict[str, Any], fields: dict[str, Any], *, is_strict: bool) -> None:
    """Put `tools` and `tool_choice` into the body, as far as the call has them.

    Raises:
        InvalidRequest: a tool is none that the client runs, or the choice names one that is not there.
    """
    tools = [
        _tool(each, f"tools[{i}]", is_strict=is_strict) for i, each in enumerate(list_of(fields.get("tools"), "tools"))
    ]
    choice = _choice(fields.get("tool_choice"))
    if choice is not None and "allowed" in choice:
        allowed = choice.pop("allowed")
        tools = [tool for tool in tools if tool["name"] in allowed]
    parallel = fields.get("parallel_tool_calls")
    is_single = parallel is not None and not as_flag(parallel, "parallel_tool_calls")
    if not tools:
        if choice is not None and choice["type"] in {"any", "tool"}:
            raise refused("asks for a tool, but there is none in 'tools'.", "tool_choice")
        return
    body["tools"] = tools
    if is_single and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: Any, at: str, *, is_strict: bool) -> dict[str, Any]:
    tool = as_object(tool, at)
    if (kind := text_in(tool, "type", at)) != "function":
        raise refused(f"is '{kind}'; only functions are taken.", f"{at}.type")
    at = f"{at}.function"
    function = as_object(tool.get("function"), at)
    found: dict[str, Any] = {"name": text_in(function, "name", at)}
    if function.get("description") is not None:
        found["description"] = as_text(function["description"], f"{at}.description")
    schema = function.get("parameters")
    schema = {} if schema is None else as_object(schema, f"{at}.parameters")
    found["input_schema"] = schema if schema.get("type") == "object" else {"type": "object", "properties": {}, **schema}
    if found["input_schema"].get("type") != "object":
        raise refused("must be a schema of an object.", f"{at}.parameters")
    if function.get("strict") is not None and as_flag(function["strict"], f"{at}.strict") and is_strict:
        found["strict"] = True
    return mark_cache(found, {**tool, **function}, at)


def _choice(choice: Any) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _SIMPLE:
            raise refused("must be auto, none, required, or an object.", "tool_choice")
        return {"type": _SIMPLE[choice]}
    if not isinstance(choice, dict):
        raise wrong_type(choice, "tool_choice", "a text or an object")
    match text_in(choice, "type", "tool_choice"):
        case "function":
            return {"type": "tool", "name": _function_name(choice, "tool_choice")}
        case "allowed_tools":
            return _allowed(as_object(choice.get("allowed_tools"), "tool_choice.allowed_tools"))
        case other:
            raise refused(f"is '{other}'; it must be 'function' or 'allowed_tools'.", "tool_choice.type")


def _allowed(allowed: dict[str, Any]) -> dict[str, Any]:
    at = "tool_choice.allowed_tools"
    mode = text_in(allowed, "mode", at)
    if mode not in {"auto", "required"}:
        raise refused("must be auto or required.", f"{at}.mode")
    if "tools" not in allowed:
        raise missing(f"{at}.tools")
    tools = as_list(allowed["tools"], f"{at}.tools")
    names = {_function_name(as_object(each, f"{at}.tools[{i}]"), f"{at}.tools[{i}]") for i, each in enumerate(tools)}
    return {"type": _SIMPLE[mode], "allowed": names}


def _function_name(holder: dict[str, Any], at: str) -> str:
    return text_in(as_object(holder.get("function"), f"{at}.function"), "name", f"{at}.function")
