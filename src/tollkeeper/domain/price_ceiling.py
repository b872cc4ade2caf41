"""The most that a number of tokens can cost: the upper bound that a reservation holds."""

from __future__ import annotations

from tollkeeper.domain.money import PICOS_PER_NANO
from tollkeeper.domain.price import ModelPrices, Rate
from tollkeeper.domain.usage import Dimension

_CARDS_MAX = 4096
_Steps = tuple[tuple[int, int], ...]  # (context_over, dearest input rate up to there), lowest threshold first


class Ceilings:
    """Bounds costs. Keeps, for every list of rates seen, its dearest rates: a bound is needed for every call."""

    def __init__(self) -> None:
        self._cards: dict[int, tuple[tuple[Rate, ...], _Steps, int]] = {}

    def bound(
        self, prices: ModelPrices, input_tokens_max: int, output_tokens_max: int, *, at_us: int, tier: str
    ) -> int | None:
        """Return nano-USD that no charge for at most so many tokens exceeds; None when the tier has no price.

        Every input token is taken at the dearest input rate (a cache write, say) of any threshold that the input may
        pass, every output token at the dearest output rate; rounded up, with one nano for the rounding of each line.
        """
        rates = prices.rates(at_us, tier)
        if rates is None:
            return None
        card = self._cards.get(id(rates))
        if card is None:
            if len(self._cards) >= _CARDS_MAX:
                self._cards.clear()
            card = self._cards[id(rates)] = (rates, *_dearest(rates))  # holding the rates keeps their id theirs
        _, steps, dearest_out = card
        dearest_in = 0
        for context_over, dearest in steps:
            if context_over == 0 or input_tokens_max > context_over:
                dearest_in = dearest
        picos = input_tokens_max * dearest_in + output_tokens_max * dearest_out
        return -(-picos // PICOS_PER_NANO) + len(Dimension)


def _dearest(rates: tuple[Rate, ...]) -> tuple[_Steps, int]:
    """Return the dearest input rate up to each threshold, and the dearest output rate of all."""
    dearest_out = max((rate.price_pico for rate in rates if rate.dimension.startswith("output")), default=0)
    inputs = sorted((rate.context_over, rate.price_pico) for rate in rates if not rate.dimension.startswith("output"))
    steps: list[tuple[int, int]] = []
    dearest = 0
    for context_over, price_pico in inputs:
        dearest = max(dearest, price_pico)
        steps.append((context_over, dearest))
    return tuple(steps), dearest_out
