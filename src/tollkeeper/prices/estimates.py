"""What calls would cost: on one model, or on all of them side by side. Nothing here counts tokens or reads files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

import msgspec

from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS
from tollkeeper.domain.price import STANDARD_TIER, charge_for
from tollkeeper.domain.usage import Charge, Dimension, Usage
from tollkeeper.prices.book import CompiledBook

_SPECIAL = re.compile(r"audio|realtime|transcribe|tts|image|live|voice|\bft\b")
_RETIRED = re.compile(
    r"(ada|babbage|curie|davinci|text-davinci-00[23]|gpt-3\.5-0301|gpt-4\.5-preview|claude-v1|claude-2"
    r"|gemini-(pro|pro-1\.5|flash-1\.5|flash-1\.5-8b|1\.[05]-.*))$"
)
"""Models withdrawn for good that the catalogue keeps for old bills and does not mark (developers.openai.com
/api/docs/deprecations, platform.claude.com/docs/en/about-claude/model-deprecations, ai.google.dev/gemini-api/docs
/deprecations). Only comparisons leave them out."""


class Volume(msgspec.Struct, frozen=True):
    """How much is to be called. `cached_tokens` are a part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    calls: int = 1

    @property
    def usage(self) -> Usage:
        """One call's usage; a count of nothing needs no price."""
        return Usage(
            {
                Dimension.INPUT.value: self.input_tokens - self.cached_tokens,
                Dimension.CACHE_READ.value: self.cached_tokens,
                Dimension.OUTPUT.value: self.output_tokens,
            },
            is_estimated=True,
        )


class Estimate(msgspec.Struct, frozen=True):
    """One model's answer. `total_nanos` is None when the model is unpriced; `charge.reason` then says why."""

    provider: str
    model: str
    tier: str
    charge: Charge
    total_nanos: int | None
    context_window: int | None = None
    fits: bool | None = None  # input and output are within the context window; None when nobody knows its size
    times_cheapest: Fraction | None = None  # None: unpriced, or the cheapest is free


def price_volume(book: CompiledBook, provider: str, model: str, volume: Volume, *, tier: str, at_us: int) -> Estimate:
    """Price the calls of a volume on a model, each rounded by itself as it would be billed."""
    charge = charge_for(book.find(provider, model), volume.usage, at_us=at_us, tier=tier)
    known = book.model(provider, model)
    window = known.context_window if known is not None else None
    return Estimate(
        provider=provider,
        model=model,
        tier=tier,
        charge=charge,
        total_nanos=None if charge.amount_nanos is None else charge.amount_nanos * volume.calls,
        context_window=window,
        fits=None if window is None else volume.input_tokens + volume.output_tokens <= window,
    )


def compare(
    book: CompiledBook, providers: Iterable[str], volume: Volume, *, tier: str = STANDARD_TIER, at_us: int
) -> list[Estimate]:
    """Price a volume on every model of the providers, the cheapest first and the unpriced last."""
    found = [
        price_volume(book, provider, model, volume, tier=tier, at_us=at_us)
        for provider in providers
        for model in model_names(book, provider)
    ]
    found.sort(key=lambda e: (e.total_nanos is None, e.total_nanos or 0, e.provider, e.model))
    # Among several free or several priced models, what matters is the cheapest that costs something.
    cheapest = next((e.total_nanos for e in found if e.total_nanos), None)
    return [
        msgspec.structs.replace(e, times_cheapest=Fraction(e.total_nanos, cheapest))
        if cheapest and e.total_nanos is not None
        else e
        for e in found
    ]


def is_current(book: CompiledBook, found: Estimate) -> bool:
    """Tell whether a model belongs in a comparison of text calls.

    It is priced and not free, not retired, not made for sound, images or one customer's fine-tuning, and the call fits
    into it as far as its size is known. Models of own prices count.
    """
    if not found.total_nanos or found.fits is False:
        return False
    known = book.model(found.provider, found.model)
    if known is None:
        return True
    return not known.is_deprecated and not _SPECIAL.search(known.id) and not _RETIRED.match(known.id)


def direct_providers(book: CompiledBook) -> list[str]:
    """List the providers that are called directly, and those that have own prices."""
    direct = [provider for provider in CATALOGUE_PROVIDERS.values() if provider in book.providers()]
    return direct + [provider for provider in book.providers() if book.own_rows(provider) and provider not in direct]


def model_names(book: CompiledBook, provider: str) -> list[str]:
    """List the names that the provider serves, and those that only own prices have."""
    listed = book.models(provider)
    known = {model.lower() for model in listed}
    own = [row.model_pattern for row in book.own_rows(provider) if not row.model_pattern.endswith("*")]
    return [*listed, *dict.fromkeys(name for name in own if name.lower() not in known)]
