"""What differs between Gemini's models: how thinking is asked for, which parts they take. By the model's name alone.

https://ai.google.dev/gemini-api/docs/generate-content/thinking and .../openai#thinking (2026-11): models up to 2.5 take a
budget of tokens, later ones a level; which effort is which budget is Google's own table for OpenAI clients.
"""

from __future__ import annotations

import re
from typing import Literal

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject

Effort = Literal["none", "minimal", "low", "medium", "high"]

_GENERATION = re.compile(r"gemini-(\d+)")
_BUDGETS: dict[Effort, int] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
_LOW_BUDGET_BELOW, _MEDIUM_BUDGET_BELOW = 4096, 16_384
DYNAMIC_BUDGET = -1  # the model decides


def is_budgeted(model: str) -> bool:
    """Tell whether thinking is asked for by a budget: Gemini 2.5 and before; names without a number are the newest.

    Gemma, which does not think and signs nothing, counts as one of the old.
    """
    found = _GENERATION.search(model)
    return "gemma" in model if found is None else int(found[1]) < 3


def takes_media_in_results(model: str) -> bool:
    """Tell whether a function's response may hold images: since Gemini 3 (.../docs/function-calling, 2026-11)."""
    return not is_budgeted(model)


def thinking_of_effort(model: str, effort: Effort) -> JsonObject:
    """Return the part of `thinkingConfig` that asks for an effort; what cannot be turned off is set to its least."""
    if is_budgeted(model):
        return {"thinkingBudget": _within(model, _BUDGETS[effort])}
    if effort in {"none", "minimal"}:
        return {"thinkingLevel": "LOW" if "pro" in model else "MINIMAL"}
    return {"thinkingLevel": effort.upper()}


def thinking_of_budget(model: str, budget_tokens: int) -> JsonObject:
    """Return the part of `thinkingConfig` that allows about so many tokens."""
    if is_budgeted(model):
        return {"thinkingBudget": _within(model, budget_tokens)}
    if budget_tokens < _LOW_BUDGET_BELOW:
        return {"thinkingLevel": "LOW"}
    return {"thinkingLevel": "MEDIUM" if budget_tokens < _MEDIUM_BUDGET_BELOW else "HIGH"}


def _within(model: str, budget_tokens: int) -> int:
    """Bring a budget into the model's range: 2.5 Pro 128-32,768, Flash-Lite 512-24,576, Flash 0-24,576; 0 is off."""
    if "pro" in model:
        return min(max(budget_tokens, 128), 32_768)
    if budget_tokens == 0:
        return 0
    return min(max(budget_tokens, 512 if "lite" in model else 1), 24_576)
