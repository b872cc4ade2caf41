"""Whose turn it is to have a file written: a few at once, of them a share for an organization, and one for a person."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec

from tollkeeper.domain.access import Principal
from tollkeeper.domain.errors import TooManyAttempts


class Asker(msgspec.Struct, frozen=True):
    """Who wants a file: a person, whatever they ask with, or a key that is nobody's."""

    organization_id: str = ""
    id: str = ""


def asker_of(principal: Principal) -> Asker:
    """Return who a principal is for turns: all keys of a person are the person."""
    return Asker(principal.organization_id, principal.member_id or principal.account_id or principal.id)


class Turns:
    """Of one event loop: `at_once` turns, `of_organization` of them for one organization, one for a person.

    Who waits longest is next, among those whose organization and themselves have room; nobody waits longer than `wait_s`.
    """

    def __init__(self, *, at_once: int = 3, of_organization: int = 2, wait_s: float = 5.0) -> None:
        self._at_once, self._of_organization, self._wait_s = at_once, of_organization, wait_s
        self._taken: Counter[Asker] = Counter()
        self._waiting: list[tuple[Asker, asyncio.Future[None]]] = []

    async def take(self, asker: Asker) -> None:
        """Wait for a turn; whoever got it gives it back.

        Raises:
            TooManyAttempts: none came.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._wait(asker)
        except TimeoutError:
            why = self._fault(asker) or "Parquet files are being downloaded already"
            raise TooManyAttempts(f"{why}; ask again in a moment.", retry_after_seconds=5) from None

    def give_back(self, asker: Asker) -> None:
        """Let the next one have a turn."""
        self._taken[asker] -= 1
        self._taken = +self._taken
        for waiting in list(self._waiting):
            if not waiting[1].done() and not self._fault(waiting[0]):  # done: given up, and about to take itself away
                self._waiting.remove(waiting)
                self._taken[waiting[0]] += 1
                waiting[1].set_result(None)

    async def _wait(self, asker: Asker) -> None:
        if not self._fault(asker):
            self._taken[asker] += 1
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (asker, granted)
        self._waiting.append(waiting)
        try:
            await granted
        except BaseException:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self.give_back(asker)  # it came just when nobody waited for it any more
            raise

    def _fault(self, asker: Asker) -> str:
        """Say why there is no turn for somebody now; "" when there is."""
        if self._taken[asker]:
            return "A Parquet file of yours is being downloaded already"
        organization = sum(
            count for each, count in self._taken.items() if each.organization_id == asker.organization_id
        )
        if organization >= self._of_organization:
            return f"{organization} Parquet files of this organization are being downloaded already"
        if self._taken.total() >= self._at_once:
            return f"{self._at_once} Parquet files are being downloaded already"
        return ""
