"""Rates, and a list of them prepared for the path of a call: which a dimension has, and the most that tokens can cost."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tollkeeper.domain.money import AMOUNT_NANOS_MAX, PICOS_PER_NANO
from tollkeeper.domain.usage import INPUT_DIMENSIONS, OUTPUT_DIMENSIONS, TOKEN_DIMENSIONS, Usage, is_token

_CARDS_MAX = 4096
_ROUNDINGS_MAX = len(TOKEN_DIMENSIONS)  # each line is rounded once, by half a nano at most


class Rate(msgspec.Struct, frozen=True, array_like=True):
    """The price of one unit of a dimension, for calls whose total input exceeds `context_over` tokens.

    The highest threshold passed wins and applies to the whole call. An inclusive threshold of N is `context_over` N-1.
    """

    dimension: str
    price_pico: int
    context_over: int = 0
    source: str = ""  # where the price comes from: a catalogue's name, version and model, or the id of an own price
    follows: str = ""  # the dimension whose price this is, when the dimension has none of its own


class RateCard:
    """The rates of one model, tier and time.

    Most models have one rate for each dimension: those are looked up at once. Rates with thresholds are tried in turn.
    `others`, of another tier that may serve as well, count for what a call costs at most and for nothing else.
    """

    __slots__ = ("_at_percent", "_by_dimension", "_dearest", "_is_free", "_steps", "others", "rates")

    def __init__(self, rates: tuple[Rate, ...], others: tuple[Rate, ...] = ()) -> None:
        self.rates, self.others = rates, others
        self._at_percent: dict[int, RateCard] = {}
        has_thresholds = any(rate.context_over for rate in rates)
        self._by_dimension = None if has_thresholds else {rate.dimension: rate for rate in reversed(rates)}
        self._dearest = _dearest_to(0, rates + others)
        of_tokens = [rate.price_pico for rate in rates + others if is_token(rate.dimension)]
        self._is_free = bool(of_tokens) and not any(of_tokens)  # no rate at all is unknown, and not free
        thresholds = {rate.context_over for rate in rates + others if rate.context_over}
        self._steps = [(over, *_dearest_to(over, rates + others)) for over in sorted(thresholds, reverse=True)]

    def pick(self, usage: Usage) -> dict[str, Rate]:
        """Return the rate of every dimension: of those whose threshold the input exceeds, the one with the highest."""
        if self._by_dimension is not None:
            return self._by_dimension
        input_total = usage.input_total
        picked: dict[str, Rate] = {}
        for rate in self.rates:
            over = rate.context_over
            if over and input_total <= over:
                continue
            known = picked.get(rate.dimension)
            if known is None or over > known.context_over:
                picked[rate.dimension] = rate
        return picked

    def at_percent(self, percent: int) -> RateCard:
        """Return the card with every token at so many percent, prepared once."""
        card = self._at_percent.get(percent)
        if card is None:
            rates, others = (tuple(at_percent(each, percent) for each in some) for some in (self.rates, self.others))
            card = self._at_percent[percent] = RateCard(rates, others)
        return card

    def fees_nanos(self, fees: Mapping[str, int]) -> int | None:
        """Return nano-USD that no charge for at most so many uses of tools exceeds; None when one has no price."""
        total = 0
        for dimension, uses in fees.items():
            prices = [rate.price_pico for rate in self.rates + self.others if rate.dimension == dimension]
            if not prices:
                return None
            total += -(-uses * max(prices) // PICOS_PER_NANO)
        return total

    def ceiling_nanos(self, input_tokens_max: int, output_tokens_max: int) -> int:
        """Return nano-USD that no charge for at most so many tokens exceeds.

        Every input token is taken at the dearest input rate (a cache write, say) of any threshold that the input may
        pass, every output token at the dearest output rate; rounded up, with one nano for the rounding of each line. What
        is free is 0, which fits into a budget that is used up.
        """
        dearest_input, dearest_output = self._dearest_for(input_tokens_max) if self._steps else self._dearest
        picos = input_tokens_max * dearest_input + output_tokens_max * dearest_output
        return 0 if self._is_free else -(-picos // PICOS_PER_NANO) + _ROUNDINGS_MAX

    def output_tokens_within(self, nanos: int, input_tokens_max: int) -> int:
        """Return the most output for which `ceiling_nanos` is at most `nanos`; 0 when the input alone is more."""
        if self._is_free:
            return AMOUNT_NANOS_MAX
        dearest_input, dearest_output = self._dearest_for(input_tokens_max)
        left = (nanos - _ROUNDINGS_MAX) * PICOS_PER_NANO - input_tokens_max * dearest_input
        if left < 0:
            return 0
        return left // dearest_output if dearest_output else AMOUNT_NANOS_MAX

    def _dearest_for(self, input_tokens_max: int) -> tuple[int, int]:
        """Return the dearest input and output rate that so much input can come to be billed at."""
        for over, dearest_input, dearest_output in self._steps:
            if input_tokens_max > over:
                return dearest_input, dearest_output
        return self._dearest


def _dearest_to(context_over: int, rates: tuple[Rate, ...]) -> tuple[int, int]:
    """Return the dearest input and output rate, pico-USD, among those with at most this threshold."""
    inputs = [rate for rate in rates if rate.dimension in INPUT_DIMENSIONS and rate.context_over <= context_over]
    outputs = [rate for rate in rates if rate.dimension in OUTPUT_DIMENSIONS and rate.context_over <= context_over]
    return max((rate.price_pico for rate in inputs), default=0), max((rate.price_pico for rate in outputs), default=0)


def at_percent(rate: Rate, percent: int) -> Rate:
    """Return a token's rate at so many percent, to the nearest pico-USD, whose source says so; any other's as it is."""
    if not is_token(rate.dimension):
        return rate
    price = (rate.price_pico * percent + 50) // 100
    return Rate(rate.dimension, price, rate.context_over, f"{rate.source} at {percent} %", rate.follows)


_cards: dict[int | tuple[int, int], RateCard] = {}


def card_of(rates: tuple[Rate, ...], others: tuple[Rate, ...] | None = None) -> RateCard:
    """Return the card of a list of rates, prepared once: price books hand out the same tuples every time."""
    key = id(rates) if others is None else (id(rates), id(others))
    card = _cards.get(key)
    if card is None:
        if len(_cards) >= _CARDS_MAX:
            _cards.clear()
        card = _cards[key] = RateCard(rates, others or ())  # which holds them, so that their ids stay theirs
    return card
