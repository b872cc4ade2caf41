"""What is asked in a call, free of any dialect: a conversation with its options, seeded, and only what its models can do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["openai", "anthropic", "gemini", "deepseek", "xai"]
Dialect = Literal["openai", "anthropic", "gemini"]

MODELS: dict[Kind, tuple[str, ...]] = {
    "openai": ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-6-sol"),
    "anthropic": (
        "claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5", "claude-sonnet-4-6", "claude-opus-4-8", "claude-sonnet-5",
        "claude-haiku-5-5",
    ),
    "gemini": (
        "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-3-flash-preview", "gemini-3.1-pro-preview",
        "gemini-3.5-flash", "gemini-3.8-flash",
    ),
    "deepseek": ("deepseek-flash", "deepseek-v4-pro"),
    "xai": ("grok-4.7", "grok-4.6", "grok-4.3", "grok-3-mini"),
}  # fmt: skip
_TIERED = (
    "o3",
    "o4-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-6-sol",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-3.8-flash",
)
TIERS = dict.fromkeys(_TIERED, ("flex", "priority"))
SEARCHING: tuple[tuple[Dialect, Kind], ...] = (("openai", "xai"), ("anthropic", "anthropic"), ("gemini", "gemini"))
"""Where a client can ask for the provider's own search, which costs a fee."""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
BRIDGES: dict[str, Any] = {
    "type": "object",
    "properties": {"bridge": {"type": "string"}, "axles": {"type": "integer"}},
    "required": ["bridge", "axles"],
}
WORDS = (
    "the", "toll", "is", "paid", "before", "gate", "opens", "while", "a", "keeper", "counts", "coins", "by", "hand", "요금",
    "정산", "は橋", "é",
)  # fmt: skip
PREFIXES = tuple(
    f"Rules of bridge {number}. " + " ".join(f"rule {number}.{item} holds at dawn" for item in range(700))
    for number in range(3)
)
"""Long enough to be cached by every provider."""


@dataclass(frozen=True, slots=True)
class Place:
    """A model at a kind of provider."""

    kind: Kind
    model: str

    @property
    def thinks_if_asked(self) -> bool:
        return self.kind != "openai" or self.model.startswith(("o", "gpt-5", "gpt-6"))

    @property
    def thinks_by_itself(self) -> bool:
        """Whether it is one of Anthropic's that decides how much it thinks."""
        return self.kind == "anthropic" and not self.model.endswith("-4-5")


@dataclass(slots=True)
class Turn:
    """An earlier turn: what was said, whether a tool was called for it, and the answer."""

    said: str
    answered: str
    called: bool = False


@dataclass(slots=True)
class Talk:
    """A conversation. `effort` "" leaves thinking to the model; `choice` says whether a tool must be called."""

    said: str
    places: tuple[Place, ...]
    system: str = ""
    cache_ttl: Literal["", "5m", "1h"] = ""
    turns: list[Turn] = field(default_factory=list)
    has_image: bool = False
    has_tools: bool = False
    choice: Literal["auto", "any", "one", "none"] = "auto"
    effort: Literal["", "low", "medium", "high"] = ""
    has_schema: bool = False
    output_tokens: int = 8_000
    temperature: float | None = None
    stops: tuple[str, ...] = ()
    answers: int = 1
    tier: str = ""
    is_stream: bool = False
    has_search: bool = False

    @property
    def has_kind(self) -> set[Kind]:
        return {place.kind for place in self.places}


def make_talk(rng: random.Random, places: tuple[Place, ...], dialect: Dialect) -> Talk:
    """Return a conversation that each of the places can serve."""
    talk = Talk(said(rng), places, is_stream=rng.random() < 0.55)
    kinds = talk.has_kind
    if rng.random() < 0.5:
        talk.system = rng.choice(PREFIXES) if rng.random() < 0.3 else said(rng)
        if rng.random() < 0.6:
            talk.cache_ttl = rng.choice(("5m", "1h"))
    talk.turns = [Turn(said(rng), said(rng), rng.random() < 0.4) for _ in range(rng.choice((0, 0, 1, 2)))]
    talk.has_image = rng.random() < 0.12
    talk.has_tools = rng.random() < 0.2 or any(turn.called for turn in talk.turns)
    if all(place.thinks_if_asked for place in places) and rng.random() < 0.3:
        talk.effort = rng.choice(("low", "medium", "high"))
    elif rng.random() < 0.3:
        talk.temperature = rng.choice((0.0, 0.25, 1.0))
    if not talk.has_tools and len(places) == 1 and (dialect, places[0].kind) in SEARCHING and rng.random() < 0.15:
        talk.has_search = True
        talk.said += " search"
    if talk.has_tools:
        talk.choice = rng.choice(("auto", "none")) if talk.effort else rng.choice(("auto", "any", "one", "none"))
    else:
        talk.has_schema = rng.random() < 0.1
    if talk.choice == "auto" and talk.has_tools and rng.random() < 0.5:
        talk.said += " use the tool"
    if rng.random() < 0.15 and "xai" not in kinds:
        talk.stops = ("gate", "salt wool")
    if not talk.effort and rng.random() < 0.3:
        talk.output_tokens = rng.choice((1, 16, 300, 2_000))
    if dialect != "anthropic" and "anthropic" not in kinds and rng.random() < 0.06:
        talk.answers = rng.choice((2, 3))
    tiers = {TIERS.get(place.model) for place in places}
    if len(places) == 1 and dialect != "anthropic" and None not in tiers and rng.random() < 0.4:
        talk.tier = rng.choice(tiers.pop() or ("",))
    return talk


def said(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 50)))
