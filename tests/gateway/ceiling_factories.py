"""What the tests of ceilings share: a call's body, a price book of a few rates, and the ceiling of the two."""

from __future__ import annotations

import json
from typing import Any

from tollkeeper.domain.deployment import Deployment, Provider, ProviderKind, Route
from tollkeeper.domain.price import ModelPrices, PriceVersion
from tollkeeper.domain.rate_card import Rate
from tollkeeper.gateway.ceiling import Ceiling, ceiling_of
from tollkeeper.gateway.wire import openai as wire

STANDARD = (Rate("input", 1_000), Rate("output", 4_000))
FLEX = (Rate("input", 500), Rate("output", 2_000))
PRIORITY = (Rate("input", 2_000), Rate("output", 8_000))
ROUNDING = 13  # one nano for each dimension


class Book:
    """The same prices for every model."""

    def __init__(self, **tiers: tuple[Rate, ...]) -> None:
        self._tiers = tiers or {"standard": STANDARD}

    def find(self, provider: str, model: str) -> ModelPrices | None:
        return ModelPrices(provider, model, (PriceVersion(0, dict(self._tiers)),))


def body_of(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def chat_body(*parts: Any, model: str = "gpt-4o", **more: Any) -> bytes:
    """Return a chat body whose one message has these parts, or the text `hello`."""
    content: Any = list(parts) or "hello"
    return body_of({"model": model, "messages": [{"role": "user", "content": content}], **more})


def ceiling(
    body: bytes,
    *,
    operation: wire.OpenAIOperation = "chat.completions",
    kind: ProviderKind = "openai",
    model: str = "",
    book: Book | None = None,
) -> Ceiling:
    call = wire.parse(operation, body)
    return ceiling_of(route_to(model or call.model, kind), call, book or Book(), at_us=1)


def route_to(model: str, kind: ProviderKind = "openai") -> Route:
    return Route(model, (Deployment(Provider(kind, kind, "https://p.test/v1", "", kind), model),))
