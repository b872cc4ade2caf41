"""How much an OpenAI-dialect model is to reason, for a client that speaks of Anthropic's thinking. Pure.

What models take, by their names: developers.openai.com/api/docs/guides/reasoning, docs.x.ai/docs/guides/reasoning,
api-docs.deepseek.com/guides/thinking_mode (2026-11).
"""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.translation_reading import as_count, as_object, as_text, refused, text_in

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS = ((4096, "low"), (16384, "medium"))
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_O_SERIES = re.compile(r"(?:^|/)o\d")


class Reasoner(msgspec.Struct, frozen=True):
    """`efforts` that a model takes, in rising order; empty when none can be set. `samples`: temperature can be set."""

    efforts: tuple[str, ...] = ()
    samples: bool = True

    def nearest(self, wanted: str) -> str | None:
        """Return the effort that the model knows and that is nearest to the wanted one, rather less than more."""
        if not self.efforts:
            return None
        level = _EFFORTS.index(wanted)
        return next((each for each in reversed(self.efforts) if _EFFORTS.index(each) <= level), self.efforts[0])


@functools.lru_cache(maxsize=256)
def reasoner(model: str) -> Reasoner:
    """Return how a model's reasoning can be set. Of a model that is not known, it cannot."""
    name = model.lower()
    if _O_SERIES.search(name) or "gpt-oss" in name:
        return Reasoner(_EFFORTS[2:5], samples="gpt-oss" in name)
    found = _GPT.search(name)
    if found is None or "-chat" in name:
        return Reasoner()
    version = int(found[1]), int(found[2] or 0)
    if version < (5, 0):
        return Reasoner()
    if version < (5, 1):
        return Reasoner(_EFFORTS[1:5], samples=False)
    least = ("none", "low", "medium", "high")
    if version < (5, 2):
        return Reasoner(least, samples=False)
    return Reasoner((*least, "xhigh") if version < (5, 6) else (*least, "xhigh", "max"), samples=False)


def put_reasoning(body: dict[str, Any], said: dict[str, Any], *, kind: ProviderKind) -> None:
    """Put the call's wish for thinking into the body, in the provider's way, where there is one.

    Raises:
        InvalidRequest: `thinking` or `output_config.effort` is of a wrong type or kind.
    """
    effort = _effort(said)
    if kind == "deepseek":
        thinking = said.get("thinking")
        if thinking is not None:
            body["thinking"] = {"type": "disabled" if thinking["type"] in {"disabled", "between_tools"} else "enabled"}
        return
    if effort is not None and (nearest := reasoner(body["model"]).nearest(effort)) is not None:
        body["reasoning_effort"] = nearest


def _effort(said: dict[str, Any]) -> str | None:
    """Return the effort that is asked for; None leaves it to the model."""
    wanted = None
    config = said.get("output_config")
    if config is not None and (stated := as_object(config, "output_config").get("effort")) is not None:
        wanted = as_text(stated, "output_config.effort")
        if wanted not in _EFFORTS[2:]:
            raise refused(f"must be one of {', '.join(_EFFORTS[2:])}.", "output_config.effort")
    if "thinking" not in said:
        return wanted
    thinking = as_object(said["thinking"], "thinking")
    match text_in(thinking, "type", "thinking"):
        case "disabled" | "between_tools":
            return "none"
        case "adaptive":
            return wanted
        case "enabled":
            budget = as_count(thinking.get("budget_tokens"), "thinking.budget_tokens")
            return wanted or next((effort for bound, effort in _BUDGETS if budget < bound), "high")
        case other:
            raise refused(f"is '{other}'; it must be enabled, adaptive or disabled.", "thinking.type")
