"""An Anthropic message as a request of Gemini's `generateContent`."""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.anthropic_to_gemini.messages import read_messages, system_parts
from tollkeeper.gateway.wire.anthropic_to_gemini.rules import RULES
from tollkeeper.gateway.wire.gemini_target.checking import (
    JsonObject,
    as_choice,
    as_count,
    as_number,
    check_fields,
    objects,
    texts,
)
from tollkeeper.gateway.wire.gemini_target.models import (
    DYNAMIC_BUDGET,
    Effort,
    is_budgeted,
    thinking_of_budget,
    thinking_of_effort,
)
from tollkeeper.gateway.wire.gemini_target.schemas import gemini_schema
from tollkeeper.gateway.wire.gemini_target.tools import calling, declaration
from tollkeeper.gateway.wire.translation_reading import as_flag, as_object, as_text, refused

_STOPS_MAX = 5
_THINKING = ("enabled", "adaptive", "between_tools", "disabled")
_EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_MODES = {"auto": "AUTO", "any": "ANY", "tool": "ANY", "none": "NONE"}


def gemini_request(fields: JsonObject, *, model: str, output_tokens: int | None) -> JsonObject:
    """Return the body for `models/{model}:generateContent`, or its streamed sister.

    Raises:
        InvalidRequest: a field is unknown, of a wrong type or cannot be said to Gemini; `param` names it.
    """
    check_fields(fields, RULES)
    contents, instructions = read_messages(fields.get("messages"), model)
    if fields.get("system") is not None:
        instructions = system_parts(fields["system"], "system") + instructions
    body: JsonObject = {"contents": contents}
    if instructions:
        body["systemInstruction"] = {"parts": instructions}
    body |= _tools(fields)
    body["generationConfig"] = _generation_config(fields, model, output_tokens)
    tier = fields.get("service_tier")
    if tier is not None and as_choice(tier, "service_tier", ("auto", "standard_only")) == "standard_only":
        body["serviceTier"] = "standard"
    return body


def _generation_config(fields: JsonObject, model: str, output_tokens: int | None) -> JsonObject:
    limit = fields.get("max_tokens", output_tokens)
    config: JsonObject = {"maxOutputTokens": as_count(limit, "max_tokens")}
    if fields.get("temperature") is not None:
        config["temperature"] = as_number(fields["temperature"], "temperature", least=0, most=1)
    if fields.get("top_p") is not None:
        config["topP"] = as_number(fields["top_p"], "top_p", least=0, most=1)
    if fields.get("top_k") is not None:
        config["topK"] = as_count(fields["top_k"], "top_k")
    if fields.get("stop_sequences"):
        config["stopSequences"] = texts(fields["stop_sequences"], "stop_sequences", most=_STOPS_MAX)
    wanted = {} if fields.get("output_config") is None else as_object(fields["output_config"], "output_config")
    for where, found in (
        ("output_format", fields.get("output_format")),
        ("output_config.format", wanted.get("format")),
    ):
        if found is not None:
            config |= _format(found, where)
    thinking = _thinking(fields.get("thinking"), wanted.get("effort"), model)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def _format(wanted: Any, where: str) -> JsonObject:
    as_choice(as_object(wanted, where).get("type"), f"{where}.type", ("json_schema",))
    schema = gemini_schema(wanted.get("schema"), f"{where}.schema")
    return {"responseMimeType": "application/json", "responseJsonSchema": schema}


def _thinking(wanted: Any, effort: Any, model: str) -> JsonObject:
    """Return `thinkingConfig`: an effort decides how much; else the budget, or the model itself."""
    found: JsonObject = {}
    if effort is not None:
        found = thinking_of_effort(model, _EFFORTS[as_choice(effort, "output_config.effort", tuple(_EFFORTS))])
    if wanted is None:
        return found
    where = "thinking"
    kind = as_choice(as_object(wanted, where).get("type"), f"{where}.type", _THINKING)
    if kind == "disabled":
        return thinking_of_effort(model, "none")
    if kind == "enabled" and not found:
        budget = as_count(wanted.get("budget_tokens"), f"{where}.budget_tokens")
        found = thinking_of_budget(model, budget)
    elif not found and is_budgeted(model):
        found = {"thinkingBudget": DYNAMIC_BUDGET}
    display = wanted.get("display")
    if display is not None:
        as_choice(display, f"{where}.display", ("summarized", "omitted"))
    found["includeThoughts"] = display != "omitted"
    return found


def _tools(fields: JsonObject) -> JsonObject:
    listed = objects(fields["tools"], "tools") if fields.get("tools") is not None else ()
    declared = [_declaration(tool, where) for tool, where in listed]
    choice = {} if fields.get("tool_choice") is None else as_object(fields["tool_choice"], "tool_choice")
    kind = as_choice(choice.get("type"), "tool_choice.type", tuple(_MODES)) if choice else None
    if choice.get("disable_parallel_tool_use") is not None:
        as_flag(choice["disable_parallel_tool_use"], "tool_choice.disable_parallel_tool_use")
    if not declared:
        if kind in {"any", "tool"}:
            raise refused("needs 'tools'.", "tool_choice")
        return {}
    found: JsonObject = {"tools": [{"functionDeclarations": declared}]}
    if kind == "tool":
        name = as_text(choice.get("name"), "tool_choice.name")
        if all(each["name"] != name for each in declared):
            raise refused("names no tool of the request.", "tool_choice.name")
        return found | calling("ANY", [name])
    return found if kind is None else found | calling(_MODES[kind])


def _declaration(tool: JsonObject, where: str) -> JsonObject:
    if tool.get("type") not in (None, "custom"):
        raise refused("must be custom: Gemini models do not have Anthropic's own tools.", f"{where}.type")
    return declaration(
        tool, as_object(tool.get("input_schema"), f"{where}.input_schema"), where, schema_name="input_schema"
    )
