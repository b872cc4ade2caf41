"""The path of a call, top to bottom: authenticate, authorise, limit, reserve, route, forward, meter, settle.

Whoever makes the reservation settles it, once, whatever happens in between. Nothing here reads settings, clock or
environment by itself, and nothing touches SQL: a warm call needs only memory, the journal and the provider.
"""

from __future__ import annotations

import logging

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Route
from tollkeeper.domain.errors import ModelNotFound, TollkeeperError, UpstreamFault
from tollkeeper.domain.reservation import Reservation
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.ceiling import ceiling_of
from tollkeeper.gateway.client import Client, ClientGoneError
from tollkeeper.gateway.counting import count_usage
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.labels import read_labels
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.relay import Relay
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.kit.networks import Networks
from tollkeeper.kit.shield import run_shielded
from tollkeeper.ports.ledger import Ledger
from tollkeeper.ports.limiter import Limiter
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.routes import Routes
from tollkeeper.ports.tokens import TokenCounter

COUNTING_S = 15.0
_log = logging.getLogger(__name__)


class Pipeline(msgspec.Struct, frozen=True):
    """The data plane's parts, wired in `bootstrap`; `handle` is the path of one call."""

    authenticator: Authenticator
    routes: Routes
    limiter: Limiter
    ledger: Ledger
    prices: Prices
    relay: Relay
    counter: TokenCounter
    body_bytes_max: int
    trusted_proxies: Networks = Networks()

    async def handle(self, client: Client, operation: wire.Operation) -> None:
        """Take one call through all steps and answer it; every refusal and fault is answered here."""
        try:
            found = await self.authenticator.authenticate(client.headers, now_us=client.started_us)  # 401
            key = key_in_use(found, client, wire.PERMISSIONS[operation], self.trusted_proxies)  # 401, 403
            call = wire.parse(operation, await client.body(self.body_bytes_max))  # 400, 413
            route = self._find_route(key.organization_id, call.model)  # 404
            if key.terms is not None:
                key.terms.check_model(call.model, route.deployments)  # 403
            admission = self.limiter.admit(key, call.model, len(call.body))  # 429
            passage = None
            try:
                passage = await self._reserve(client, key, call, route)  # 429, 503
                await self._forward(client, passage)  # 502, 504
            finally:
                admission.release(0 if passage is None else passage.tokens_used)
        except TollkeeperError as error:
            await client.refuse(error)
        except ClientGoneError:
            return

    def _find_route(self, organization_id: str, model: str) -> Route:
        route = self.routes.of(organization_id).resolve(model)
        if route is None:
            raise ModelNotFound(
                f"The model '{model}' does not exist here or no provider is configured for it; "
                "GET /v1/models lists what there is."
            )
        return route

    async def _reserve(self, client: Client, key: ApiKey, call: wire.Call, route: Route) -> Passage:
        """Hold the most that the call can cost at any of its deployments, durably, before anything goes out."""
        deployment, book = route.deployments[0], self.prices.of(key.organization_id)
        labels = read_labels(client.headers.get(b"x-tollkeeper-labels"), call.metadata)
        if key.terms is not None:
            labels = key.terms.complete_labels(labels)
        reservation = Reservation(
            call_id=client.call_id,
            organization_id=key.organization_id,
            project_id=key.project_id,
            api_key_id=key.id,
            operation=call.operation,
            model_asked=call.model,
            model=deployment.model,
            provider=deployment.provider.name,
            is_stream=call.is_stream,
            started_at_us=client.started_us,
            ceiling_nanos=ceiling_of(route, call, book, at_us=client.started_us),
            end_user=call.end_user,
            labels=labels,
        )
        await self.ledger.reserve(reservation)
        return Passage(call, reservation, deployment, book, started_ns=client.started_ns)

    async def _forward(self, client: Client, passage: Passage) -> None:
        """Forward the call, meter what comes back, and settle before the client has the end of its answer."""
        try:
            answer = await self.relay.pass_through(client, passage)
        except UpstreamFault as fault:
            passage.failed(fault)
            raise
        finally:
            await self._settle(passage)
        if answer is None:
            await client.end()
        else:
            await client.reply(answer.status, answer.headers_with_cost(passage.charge), answer.body)

    async def _settle(self, passage: Passage) -> None:
        """End the reservation with what the call cost, counting tokens first when the provider did not state them."""
        try:
            if passage.needs_counting:
                await run_shielded(count_usage(passage, self.counter), timeout_s=COUNTING_S)
        except TimeoutError:  # the call stays unpriced; its answer is paid for and still the client's
            _log.warning("the tokens of request req_%s could not be counted in time", passage.reservation.call_id.hex())
        finally:
            self.ledger.settle(passage.record())
