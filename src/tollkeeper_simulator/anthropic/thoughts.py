"""How much a model thinks before it answers, from `thinking` and `output_config.effort`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollkeeper_simulator.anthropic import fields
from tollkeeper_simulator.anthropic.errors import refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.anthropic.catalogue import Model
    from tollkeeper_simulator.dialect import Json

_EFFORT_TOKENS = {"low": 64, "medium": 192, "high": 448, "xhigh": 960, "max": 1_920}
_USUAL_TOKENS = 192
_BUDGET_MIN = 1_024


def read(body: Json, model: Model, output_tokens_max: int) -> tuple[int, bool]:
    """Return how many tokens the model thinks, and whether their text is shown. Raises RefusedError."""
    config = fields.mapping(body.get("output_config") or {}, "output_config")
    effort = fields.choice(config, "effort", tuple(_EFFORT_TOKENS), "output_config.")
    asked = body.get("thinking")
    if asked is None:
        return 0, False
    given = fields.mapping(asked, "thinking")
    kind = given.get("type")
    if kind not in {"enabled", "disabled", "adaptive"}:
        raise fields.wrong_tag("thinking", kind, ("adaptive", "disabled", "enabled"))
    shown = fields.choice(given, "display", ("summarized", "omitted"), f"thinking.{kind}.") != "omitted"
    if kind == "disabled":
        return 0, False
    if kind == "adaptive":
        if not model.adapts:
            message = "adaptive thinking is not supported on this model"
            raise refuse(message)
        return _EFFORT_TOKENS.get(effort or "", _USUAL_TOKENS), shown
    fields.required(given, "budget_tokens", "thinking.enabled.")
    budget = fields.integer(given, "budget_tokens", _BUDGET_MIN, "thinking.enabled.")
    assert budget is not None, "budget_tokens is there"
    if budget >= output_tokens_max:
        message = "`max_tokens` must be greater than `thinking.budget_tokens`."
        raise refuse(message)
    _check_history(body)
    return min(budget, _EFFORT_TOKENS.get(effort or "", _USUAL_TOKENS)), shown


def _check_history(body: Json) -> None:
    """Refuse a turn that goes on after tool results without the thoughts that led to the calls."""
    messages = body.get("messages")
    if not isinstance(messages, list) or len(messages) < 2:
        return
    last, before = messages[-1], messages[-2]
    kinds = [[part.get("type") for part in _parts(message)] for message in (before, last)]
    if "tool_result" in kinds[1] and "tool_use" in kinds[0] and kinds[0][0] not in {"thinking", "redacted_thinking"}:
        message = (
            f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{kinds[0][0]}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block "
            "(preceding the lastmost set of `tool_use` and `tool_result` blocks)."
        )
        raise refuse(message)


def _parts(message: object) -> list[Json]:
    content = message.get("content") if isinstance(message, dict) else None
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
