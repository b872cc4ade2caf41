"""The most that a call can come to: what is reserved for it before it goes out."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.model_limits import UNLISTED, ModelLimits, limits_of
from tollkeeper.domain.price import STANDARD_TIER, PriceBook, price_tier
from tollkeeper.domain.rate_card import RateCard, card_of
from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.unseen import PLAIN, Unseen

OUTPUT_TOKENS_MIN = 256
"""Of each answer: a call that states no limit is not let in with less than this."""
OUTPUT_TOKENS_UNREFUSED = 8_192
"""A limit that nearly every model takes: an unlisted one may refuse a larger one, instead of writing less."""
HIDDEN_TOKENS = 1_024
"""Of instructions that a provider puts before those of a call, for tools above all: up to 530 where they are stated
(docs.anthropic.com/en/docs/tool-use-pricing-and-tokens, read 2026-11-22). OpenAI's are less than the JSON they replace."""

RESERVED_MAX = 10**15
"""Of nano-USD (a million dollars) and of tokens: no call comes to that much, and a usage record holds no more."""


class Ceiling(msgspec.Struct, gc=False):
    """The upper bound of a call over all deployments of its route, at every tier that may serve it.

    `nanos` is None when one of them has no price. `output_tokens` is over all answers. `cards` hold the rates.
    """

    nanos: int | None
    input_tokens: int
    output_tokens: int
    cards: list[RateCard]

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def nanos_of(self, output_tokens: int) -> int:
        """Return the bound with another output."""
        return max(card.ceiling_nanos(self.input_tokens, output_tokens) for card in self.cards)

    def output_within(self, nanos: int) -> int:
        """Return how much output fits into an amount at every deployment."""
        return min(card.output_tokens_within(nanos, self.input_tokens) for card in self.cards)


def ceiling_of(route: Route, call: Call, book: PriceBook, *, at_us: int, text_tokens: int | None = None) -> Ceiling:
    """Return the upper bound of a call. `text_tokens` bounds the tokens of its texts closer than its bytes do, if known.

    A call that may cause fees besides those per token has no bound: the price book knows none of them.

    Raises:
        InvalidRequest: it is beyond `RESERVED_MAX`.
    """
    unseen = call.unseen()
    if text_tokens is None:
        text_tokens = len(call.body) - unseen.data_bytes
    cards: list[RateCard] = []
    input_tokens = output_tokens = 0
    is_priced = True
    for deployment in route.deployments:
        limits = limits_of(deployment.model)
        input_tokens = max(input_tokens, _input_tokens(call, deployment, limits, unseen, text_tokens))
        output_tokens = max(output_tokens, _output_tokens(call, deployment, limits))
        card = _card(deployment, call, book, at_us)
        if card is None:
            is_priced = False
        else:
            cards.append(card)
    ceiling = Ceiling(None, input_tokens, output_tokens, cards)
    if is_priced:
        ceiling.nanos = ceiling.nanos_of(output_tokens)
    if max(ceiling.tokens, ceiling.nanos or 0) > RESERVED_MAX:
        raise InvalidRequest(
            f"This call could come to {ceiling.tokens:,} tokens, which is more than can be reserved for one call; ask for "
            "fewer answers, a lower limit of output tokens, or send fewer prompts."
        )
    return ceiling


def limit_unrefused(route: Route, ceiling: Ceiling) -> int:
    """Return the largest output limit that no deployment refuses: a provider refuses one that its model cannot write."""
    return min(_limit_unrefused(limits_of(each.model), ceiling.input_tokens) for each in route.deployments)


def _limit_unrefused(limits: ModelLimits | None, input_tokens: int) -> int:
    if limits is None:
        return OUTPUT_TOKENS_UNREFUSED
    return min(limits.output, max(OUTPUT_TOKENS_MIN, limits.window - input_tokens))


def _input_tokens(
    call: Call, deployment: Deployment, limits: ModelLimits | None, unseen: Unseen, text_tokens: int
) -> int:
    """Return a bound of the input: every text's, what no text shows, and never more than the model's window."""
    is_as_sent = deployment.provider.kind == "openai" and call.dialect == "openai"  # a translation may add some words
    tokens = text_tokens if is_as_sent else text_tokens + HIDDEN_TOKENS
    if unseen is not PLAIN:
        known = limits or UNLISTED
        tokens += unseen.images * known.image + unseen.audio_tokens + unseen.past_answers * known.output
        if unseen.is_unbounded:
            tokens = max(tokens, known.window)
    if limits is not None and tokens > limits.window and call.has_one_input:
        return limits.window
    return tokens


def _output_tokens(call: Call, deployment: Deployment, limits: ModelLimits | None) -> int:
    if not call.has_output:
        return 0
    each = call.output_limit(deployment.provider.kind)
    if each is None:
        each = (limits or UNLISTED).output
    return (max(each, call.output_tokens_min) + call.extra_output_tokens) * call.choices


def _card(deployment: Deployment, call: Call, book: PriceBook, at_us: int) -> RateCard | None:
    """Return the rates of every tier that may serve the call; None when the one it asks for has none.

    A provider may serve another tier than the one asked for. A call that asks for none gets what the provider's project
    is set to, which may be priority; any other may end at the standard tier, which is dearer than flex. The answer says
    which it was, and that is charged (developers.openai.com/api/reference, `service_tier`, read 2026-11-22).
    """
    prices = book.find(deployment.provider.price_list, deployment.model)
    if prices is None or call.may_cause_fees(deployment.model) or call.has_cached_content:
        return None
    if call.service_tier is None:
        asked, other = STANDARD_TIER, "priority"
    else:
        asked = price_tier(None, call.service_tier)
        other = "priority" if call.is_tier_open else STANDARD_TIER
    rates = prices.rates(at_us, asked)
    return None if rates is None else card_of(rates, prices.rates(at_us, other))
