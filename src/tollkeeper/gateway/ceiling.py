"""The most that a call can cost: what is reserved for it before it goes out."""

from __future__ import annotations

from tollkeeper.domain.deployment import Route
from tollkeeper.domain.money import AMOUNT_NANOS_MAX
from tollkeeper.domain.price import PriceBook, price_ceiling, price_tier
from tollkeeper.gateway.wire.openai import Call

OUTPUT_TOKENS_UNSTATED = 16_384  # when neither the call nor the catalogue limits the output


def ceiling_of(route: Route, call: Call, book: PriceBook, *, at_us: int) -> int | None:
    """Return the upper bound of a call's cost over all deployments of its route; None when one has no price.

    A token is at least one byte of the body, so the body's length bounds the input.
    """
    tier = price_tier(None, call.service_tier)
    output_tokens = 0 if call.operation == "embeddings" else call.output_tokens_max
    if output_tokens is None:
        output_tokens = OUTPUT_TOKENS_UNSTATED * call.choices
    highest = 0
    for deployment in route.deployments:
        prices = book.find(deployment.provider.price_list, deployment.model)
        bound = price_ceiling(prices, len(call.body), output_tokens, at_us=at_us, tier=tier) if prices else None
        if bound is None:
            return None
        highest = max(highest, bound)
    return min(highest, AMOUNT_NANOS_MAX)
