"""What the data plane asks about budgets, quotas and credit: may this call go, and what is held for it meanwhile?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.lease import Draw


class Wanted(msgspec.Struct, gc=False):
    """The most that a call can come to. `nanos_min` is what it can do with when `nanos` does not fit."""

    nanos: int
    tokens: int
    nanos_min: int


class Held(Protocol):
    """What is held for one call, on every budget of its path. It ends once, by `settle` or `release`."""

    nanos: int
    """What is held of money: `Wanted.nanos`, or less, but at least `Wanted.nanos_min`."""

    @property
    def draws(self) -> tuple[Draw, ...]:
        """What is journaled with the reservation."""
        ...

    def settle(self, nanos: int, tokens: int) -> tuple[Draw, ...]:
        """End it with what the call came to, and return that as it is journaled with the settlement."""
        ...

    def release(self) -> None:
        """End it: the call never went out."""
        ...


class Budgets(Protocol):
    """Holds calls to budgets. A warm call is answered from memory."""

    def hold(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> Held | None:
        """Hold what a call wants on every budget that concerns it, or nothing; None when memory cannot say."""
        ...

    async def wait(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> Held:
        """Do the same with the store's help.

        Raises:
            QuotaExceeded: a budget, a quota or the credit does not have it.
            RateExceeded: as many calls are under way as may be at once.
            LimitsUnavailable: the store is out of reach, so that nobody knows.
        """
        ...


class NoBudgets:
    """Holds calls to nothing, itself what is held."""

    nanos = 0
    draws: tuple[Draw, ...] = ()

    def hold(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> Held:  # noqa: ARG002
        return self

    async def wait(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> Held:  # noqa: ARG002
        return self

    def settle(self, nanos: int, tokens: int) -> tuple[Draw, ...]:  # noqa: ARG002
        return ()

    def release(self) -> None:
        pass
