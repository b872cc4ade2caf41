"""Responses that go on in the background: asked for at their provider until they have ended, then settled, once.

The call's reservation stays open meanwhile, so that nothing of it is free and nothing is counted twice (decision 0022). Where
nobody can know how it ended, it is booked at what was reserved for it, as an estimate.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from tollkeeper.domain.errors import Overloaded, TooManyAttempts, UpstreamFault
from tollkeeper.domain.usage import Outcome
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.provider_errand import errand
from tollkeeper.gateway.wire.polled_response import read_polled
from tollkeeper.gateway.wire.responses import ResponsesCall
from tollkeeper.kit import clock
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.ports.upstream import Deadlines, Upstream

FOLLOWED_MAX = 1_000
FOLLOWED_EACH_MAX = 200
"""Of these, an organization's own: so many that no other finds every place taken."""
_RETRY_S = 10
FOLLOWED_S = 4 * 3_600.0
"""How long one is asked for: longer than any has been seen to take (deep research takes up to half an hour)."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 10.0
_ANSWER_BYTES_MAX = 64 * 1024 * 1024
_CLOSING_S = 3.0
_DEADLINES = Deadlines(connect_s=5.0, first_byte_s=30.0, idle_s=30.0, total_s=60.0)
_GONE = frozenset({404, 410})
_log = logging.getLogger(__name__)
Settle = Callable[[Passage], Awaitable[None]]


class _Followed:
    """One response: `woken` says to ask now, `ended` that it is settled."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.raw_id = passage.call.take_pending_id()
        self.provider = passage.deployment.provider
        self.woken = asyncio.Event()
        self.ended = asyncio.Event()

    def drop_bodies(self) -> None:
        """Keep of the call what settling it asks for."""
        call = self.passage.call
        assert isinstance(call, ResponsesCall), "nothing else goes on in the background"
        self.passage.call, self.passage.body = call.without_body(), b""

    @property
    def organization_id(self) -> str:
        return self.passage.reservation.organization_id

    @property
    def place(self) -> tuple[str, str, str]:
        return self.provider.name, self.provider.credential_id, self.raw_id

    def give_up(self, why: str) -> None:
        """Let the passage be booked at what was reserved for it."""
        message = f"what the background response {self.raw_id} came to is not known: {why}"
        _log.warning("request req_%s: %s", self.passage.reservation.call_id.hex(), message)
        self.passage.ended(Outcome.BROKEN, message)
        self.passage.use_reserved()


class Backgrounds:
    """Follows the responses that this process let go on in the background."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._tasks = TaskGroup()
        self._followed: dict[tuple[str, str, str], _Followed] = {}
        self._numbers: Counter[str] = Counter()  # of those followed, by organization
        self._is_closing = False

    def check_room(self, organization_id: str) -> None:
        """Pass when one more can be followed for an organization.

        Raises:
            TooManyAttempts: the organization has as many as it may have.
            Overloaded: there are as many as there may be.
        """
        if len(self._followed) >= FOLLOWED_MAX:
            raise Overloaded("As many responses go on in the background as may at once; try again later.")
        if self._numbers[organization_id] >= FOLLOWED_EACH_MAX:
            raise TooManyAttempts(
                f"{FOLLOWED_EACH_MAX} responses of your organization go on in the background, as many as may at once: wait "
                "until some have ended, or cancel some, or ask without 'background'.",
                retry_after_seconds=_RETRY_S,
            )

    @property
    def followed(self) -> int:
        """How many are asked for now."""
        return len(self._followed)

    def follow(self, passage: Passage, settle: Settle) -> None:
        """From now on see to it that the call of a passage is settled when its response has ended."""
        followed = _Followed(passage)
        self._followed[followed.place] = followed
        self._numbers[followed.organization_id] += 1
        self._tasks.start(self._follow(followed, settle), f"background response {followed.raw_id}")

    async def hurry(self, provider_name: str, credential_id: str, raw_id: str, *, wait_s: float = 0.0) -> None:
        """Ask for a response now, for it may have ended, or is about to be deleted; wait so long for it to be settled."""
        followed = self._followed.get((provider_name, credential_id, raw_id))
        if followed is None:
            return
        followed.woken.set()
        if wait_s:
            try:
                await asyncio.wait_for(followed.ended.wait(), wait_s)
            except TimeoutError:
                return

    async def aclose(self) -> None:
        """Ask for each a last time, then settle the rest at what was reserved."""
        self._is_closing = True
        for followed in self._followed.values():
            followed.woken.set()
        await self._tasks.join(_CLOSING_S)
        await self._tasks.cancel()

    async def _follow(self, followed: _Followed, settle: Settle) -> None:
        try:
            followed.drop_bodies()  # not before: who let it go on may yet try the call elsewhere
            await self._until_ended(followed)
        except asyncio.CancelledError:
            followed.give_up("the gateway was stopping")
        except BaseException:  # a bug must not leave a reservation open
            followed.give_up("it could not be followed")
            raise
        finally:
            try:
                await settle(followed.passage)
            finally:
                self._followed.pop(followed.place, None)
                self._leave(followed.organization_id)
                followed.ended.set()

    def _leave(self, organization_id: str) -> None:
        self._numbers[organization_id] -= 1
        if not self._numbers[organization_id]:
            del self._numbers[organization_id]

    async def _until_ended(self, followed: _Followed) -> None:
        ends_s, pause_s = clock.monotonic_s() + FOLLOWED_S, PAUSE_FIRST_S
        while True:
            try:
                await asyncio.wait_for(followed.woken.wait(), pause_s)
            except TimeoutError:
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
            followed.woken.clear()
            if await self._has_ended(followed):
                return
            if self._is_closing or clock.monotonic_s() >= ends_s:
                followed.give_up("the gateway was stopping" if self._is_closing else "it took too long")
                return

    async def _has_ended(self, followed: _Followed) -> bool:
        """Ask once; True when the passage knows how the response ended."""
        passage = followed.passage
        try:
            path = f"/responses/{quote(followed.raw_id, safe='')}"
            exchange = await self._upstream.open(errand(self._upstream, followed.provider, "GET", path), _DEADLINES)
            try:
                body = await exchange.read_all(_ANSWER_BYTES_MAX)
            finally:
                exchange.close()
        except UpstreamFault:
            return False
        if exchange.status in _GONE:
            followed.give_up("it is gone from its provider")
            return True
        stated = read_polled(body) if exchange.status == 200 else None
        if stated is None or not stated.response_id or stated.is_under_way:
            return False
        passage.model_served = stated.model
        if stated.usage is not None:
            passage.ended(Outcome.COMPLETE)
            passage.use(stated.usage)
        else:  # what was written, and billed, before it was cancelled or failed, is not all in its output
            followed.give_up("it ended without a usage")
        return True
