"""Rates, and a list of them prepared for the path of a call: which a dimension has, and the most that tokens can cost."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.money import PICOS_PER_NANO
from tollkeeper.domain.usage import INPUT_DIMENSIONS, Dimension, Usage

_CARDS_MAX = 4096
_ROUNDINGS_MAX = len(Dimension)  # each line is rounded once, by half a nano at most


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
    """

    __slots__ = ("_by_dimension", "_dearest_input", "_dearest_output", "_steps", "rates")

    def __init__(self, rates: tuple[Rate, ...]) -> None:
        self.rates = rates
        has_thresholds = any(rate.context_over for rate in rates)
        self._by_dimension = None if has_thresholds else {rate.dimension: rate for rate in reversed(rates)}
        inputs = [rate for rate in rates if rate.dimension in INPUT_DIMENSIONS]
        self._dearest_output = max((rate.price_pico for rate in rates if rate not in inputs), default=0)
        self._dearest_input = max((rate.price_pico for rate in inputs if rate.context_over == 0), default=0)
        self._steps = sorted((rate.context_over, rate.price_pico) for rate in inputs if rate.context_over)

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

    def ceiling_nanos(self, input_tokens_max: int, output_tokens_max: int) -> int:
        """Return nano-USD that no charge for at most so many tokens exceeds.

        Every input token is taken at the dearest input rate (a cache write, say) of any threshold that the input may
        pass, every output token at the dearest output rate; rounded up, with one nano for the rounding of each line.
        """
        dearest = self._dearest_input
        for context_over, price_pico in self._steps:
            if input_tokens_max > context_over and price_pico > dearest:
                dearest = price_pico
        picos = input_tokens_max * dearest + output_tokens_max * self._dearest_output
        return -(-picos // PICOS_PER_NANO) + _ROUNDINGS_MAX


_cards: dict[int, RateCard] = {}


def card_of(rates: tuple[Rate, ...]) -> RateCard:
    """Return the card of a list of rates, prepared once: price books hand out the same tuple every time."""
    card = _cards.get(id(rates))
    if card is None:
        if len(_cards) >= _CARDS_MAX:
            _cards.clear()
        card = _cards[id(rates)] = RateCard(rates)  # which holds the rates, so that their id stays theirs
    return card
