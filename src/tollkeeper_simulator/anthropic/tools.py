"""Which of the offered tools are used now: those that the caller runs, and the search that Anthropic runs.

The text of the last user message decides where `tool_choice` leaves it to the model: "use the tool" calls the first one,
"use the tools" all of them at once, "search" searches once (the fault `searches=n` n times, within `max_uses`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.anthropic import fields, prompt
from tollkeeper_simulator.anthropic.errors import refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan

_RUN_BY_ANTHROPIC = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "mcp_toolset")
_SEARCH = "web_search_"
_NAME_MAX = 128


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """The calls to make: (name, input schema) of each, and how often to search first."""

    calls: list[tuple[str, Any]]
    searches: int = 0


def read(body: Json, plan: FaultPlan, *, thinks: bool) -> ToolPlan:
    """Return what to use. Raises RefusedError for wrong tools and choices."""
    offered = [_checked(tool, place) for place, tool in enumerate(fields.items(body.get("tools") or [], "tools"))]
    names = [tool["name"] for tool in offered if "name" in tool]
    if len(set(names)) < len(names):
        message = "tools: Tool names must be unique."
        raise refuse(message)
    own = [tool for tool in offered if not str(tool.get("type", "")).startswith(_RUN_BY_ANTHROPIC)]
    choice = fields.mapping(body.get("tool_choice") or {"type": "auto"}, "tool_choice")
    kind = choice.get("type")
    if kind not in {"auto", "any", "tool", "none"}:
        raise fields.wrong_tag("tool_choice", kind, ("any", "auto", "none", "tool"))
    if kind in {"any", "tool"}:
        _check_forced(offered, thinks=thinks)
    one = fields.flag(choice, "disable_parallel_tool_use", f"tool_choice.{kind}.")
    text = prompt.user_text(body).lower()
    picked = _picked(own, choice, text)
    calls = [(tool["name"], tool.get("input_schema") or {"type": "object"}) for tool in (picked[:1] if one else picked)]
    return ToolPlan(calls, 0 if kind == "none" else _searches(offered, text, plan))


def _checked(tool: object, place: int) -> Json:
    where = f"tools.{place}"
    entry = fields.mapping(tool, where)
    if str(entry.get("type") or "custom") != "custom":
        return entry
    name = fields.text(fields.required(entry, "name", f"{where}.custom."), f"{where}.custom.name")
    if not 1 <= len(name) <= _NAME_MAX or not name.replace("_", "a").replace("-", "a").isalnum() or not name.isascii():
        message = f"{where}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        raise refuse(message)
    schema = fields.mapping(fields.required(entry, "input_schema", f"{where}.custom."), f"{where}.custom.input_schema")
    if schema.get("type") != "object":
        message = f"{where}.custom.input_schema.type: Input should be 'object'"
        raise refuse(message)
    return entry


def _check_forced(offered: list[Json], *, thinks: bool) -> None:
    if not offered:
        message = "tool_choice: `tool_choice` may only be specified while providing `tools`."
        raise refuse(message)
    if thinks:
        message = "Thinking may not be enabled when tool_choice forces tool use."
        raise refuse(message)


def _picked(own: list[Json], choice: Json, text: str) -> list[Json]:
    kind = choice["type"]
    if kind == "none" or not own:
        return []
    if kind == "tool":
        wanted = fields.text(fields.required(choice, "name", "tool_choice.tool."), "tool_choice.tool.name")
        named = [tool for tool in own if tool["name"] == wanted]
        if not named:
            message = f"Tool '{wanted}' not found in provided tools"
            raise refuse(message)
        return named
    if "use the tools" in text:
        return own
    return own[:1] if kind == "any" or "use the tool" in text else []


def _searches(offered: list[Json], text: str, plan: FaultPlan) -> int:
    search = next((tool for tool in offered if str(tool.get("type", "")).startswith(_SEARCH)), None)
    if search is None:
        return 0
    wanted = plan.searches if plan.searches is not None else int("search" in text)
    most = search.get("max_uses")
    return min(wanted, most) if isinstance(most, int) else wanted
