"""The parts of the data plane as they are when calls are traced: each does what it did, and marks that it is done.

Where tracing is off none of these exists, and a call pays for one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.client import Client
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.relay import Relay
from tollkeeper.gateway.whole_answer import WholeAnswer
from tollkeeper.observability.call_trace import current, mark
from tollkeeper.ports.deployments import Deployments
from tollkeeper.ports.ledger import Ledger
from tollkeeper.ports.limiter import Admission, Limiter


class TracedAuthenticator(Authenticator):
    """Marks `authenticate`."""

    async def authenticate(self, headers: Mapping[bytes, bytes], *, now_us: int | None = None) -> ApiKey:
        """See `Authenticator.authenticate`."""
        key = await super().authenticate(headers, now_us=now_us)
        mark("authenticate")
        return key


class TracedLimiter:
    """Marks `authorise`, which ends where rates begin, and `limit`."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def admit(self, key: ApiKey, models: tuple[str, ...], tokens: int) -> Admission:
        """See `ports.limiter.Limiter`."""
        mark("authorise")
        admission = self._limiter.admit(key, models, tokens)
        mark("limit")
        return admission


class TracedDeployments:
    """Marks `route`, and what came before it for a key without rates."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments
        self.enter, self.rest_us = deployments.enter, deployments.rest_us

    def order(self, route: Route, call_id: bytes) -> tuple[Deployment, ...]:
        """See `ports.deployments.Deployments`."""
        if (trace := current.get()) is not None and not trace.has_marked("limit"):
            trace.mark("authorise")
            trace.mark("limit")
        ordered = self._deployments.order(route, call_id)
        mark("route")
        return ordered


class TracedLedger:
    """Marks `reserve`, `meter` and `settle`, and keeps the usage record for the try that it is of."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def reserve(self, reservation: Reservation) -> None:
        """See `ports.ledger.Ledger`."""
        await self._ledger.reserve(reservation)
        mark("reserve")

    def settle(self, record: UsageRecord) -> None:
        """See `ports.ledger.Ledger`."""
        mark("meter")
        self._ledger.settle(record)
        mark("settle")
        if (trace := current.get()) is not None:
            trace.settled(record)


class TracedRelay(Relay):
    """Marks `forward`, and traces each try."""

    async def pass_through(self, client: Client, passage: Passage) -> WholeAnswer | None:
        """See `Relay.pass_through`."""
        trace = current.get()
        if trace is None:
            return await super().pass_through(client, passage)
        tried = trace.begin_try(passage.deployment, is_stream=passage.call.is_stream)
        try:
            answer = await super().pass_through(client, passage)
        except UpstreamFault as fault:
            tried.end(passage.status, fault.kind)
            raise
        except BaseException:
            tried.end(passage.status, "cancelled")
            raise
        finally:
            trace.mark("forward")
        tried.end(passage.status)
        return answer


def _are_the_ports(
    limiter: TracedLimiter, deployments: TracedDeployments, ledger: TracedLedger
) -> tuple[Limiter, Deployments, Ledger]:
    return limiter, deployments, ledger
