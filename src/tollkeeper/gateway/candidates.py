"""The deployments that are left for one call: the next that has a place for it, and how long it may still wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.deployment_health import Failure
from tollkeeper.domain.errors import DeploymentsBusy, InvalidRequest
from tollkeeper.domain.rate_limit import estimate_tokens
from tollkeeper.gateway.client import Client
from tollkeeper.gateway.outgoing import Outgoing, outgoing_of
from tollkeeper.gateway.passage import Passage
from tollkeeper.ports.deployments import Deployments, Place

WAIT_US_MIN = 500_000
"""Between two tries at deployments that ask for a wait, whatever they say; it doubles each time."""


class Candidates:
    """Those of one call. A call waits for its provider's limits here, never longer than `wait_us` in all; once its client
    has left, no further one is asked.
    """

    __slots__ = ("_client", "_deployments", "_is_long", "_later", "_left", "_route", "_wait_us", "_wait_us_min")

    def __init__(
        self, client: Client, deployments: Deployments, route: Route, ordered: Iterable[Deployment], wait_us: int
    ) -> None:
        self._client, self._deployments, self._route, self._wait_us = client, deployments, route, wait_us
        self._wait_us_min, self._is_long = WAIT_US_MIN, False
        self._left = list(ordered)
        self._later: list[Deployment] = []  # that have asked for a wait

    def enter_first(self, passage: Passage) -> Place | None:
        """Take the place of a call that goes where it was reserved for, which has no limits: the usual case, and no waiting."""
        first = self._left[0]
        if first is not passage.deployment or first.is_limited:
            return None
        del self._left[0]
        place = self._deployments.enter(first, 0)
        assert not isinstance(place, int), "without limits there is a place"
        return place

    async def enter(self, passage: Passage, failure: Failure | None = None) -> Place | None:
        """Take a place at the first that has one and can be asked for the call, which the passage then goes to.

        `failure` is what the passage has met where it is. None when nothing is left, nor comes back in time.

        Raises:
            DeploymentsBusy: every deployment is at a limit of its own for longer than the call may wait.
            ClientGoneError: after a try, or a wait, nobody is there to be answered.
        """
        if failure is not None and (self._left or self._later):
            self._client.require_there()
        while True:
            place = self._enter_now(passage, failure)
            if not isinstance(place, int | None):
                return place
            if await self._come_back(passage, before_us=place):
                continue
            if place is None or (place > self._wait_us and failure is not None):
                return None  # what was met tells more than that others are busy
            if place > self._wait_us:
                raise DeploymentsBusy(_busy(place), retry_after_seconds=-(-place // 1000) / 1000)
            await self._wait(passage, place)

    def set_aside(self, deployment: Deployment) -> None:
        """Keep one for later that says when it may be asked again."""
        self._later.append(deployment)

    def turn_to_long_context(self) -> None:
        """From now on only those are left that take longer calls."""
        self._left = [] if self._is_long else [each for each in self._route.deployments if each.is_for_long_context]
        self._later, self._is_long = [], True

    async def following(self, passage: Passage) -> Deployment | None:
        """Return the next one that can be asked for the call; one that asked for a wait is waited for.

        Raises:
            ClientGoneError: nobody is there to be answered.
        """
        self._client.require_there()
        while self._left or await self._come_back(passage):
            if _outgoing(passage, self._left[0]) is not None:
                return self._left[0]
            del self._left[0]
        return None

    async def _come_back(self, passage: Passage, before_us: int | None = None) -> bool:
        """Wait for a deployment that asked for it, so that it is left once more; False when that takes too long, or longer
        than something else.
        """
        if not self._later:
            return False
        soonest = min(self._later, key=self._deployments.rest_us)
        rest_us = max(self._deployments.rest_us(soonest), self._wait_us_min)
        if rest_us > (self._wait_us if before_us is None else min(before_us, self._wait_us)):
            return False
        self._wait_us_min *= 2
        await self._wait(passage, rest_us)
        self._later.remove(soonest)
        self._left.append(soonest)
        return True

    async def _wait(self, passage: Passage, wait_us: int) -> None:
        self._wait_us -= wait_us
        try:
            await asyncio.sleep(wait_us / 1_000_000)
        finally:
            passage.waited(wait_us)
        self._client.require_there()

    def _enter_now(self, passage: Passage, failure: Failure | None) -> Place | int | None:
        """Do it without waiting; an integer is in how many microseconds to ask again."""
        soonest_us: int | None = None
        for deployment in tuple(self._left):
            outgoing = None
            if deployment is not passage.deployment or failure is not None:
                outgoing = _outgoing(passage, deployment)
                if outgoing is None:
                    self._left.remove(deployment)
                    continue
            place = self._deployments.enter(deployment, _tokens(passage, deployment))
            if isinstance(place, int):
                soonest_us = place if soonest_us is None else min(place, soonest_us)
                continue
            if outgoing is not None:
                passage.turn_to(deployment, outgoing, failure)
            self._left.remove(deployment)
            return place
        return soonest_us


def _outgoing(passage: Passage, deployment: Deployment) -> Outgoing | None:
    """Return what goes out there; None when its provider cannot be asked for this call."""
    try:
        return outgoing_of(passage.call, deployment, passage.output_tokens)
    except InvalidRequest:
        return None


def _tokens(passage: Passage, deployment: Deployment) -> int:
    """Return about how many tokens a call needs, where that matters."""
    if deployment.tokens_per_minute is None:
        return 0
    call = passage.call
    return estimate_tokens(call.readable_bytes, call.output_limit(deployment.provider.kind))


def _busy(wait_us: int) -> str:
    return f"Every deployment of this model is as busy as it may be; try again in {-(-wait_us // 1000) / 1000:g} s."
