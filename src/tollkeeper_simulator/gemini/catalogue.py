"""Which Gemini models the simulator has: limits, generation, how they think, from how many tokens on prompts are cached.

Sources: ai.google.dev/gemini-api/docs/{models,thinking,caching}, as far as known by 2026-11-21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tollkeeper_simulator.gemini.errors import model_not_found
from tollkeeper_simulator.prices import MODELS_OF, PRICES

if TYPE_CHECKING:
    from tollkeeper_simulator.prices import Tier

Kind = Literal["chat", "embedding"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model. Limits are tokens; `thinking_budgets` are the budgets that can be set, None where only levels can."""

    name: str
    kind: Kind
    input_tokens_max: int
    output_tokens_max: int
    cached_tokens_min: int
    thinking_budgets: tuple[int, int] | None
    thinking_usual: int
    dimensions: int = 0

    @property
    def is_newer(self) -> bool:
        """Whether it is of generation 3 or later: calls have ids, signatures must come back, grounding costs by query."""
        return not self.name.startswith("gemini-2")

    @property
    def display_name(self) -> str:
        """As a person writes it: Gemini 3.8 Flash."""
        return " ".join(part.capitalize() for part in self.name.split("-"))

    def sells(self, tier: Tier) -> bool:
        """Whether it can be had at this tier."""
        return tier in PRICES[self.name]


_BUDGETS = {"gemini-2.5-pro": (128, 32_768), "gemini-2.5-flash": (0, 24_576), "gemini-2.5-flash-lite": (0, 24_576)}
_THINKS_LITTLE = frozenset({"gemini-2.5-flash-lite", "gemini-3.1-flash-lite", "gemini-3.5-flash-lite"})
_THINKING_USUAL = 192
_EMBEDDING_INPUT = {"gemini-embedding-001": 2_048, "gemini-embedding-2": 8_192}
_DIMENSIONS = 3_072


def _model(name: str) -> Model:
    if name in _EMBEDDING_INPUT:
        return Model(name, "embedding", _EMBEDDING_INPUT[name], 1, 0, None, 0, _DIMENSIONS)
    old = name.startswith("gemini-2")
    usual = 0 if name in _THINKS_LITTLE else _THINKING_USUAL
    return Model(name, "chat", 1_048_576, 65_536, 2_048 if old else 4_096, _BUDGETS.get(name), usual)


MODELS: dict[str, Model] = {name: _model(name) for name in MODELS_OF["gemini"]}
"""Name on the price list -> model."""


def find(name: str, kind: Kind, method: str, version: str) -> Model:
    """Return the model of this name for this method. Raises RefusedError (404)."""
    model = MODELS.get(name.removeprefix("models/"))
    if model is None or model.kind != kind:
        raise model_not_found(name, method, version)
    return model
