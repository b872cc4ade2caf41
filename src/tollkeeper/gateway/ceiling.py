"""The most that a call can come to: what is reserved for it before it goes out."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.model_limits import UNLISTED, ModelLimits, limits_of
from tollkeeper.domain.price import STANDARD_TIER, PriceBook, price_tier
from tollkeeper.domain.rate_card import RateCard, card_of
from tollkeeper.gateway.wire.anthropic_answer import PLACED_PERCENT
from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.unseen import PLAIN, Unseen

OUTPUT_TOKENS_MIN = 256
"""Of each answer: a call that states no limit is not let in with less than this."""
OUTPUT_TOKENS_UNREFUSED = 8_192
"""A limit that nearly every model takes: an unlisted one may refuse a larger one, instead of writing less."""
HIDDEN_TOKENS = 1_024
"""Of instructions that a provider puts before those of a call, for tools above all: up to 530 where they are stated
(docs.anthropic.com/en/docs/tool-use-pricing-and-tokens, read 2026-11-22). OpenAI's are less than the JSON they replace."""

_WITHOUT_PLACES = re.compile(r"claude-(?:[23]|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8}|-latest)?$)")
"""Models that run wherever they run: those before Opus and Sonnet 4.6 (platform.claude.com/docs/en/manage-claude/
data-residency, read 2026-11-22). Of all others a call that says nothing goes to where the workspace is set to."""

RESERVED_MAX = 10**15
"""Of nano-USD (a million dollars) and of tokens: no call comes to that much, and a usage record holds no more."""


class Ceiling(msgspec.Struct, gc=False):
    """The upper bound of a call over all deployments of its route, at every tier that may serve it.

    `nanos` is None when one of them has no price. `output_tokens` is over all answers. `cards` hold the rates, `fees` what
    tools of the provider can cost besides, in nano-USD at the dearest deployment. `unseen` is what the input has besides text.
    """

    nanos: int | None
    input_tokens: int
    output_tokens: int
    cards: list[RateCard]
    fees: int = 0
    unseen: Unseen = PLAIN

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def nanos_of(self, output_tokens: int) -> int:
        """Return the bound with another output."""
        cards = self.cards
        if len(cards) == 1:  # the usual case
            return cards[0].ceiling_nanos(self.input_tokens, output_tokens) + self.fees
        return max(card.ceiling_nanos(self.input_tokens, output_tokens) for card in cards) + self.fees

    def output_within(self, nanos: int) -> int:
        """Return how much output fits into an amount at every deployment."""
        return min(card.output_tokens_within(nanos - self.fees, self.input_tokens) for card in self.cards)


def ceiling_of(
    route: Route,
    call: Call,
    book: PriceBook,
    *,
    at_us: int,
    text_tokens: int | None = None,
    unseen: Unseen | None = None,
) -> Ceiling:
    """Return the upper bound of a call. `text_tokens` bounds the tokens of its texts closer than its bytes do, if known;
    `unseen` is what it has besides text, if that has been looked for.

    A call with tools of the provider has one only if it says how often they are used: each use may fill the model's window.

    Raises:
        InvalidRequest: it is beyond `RESERVED_MAX`.
    """
    if unseen is None:
        unseen = call.unseen()
    if text_tokens is None:
        text_tokens = len(call.body) - unseen.data_bytes
    cards: list[RateCard] = []
    input_tokens = output_tokens = fees = 0
    is_priced = True
    for deployment in route.deployments:
        limits = limits_of(deployment.model)
        inputs = _input_tokens(call, deployment, limits, unseen, text_tokens)
        outputs = _output_tokens(call, deployment, limits)
        card = _card(deployment, call, book, at_us)
        of_tools: int | None = 0
        if reads := call.reads_max(deployment.model):
            inputs, outputs = max(inputs, reads * (limits or UNLISTED).window), outputs * reads
            of_tools = None if card is None else card.fees_nanos(call.fees_max(deployment.model))
        input_tokens = max(input_tokens, inputs)
        output_tokens = max(output_tokens, outputs)
        if card is None or of_tools is None:
            is_priced = False
        else:
            cards.append(card)
            fees = max(fees, of_tools) if of_tools else fees
    ceiling = Ceiling(None, input_tokens, output_tokens, cards, fees, unseen)
    if is_priced:
        ceiling.nanos = ceiling.nanos_of(output_tokens)
    if input_tokens + output_tokens > RESERVED_MAX or (ceiling.nanos or 0) > RESERVED_MAX:
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
    each, least = call.output_limit(deployment.provider.kind), call.output_tokens_min
    if each is None:
        each = (limits or UNLISTED).output
    return ((max(each, least)) + call.extra_output_tokens) * call.choices


def _card(deployment: Deployment, call: Call, book: PriceBook, at_us: int) -> RateCard | None:
    """Return the rates of every tier that may serve the call; None when the one it asks for has none.

    A provider may serve another tier than the one asked for. A call that asks for none gets what the provider's project
    is set to, which may be priority (never at Google: ai.google.dev/gemini-api/docs/priority-inference); any other may end at
    the standard tier, which is dearer than flex. The answer says which it was, and that is charged
    (developers.openai.com/api/reference, `service_tier`, read 2026-11-22).
    """
    prices = book.find(deployment.provider.price_list, deployment.model)
    if prices is None or call.may_cause_fees(deployment.model) or call.has_cached_content:
        return None
    if call.service_tier is None:
        asked, other = STANDARD_TIER, STANDARD_TIER if deployment.provider.kind == "gemini" else "priority"
    else:
        asked = price_tier(None, call.service_tier)
        other = "priority" if call.is_tier_open else STANDARD_TIER
    rates = prices.rates(at_us, asked)
    if rates is None:
        return None
    card = card_of(rates, prices.rates(at_us, other))
    if deployment.provider.kind == "anthropic" and call.may_be_placed and _has_places(deployment.model):
        return card.at_percent(PLACED_PERCENT)
    return card


@lru_cache(maxsize=1024)
def _has_places(model: str) -> bool:
    return _WITHOUT_PLACES.search(model) is None
