"""What the data plane asks about rates: may this call go now?"""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.api_key import ApiKey


class Admission(Protocol):
    """A call that was let in; `release` is called exactly once when it has ended."""

    def release(self, tokens: int | None) -> None:
        """Give the slot back, and correct the tokens taken to those used (None: unknown)."""
        ...


class Limiter(Protocol):
    """Admits calls within their rates, or refuses with the reason."""

    def admit(self, key: ApiKey, model: str, tokens_max: int) -> Admission:
        """Take one request and at most `tokens_max` tokens from every rate on the key's path, all or none.

        Raises:
            TollkeeperError: a rate is used up; the error says which and when to come back.
        """
        ...


class AdmitAll:
    """The limiter without limits: admits everything, itself the admission."""

    def admit(self, key: ApiKey, model: str, tokens_max: int) -> Admission:  # noqa: ARG002
        return self

    def release(self, tokens: int | None) -> None:
        pass
