"""What the data plane asks about rates: may this call go now, and what do its answer's headers say?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.usage import RateFigure

Headers = Sequence[tuple[bytes, bytes]]


class Admission(Protocol):
    """A call that was let in; `release` is called exactly once when it has ended."""

    @property
    def figures(self) -> tuple[RateFigure, ...]:
        """Every rate that was looked at, as it is now, for explanations."""
        ...

    def release(self, tokens: int | None) -> None:
        """End the call, and correct the tokens taken to those used (None: unknown, what was taken stays)."""
        ...

    def headers(self) -> Headers:
        """Return x-ratelimit-* of the tightest rates, as they are now: after `release` they know what the call used."""
        ...


class Limiter(Protocol):
    """Admits calls within their rates, or refuses with the reason."""

    def admit(self, key: ApiKey, models: tuple[str, ...], tokens: int) -> Admission:
        """Take one request and `tokens` tokens from every rate on the key's path, all or none.

        `models` are the names that a rule may mean: the one asked for and those of what may serve it.

        Raises:
            RateExceeded: a rate is used up; the error says which, when to come back, and has the headers to answer with.
        """
        ...


class AdmitAll:
    """The limiter without limits: admits everything, itself the admission."""

    figures: tuple[RateFigure, ...] = ()

    def admit(self, key: ApiKey, models: tuple[str, ...], tokens: int) -> Admission:  # noqa: ARG002
        return self

    def release(self, tokens: int | None) -> None:
        pass

    def headers(self) -> Headers:
        return ()
