"""What a call holds of its budgets before it goes out: all that it can come to, or as much as fits when it may write less."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Route
from tollkeeper.domain.errors import PriceUnknown, QuotaExceeded
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.price import PriceBook
from tollkeeper.gateway.body_reader import read_aside
from tollkeeper.gateway.ceiling import OUTPUT_TOKENS_MIN, Ceiling, ceiling_of, limit_unrefused
from tollkeeper.gateway.wire.call import Call, Operation
from tollkeeper.gateway.wire.unseen import Unseen
from tollkeeper.ports.budgets import Budgets, Held, Wanted
from tollkeeper.ports.limiter import Admission
from tollkeeper.ports.tokens import TokenCounter

COUNTED_FROM_BYTES = 1024
"""A shorter body's tokens are not worth counting: its bytes are a bound that is close enough."""
COUNTED_PERCENT = 110
"""What counted tokens of OpenAI's models are raised to: their vocabularies are known."""
COUNTED_PERCENT_GUESSED = 200
"""And those of all others, which are counted by the nearest vocabulary that is known."""
_NO_BOUND = "Nothing in such a call can bound it."
_BOUNDS: dict[Operation, str] = {
    "messages": "State how often each tool may be used: `max_uses` bounds Anthropic's web tools.",
    "responses": "State `max_tool_calls`: it bounds OpenAI's web search, file search and code interpreter.",
    "generate_content": "Gemini's search cannot be bounded, but up to Gemini 2.5 it costs one fee for each prompt and is allowed.",
}
"""How a call says how often the provider's tools may be used."""


class Holding(msgspec.Struct, gc=False):
    """What is held for a call, and how many tokens that is for.

    `output_tokens` is what each of its answers may have at most; None when nothing is to be said of it.
    """

    held: Held
    tokens: int
    output_tokens: int | None = None


class Admitted(msgspec.Struct, gc=False):
    """What a call was let in with: its rates, and what is held of its budgets; None when it has none."""

    admission: Admission
    holding: Holding | None


class Holder:
    """Holds calls to their keys' budgets."""

    def __init__(self, budgets: Budgets, counter: TokenCounter) -> None:
        self._budgets, self._counter = budgets, counter

    def hold_now(self, key: ApiKey, call: Call, route: Route, ceiling: Ceiling) -> Holding | None:
        """Hold the most that a call can come to; None when memory cannot say whether it fits.

        Raises:
            PriceUnknown: the model has no price, and the key's money is limited.
        """
        models = route.model_names
        if ceiling.nanos is None and _is_money_limited(key.limits, models):
            raise PriceUnknown(_why_unpriced(call, route))
        nanos, tokens = ceiling.nanos or 0, ceiling.tokens
        held = self._budgets.hold(key, models, Wanted(nanos, tokens, nanos))
        return None if held is None else Holding(held, tokens)

    async def hold(
        self, key: ApiKey, call: Call, route: Route, ceiling: Ceiling, *, book: PriceBook, at_us: int
    ) -> Holding:
        """Do the same with the store's help: first for the bytes' bound, then for the counted tokens.

        Raises:
            LimitRefusal: it does not fit.
            LimitsUnavailable: nobody knows, because the store is out of reach.
        """
        models = route.model_names
        try:
            return await self._wait(key, models, call, route, ceiling)
        except QuotaExceeded as refusal:
            if refusal.fields.get("unit") == "requests" or len(call.body) < COUNTED_FROM_BYTES:
                raise
            counted = await self._count(call, route, ceiling.unseen)
            if counted is None:
                raise
            closer = ceiling_of(route, call, book, at_us=at_us, text_tokens=counted, unseen=ceiling.unseen)
            if closer.input_tokens >= ceiling.input_tokens:
                raise
            return await self._wait(key, models, call, route, closer)

    async def _wait(self, key: ApiKey, models: Sequence[str], call: Call, route: Route, ceiling: Ceiling) -> Holding:
        nanos = ceiling.nanos or 0
        least = nanos
        if ceiling.nanos is not None and not call.is_output_fixed:
            least = min(nanos, ceiling.nanos_of(min(ceiling.output_tokens, OUTPUT_TOKENS_MIN * call.choices)))
        held = await self._budgets.wait(key, models, Wanted(nanos, ceiling.tokens, least))
        if held.nanos >= nanos:
            return Holding(held, ceiling.tokens)
        fits = ceiling.output_within(held.nanos) // call.choices
        return Holding(held, ceiling.tokens, min(fits, limit_unrefused(route, ceiling)))

    async def _count(self, call: Call, route: Route, unseen: Unseen) -> int | None:
        """Return a bound of the texts' tokens that is closer than their bytes; None when they cannot be told for sure."""
        material = await read_aside(call.body, partial(call.count_material, unseen))
        if material is None:
            return None
        texts, rest = material
        most = 0
        for model, is_known in {(each.model, each.provider.kind == "openai") for each in route.deployments}:
            counted = sum(await self._counter.count(model, texts))
            percent = COUNTED_PERCENT if is_known else COUNTED_PERCENT_GUESSED
            most = max(most, -(-counted * percent // 100))
        return most + rest


def _is_money_limited(limits: Sequence[Limit], models: Sequence[str]) -> bool:
    return any(limit.unit == "usd" and (not limit.model or limit.model in models) for limit in limits)


def _why_unpriced(call: Call, route: Route) -> str:
    if call.has_cached_content:
        return (
            "This call names content that is cached at the provider, and this API key is under a budget or needs credit: "
            "how long that content is cannot be known beforehand. Send it within the call, or use a key that nothing limits."
        )
    if any(call.may_cause_fees(each.model) for each in route.deployments):
        if call.operation in {"audio.transcriptions", "audio.translations"}:
            return (
                "How long this recording plays cannot be told from its bytes, and this API key is under a budget or needs "
                "credit. Send it as MP3 or as plain WAV, or use a key that nothing limits."
            )
        return (
            "This call asks for a search or another tool that the provider runs, as often as it likes, and this API key "
            "is under a budget or needs credit: nothing says how much that comes to. "
            f"{_BOUNDS.get(call.operation, _NO_BOUND)} Else make the call without it, or with a key that nothing limits."
        )
    return (
        f"The model '{call.model}' has no price here, and this API key is under a budget or needs credit: what is unknown "
        "is not free. An admin with price:manage can add its price, or a call can name another model."
    )
