"""Which Anthropic models the simulator has: limits, dated name, and from how many tokens on a prompt is cached.

Sources: platform.claude.com/docs/en/about-claude/models and build-with-claude/prompt-caching, as far as known by 2026-11-21; for
Fable 5.2 and Mythos 5.2 the minimum of their predecessors is assumed. The models' release dates are only shown in the list of models.
"""

from __future__ import annotations

from dataclasses import dataclass

from tollkeeper_simulator.anthropic.errors import model_not_found
from tollkeeper_simulator.prices import MODELS_OF, PRICES


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `served_as` is the name that its answers carry; limits are tokens, `created` is a date."""

    name: str
    served_as: str
    context_tokens: int
    output_tokens_max: int
    cached_tokens_min: int
    created: str

    @property
    def adapts(self) -> bool:
        """Whether it decides itself how much it thinks (`"thinking": {"type": "adaptive"}`)."""
        return self.name not in _FIXED_THINKING

    @property
    def sells_fast(self) -> bool:
        """Whether it has a fast mode."""
        return "fast" in PRICES[self.name]

    @property
    def display_name(self) -> str:
        """As a person writes it: Claude Opus 5.5."""
        _, line, *numbers = self.name.split("-")
        return f"Claude {line.capitalize()} {'.'.join(numbers)}"


_FIXED_THINKING = frozenset({"claude-opus-4-1", "claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"})
_DATES = {
    "claude-opus-4-1": "20250805", "claude-opus-4-5": "20251101", "claude-sonnet-4-5": "20250929",
    "claude-haiku-4-5": "20251001",
}  # fmt: skip
_CACHED_MIN = {
    "claude-opus-4-8": 1_024, "claude-opus-4-1": 1_024, "claude-sonnet-4-5": 1_024, "claude-sonnet-4-6": 1_024,
    "claude-sonnet-5": 1_024, "claude-opus-4-7": 2_048, "claude-opus-4-5": 4_096, "claude-opus-4-6": 4_096,
    "claude-haiku-4-5": 4_096,
}  # fmt: skip
_CACHED_MIN_USUAL = 512
_SMALL = frozenset({"claude-opus-4-1", "claude-opus-4-5", "claude-haiku-4-5"})
_CREATED_USUAL = "20260601"


def _model(name: str) -> Model:
    date = _DATES.get(name)
    return Model(
        name=name,
        served_as=name if date is None else f"{name}-{date}",
        context_tokens=200_000 if name in _SMALL else 1_000_000,
        output_tokens_max=32_000 if name == "claude-opus-4-1" else 64_000 if date else 128_000,
        cached_tokens_min=_CACHED_MIN.get(name, _CACHED_MIN_USUAL),
        created=date or _CREATED_USUAL,
    )


MODELS: dict[str, Model] = {name: _model(name) for name in MODELS_OF["anthropic"]}
"""Name on the price list -> model."""

_BY_ANY_NAME: dict[str, Model] = {**MODELS, **{model.served_as: model for model in MODELS.values()}}


def find(name: str) -> Model:
    """Return the model with this plain or dated name. Raises RefusedError (404)."""
    model = _BY_ANY_NAME.get(name)
    if model is None:
        raise model_not_found(name)
    return model
