"""Which models of this dialect the simulator has: OpenAI's, DeepSeek's, xAI's; kind, limits and dated name.

Limits and dates: developers.openai.com/api/docs/models, as far as known by 2026-11-21; nothing but refusals of over-long
requests hangs on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tollkeeper_simulator.openai.errors import model_not_found
from tollkeeper_simulator.prices import MODELS_OF, PRICES, Provider

Kind = Literal["chat", "completion", "embedding"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `served_as` is the dated name that its answers carry; the two limits are tokens."""

    name: str
    kind: Kind
    served_as: str
    context_tokens: int
    output_tokens_max: int
    dimensions: int = 0
    family: Provider = "openai"

    @property
    def reasons(self) -> bool:
        """Whether it thinks before it answers."""
        if self.family != "openai":
            return True
        return self.kind == "chat" and self.name.startswith(("o1", "o3", "o4", "gpt-5", "gpt-6"))

    @property
    def shows_reasoning(self) -> bool:
        """Whether its thoughts stand in the answer, as `reasoning_content`."""
        return self.family == "deepseek" or self.name == "grok-3-mini"

    @property
    def speaks(self) -> bool:
        """Whether it takes and makes audio."""
        return "input_audio" in PRICES[self.name]["default"].usual.pico

    @property
    def caches(self) -> bool:
        """Whether it has a price for cached input."""
        return "cache_read" in PRICES[self.name]["default"].usual.pico

    @property
    def bills_cache_writes(self) -> bool:
        """Whether writing the cache costs extra, and is therefore reported."""
        return "cache_write_30m" in PRICES[self.name]["default"].usual.pico


_DATES = {
    "gpt-4o": "2024-08-06", "gpt-4o-mini": "2024-07-18", "gpt-4.1": "2025-04-14", "gpt-4.1-mini": "2025-04-14",
    "gpt-4.1-nano": "2025-04-14", "o1": "2024-12-17", "o3-mini": "2025-01-31", "o3": "2025-04-16",
    "o3-pro": "2025-06-10", "o4-mini": "2025-04-16", "gpt-5": "2025-08-07", "gpt-5-mini": "2025-08-07",
    "gpt-5-nano": "2025-08-07", "gpt-5-pro": "2025-10-06", "gpt-5.1": "2025-11-13", "gpt-5.2": "2025-12-11",
    "gpt-5.4": "2026-03-05", "gpt-5.4-mini": "2026-03-17", "gpt-5.4-nano": "2026-03-17", "gpt-5.4-pro": "2026-03-05",
    "gpt-5.5": "2026-04-23", "gpt-5.5-pro": "2026-04-23",
}  # fmt: skip
_ALSO = {"gpt-4o-2024-11-20": "gpt-4o", "gpt-3.5-turbo-0125": "gpt-3.5-turbo"}
_DIMENSIONS = {"text-embedding-3-small": 1_536, "text-embedding-3-large": 3_072, "text-embedding-ada-002": 1_536}
_LEGACY = frozenset({"gpt-3.5-turbo-instruct", "davinci-002", "babbage-002"})
_LIMITS: tuple[tuple[str, int, int], ...] = (
    ("text-embedding", 8_192, 0),
    ("gpt-3.5-turbo-instruct", 4_096, 4_096),
    ("gpt-3.5", 16_385, 4_096),
    ("davinci-002", 16_384, 16_384),
    ("babbage-002", 16_384, 16_384),
    ("gpt-4o-2024-05-13", 128_000, 4_096),
    ("gpt-4o", 128_000, 16_384),
    ("gpt-4.1", 1_047_576, 32_768),
    ("gpt-4-turbo", 128_000, 4_096),
    ("gpt-4", 8_192, 8_192),
    ("gpt-audio", 128_000, 16_384),
    ("o", 200_000, 100_000),
    ("gpt-5.4-mini", 400_000, 128_000),
    ("gpt-5.4-nano", 400_000, 128_000),
    ("gpt-5.4", 1_050_000, 128_000),
    ("gpt-5.5", 1_050_000, 128_000),
    ("gpt-5.6", 1_050_000, 128_000),
    ("gpt-5", 400_000, 128_000),
    ("gpt-6", 1_050_000, 128_000),
    ("deepseek", 1_000_000, 65_536),
    ("grok-4.3", 1_000_000, 128_000),
    ("grok-4", 500_000, 128_000),
    ("grok-3", 131_072, 128_000),
)


def _model(name: str, family: Provider = "openai") -> Model:
    kind: Kind = "embedding" if name in _DIMENSIONS else "completion" if name in _LEGACY else "chat"
    context, output = next((context, output) for start, context, output in _LIMITS if name.startswith(start))
    served_as = f"{name}-{_DATES[name]}" if name in _DATES else name
    return Model(name, kind, served_as, context, output, _DIMENSIONS.get(name, 0), family)


MODELS: dict[str, Model] = {name: _model(name) for name in MODELS_OF["openai"]}
"""Name on the price list -> OpenAI's model."""

OTHERS: dict[str, Model] = {name: _model(name, "deepseek") for name in MODELS_OF["deepseek"]} | {
    name: _model(name, "xai") for name in MODELS_OF["xai"]
}
"""Name on the price list -> DeepSeek's or xAI's model."""

_BY_ANY_NAME: dict[str, Model] = {
    **MODELS,
    **OTHERS,
    **{model.served_as: model for model in MODELS.values()},
    **{dated: MODELS[name] for dated, name in _ALSO.items()},
}


def find(name: str) -> Model:
    """Return the model with this plain or dated name. Raises RefusedError (404)."""
    model = _BY_ANY_NAME.get(name)
    if model is None:
        raise model_not_found(name)
    return model


def served_name(asked: str, model: Model) -> str:
    """Return the name that the answer carries: the dated one that was asked for, else the current one."""
    return asked if asked != model.name else model.served_as


def family_of(name: str) -> Provider:
    """Return whose model it is; by how it begins when there is none of that name."""
    if name in _BY_ANY_NAME:
        return _BY_ANY_NAME[name].family
    return "deepseek" if name.startswith("deepseek") else "xai" if name.startswith("grok") else "openai"
