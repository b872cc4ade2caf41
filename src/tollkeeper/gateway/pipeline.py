"""The path of a call, top to bottom: authenticate, authorise, limit, reserve, route, forward, meter, settle.

Whoever makes the reservation settles it, once, whatever happens in between. Nothing here reads settings, clock or
environment by itself, and nothing touches SQL: a warm call needs only memory, the journal and the provider.
"""

from __future__ import annotations

import logging

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.deployment import Route
from tollkeeper.domain.errors import LimitRefusal, ModelNotFound, TollkeeperError, UpstreamFault
from tollkeeper.domain.rate_limit import estimate_tokens
from tollkeeper.domain.reservation import Reservation
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.ceiling import ceiling_of
from tollkeeper.gateway.client import Client, ClientGoneError
from tollkeeper.gateway.counting import count_usage
from tollkeeper.gateway.dialects import rate_headers
from tollkeeper.gateway.failover import pass_through_any
from tollkeeper.gateway.holding import Admitted, Holder
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.labels import read_labels
from tollkeeper.gateway.outgoing import outgoing_of
from tollkeeper.gateway.passage import Passage, tries_headers
from tollkeeper.gateway.relay import Relay
from tollkeeper.gateway.wire.call import PERMISSIONS, Call
from tollkeeper.gateway.wire.parsing import Asked, parse
from tollkeeper.kit.networks import Networks
from tollkeeper.kit.shield import run_shielded
from tollkeeper.ports.ledger import Ledger
from tollkeeper.ports.limiter import Admission, AdmitAll, Limiter
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.refusals import RefusalLog
from tollkeeper.ports.routes import Routes
from tollkeeper.ports.tokens import TokenCounter

COUNTING_S = 15.0
_UNLIMITED = AdmitAll()
_log = logging.getLogger(__name__)


class Pipeline(msgspec.Struct, frozen=True):
    """The data plane's parts, wired in `bootstrap`; `handle` is the path of one call."""

    authenticator: Authenticator
    routes: Routes
    limiter: Limiter
    holder: Holder
    ledger: Ledger
    prices: Prices
    relay: Relay
    counter: TokenCounter
    refusals: RefusalLog
    body_bytes_max: int
    trusted_proxies: Networks = Networks()

    async def handle(self, client: Client, asked: Asked) -> None:
        """Take one call through all steps and answer it; every refusal and fault is answered here."""
        key = call = passage = None
        try:
            found = await self.authenticator.authenticate(client.headers, now_us=client.started_us)  # 401
            key = key_in_use(found, client, PERMISSIONS[asked.operation], self.trusted_proxies)  # 401, 403
            body = await client.body(self.body_bytes_max)  # 413
            call = parse(asked, body, client.scope.get("query_string", b""))  # 400
            route = self._find_route(key.organization_id, call.model)  # 404
            if key.terms is not None:
                key.terms.check_model(call.model, route.deployments)  # 403
            admission = self._admit(key, call, route)  # 429
            try:
                passage = await self._reserve(client, key, call, route, admission)  # 429, 503
            finally:
                if passage is None:
                    admission.release(0)
            await self._forward(client, passage, route)  # 502, 504
        except TollkeeperError as error:
            await client.refuse(error)
            if key is not None and passage is None:
                self.refusals.note(_refused(client, key, call, error))
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

    def _admit(self, key: ApiKey, call: Call, route: Route) -> Admission:
        if not key.rates:
            return _UNLIMITED
        tokens = estimate_tokens(len(call.body), call.output_limit("openai"))
        return self.limiter.admit(key, route.model_names, tokens)

    async def _reserve(self, client: Client, key: ApiKey, call: Call, route: Route, admission: Admission) -> Passage:
        """Hold the most that the call can cost at any of its deployments, durably, before anything goes out."""
        deployment, book = route.deployments[0], self.prices.of(key.organization_id)
        labels = read_labels(client.headers.get(b"x-tollkeeper-labels"), call.metadata)
        if key.terms is not None:
            labels = key.terms.complete_labels(labels)
        ceiling = ceiling_of(route, call, book, at_us=client.started_us)
        holding = None
        if key.limits:
            holding = self.holder.hold_now(key, call, route, ceiling)
            if holding is None:
                holding = await self.holder.hold(key, call, route, ceiling, book=book, at_us=client.started_us)
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
            ceiling_nanos=ceiling.nanos if holding is None or ceiling.nanos is None else holding.held.nanos,
            end_user=call.end_user,
            labels=labels,
            draws=() if holding is None else holding.held.draws,
        )
        try:
            outgoing = outgoing_of(call, deployment, None if holding is None else holding.output_tokens)
            await self.ledger.reserve(reservation)
        except BaseException:
            if holding is not None:
                holding.held.release()
            raise
        return Passage(
            call,
            reservation,
            deployment,
            book,
            outgoing=outgoing,
            admitted=Admitted(admission, holding),
            started_ns=client.started_ns,
        )

    async def _forward(self, client: Client, passage: Passage, route: Route) -> None:
        """Forward the call, meter what comes back, and settle before the client has the end of its answer."""
        try:
            answer = await pass_through_any(self.relay, client, passage, route.deployments[1:])
        except UpstreamFault as fault:
            passage.failed(fault)
            raise
        finally:
            await self._settle(passage)
        if answer is None:
            await client.end()
        else:
            rates = rate_headers(client.dialect, passage.admission.headers(), client.started_us)
            headers = [*answer.headers_with_cost(passage.charge), *tries_headers(passage), *rates]
            await client.reply(answer.status, headers, answer.body)

    async def _settle(self, passage: Passage) -> None:
        """End the reservation with what the call cost, counting tokens first when the provider did not state them."""
        try:
            if passage.needs_counting:
                await run_shielded(count_usage(passage, self.counter), timeout_s=COUNTING_S)
        except TimeoutError:  # the call stays unpriced; its answer is paid for and still the client's
            _log.warning("the tokens of request req_%s could not be counted in time", passage.reservation.call_id.hex())
        finally:
            self.ledger.settle(passage.record())
            passage.admission.release(passage.tokens_used)


def _refused(client: Client, key: ApiKey, call: Call | None, error: TollkeeperError) -> RefusedCall:
    """Return what is kept of a call that was refused before it went out."""
    return RefusedCall(
        call_id=client.call_id,
        organization_id=key.organization_id,
        project_id=key.project_id,
        api_key_id=key.id,
        model="" if call is None else call.model,
        at_us=client.started_us,
        status=client.status,
        code=error.code,
        message=error.public_message,
        looked_at=error.looked_at if isinstance(error, LimitRefusal) else (),
    )
