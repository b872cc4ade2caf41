"""What this replica knows of deployments: their health, and the places that their own limits leave.

One event loop, no locks. A deployment without limits that is well costs a call a look-up and a few additions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tollkeeper.domain import deployment
from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.deployment_health import DeploymentHealth, Failure
from tollkeeper.domain.rate_limit import NS_PER_MINUTE, ONE, PER_MINUTE, Bucket
from tollkeeper.kit.clock import monotonic_ns
from tollkeeper.ports.deployments import Deployments, Place

KNOWN_MAX = 4096
"""Of deployments; those that are well and idle are forgotten beyond it. Names that clients make up are never known."""
POLL_US = 20_000
"""How soon to ask again for one of a limited number of places: calls end when they end."""


class KnownDeployment:
    """One deployment: its health, how many calls are there, and the buckets of its rates.

    It is every call's place there, too (`ports.deployments.Place`): a place has nothing of its own.
    """

    __slots__ = ("_all", "_requests", "_tokens", "health", "in_flight", "place")

    def __init__(self, place: deployment.Place, of_all: LiveDeployments) -> None:
        self.place, self._all = place, of_all
        self.health = DeploymentHealth()
        self.in_flight = 0
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None

    def is_idle(self, now_us: int) -> bool:
        """Tell whether nothing is lost with it but its counts."""
        buckets = self._requests is None and self._tokens is None
        return not self.in_flight and self.health.rests_until_us <= now_us and buckets

    def wait_ns(self, limits: Deployment, tokens: int, now_ns: int, *, replicas: int) -> int:
        """Return how long a call has to wait for its limits; 0 takes what it needs of the rates."""
        if limits.concurrent_calls is not None and self.in_flight >= max(1, limits.concurrent_calls // replicas):
            return POLL_US * 1000
        requests = self._requests = _bucket(self._requests, limits.requests_per_minute, now_ns, replicas)
        if requests is not None and (wait_ns := requests.take(now_ns, ONE)):
            return wait_ns
        of_tokens = self._tokens = _bucket(self._tokens, limits.tokens_per_minute, now_ns, replicas)
        if of_tokens is not None and (wait_ns := of_tokens.take(now_ns, tokens * ONE)):
            if requests is not None:
                requests.give_back(ONE)
            return wait_ns
        return 0

    def serve(self) -> None:
        self.in_flight -= 1
        health, of_all = self.health, self._all
        if health.failures_in_a_row or health.rests_until_us:
            health.serve(of_all.now_us())
        else:  # the usual case
            health.served += 1
        of_all.changed.add(self)

    def fail(self, failure: Failure) -> None:
        self.in_flight -= 1
        self.health.fail(failure, self._all.now_us())
        self._all.changed.add(self)

    def leave(self) -> None:
        self.in_flight -= 1
        self.health.is_probed = False


class _Nowhere:
    """The place of every call to a model that nobody but its client has named: nothing is kept of it."""

    def serve(self) -> None: ...

    def fail(self, failure: Failure) -> None: ...

    def leave(self) -> None: ...


NOWHERE = _Nowhere()


class LiveDeployments:
    """Satisfies `ports.deployments.Deployments`. `replicas` says how many share the limits of deployments."""

    def __init__(self, replicas: Callable[[], int] = lambda: 1, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._replicas, self._now_ns = replicas, now_ns
        self._known: dict[deployment.Place, KnownDeployment] = {}
        self.changed: set[KnownDeployment] = set()  # since others were told

    def __iter__(self) -> Iterator[KnownDeployment]:
        return iter(self._known.values())

    def of(self, place: deployment.Place) -> KnownDeployment:
        """Return what is known of a deployment, from now on."""
        found = self._known.get(place)
        if found is None:
            if len(self._known) >= KNOWN_MAX:
                now_us = self.now_us()
                self._known = {place: each for place, each in self._known.items() if not each.is_idle(now_us)}
            found = self._known[place] = KnownDeployment(place, self)
        return found

    def now_us(self) -> int:
        """Return the time that health is told in here."""
        return self._now_ns() // 1000

    def order(self, route: Route, call_id: bytes) -> tuple[Deployment, ...]:
        """See `ports.deployments.Deployments`."""
        if len(route.usual) == 1:
            return route.usual
        ordered = route.in_order(int.from_bytes(call_id[8:]))
        now_us = self.now_us()
        resting = [each for each in ordered if not self._may_serve(each, now_us)]
        if not resting:
            return ordered
        ready = [each for each in ordered if each not in resting]
        return (*ready, *sorted(resting, key=lambda each: self._known[each.place].health.rests_until_us))

    def enter(self, deployment: Deployment, tokens: int) -> Place | int:
        """See `ports.deployments.Deployments`."""
        if deployment.is_unlisted:
            return NOWHERE
        known = self._known.get(deployment.place) or self.of(deployment.place)
        if deployment.is_limited:
            wait_ns = known.wait_ns(deployment, tokens, self._now_ns(), replicas=max(1, self._replicas()))
            if wait_ns:
                return -(-wait_ns // 1000)
        if known.health.rests_until_us:
            known.health.begin(self.now_us())
        known.in_flight += 1
        return known

    def rest_us(self, deployment: Deployment) -> int:
        """See `ports.deployments.Deployments`."""
        known = self._known.get(deployment.place)
        return 0 if known is None else max(0, known.health.rests_until_us - self.now_us())

    def _may_serve(self, deployment: Deployment, now_us: int) -> bool:
        known = self._known.get(deployment.place)
        return known is None or known.health.may_serve(now_us)


def _bucket(bucket: Bucket | None, limit: int | None, now_ns: int, replicas: int) -> Bucket | None:
    """Return the bucket of a limit as it is now, of which each replica has an equal part."""
    if limit is None:
        return None
    rate = max(1, limit * PER_MINUTE // replicas)
    if bucket is None:
        return Bucket(rate, now_ns)
    if bucket.rate != rate:
        bucket.drain(now_ns)
        bucket.rate, bucket.burst = rate, rate * NS_PER_MINUTE
    return bucket


if TYPE_CHECKING:

    def _is_the_port(deployments: LiveDeployments) -> Deployments:
        return deployments
