"""The path of a call, top to bottom: authenticate, authorise, limit, reserve, route, forward, meter, settle.

Whoever makes the reservation settles it, once, whatever happens in between. Nothing here reads settings or environment,
nor the clock but to note when a step has ended, and nothing touches SQL: a warm call needs only memory, the journal and the
provider.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import DeploymentsBusy, TollkeeperError, UpstreamFault
from tollkeeper.domain.rate_limit import estimate_tokens
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import Outcome
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.backgrounds import Backgrounds
from tollkeeper.gateway.candidates import Candidates
from tollkeeper.gateway.ceiling import ceiling_of
from tollkeeper.gateway.client import Client, ClientGoneError
from tollkeeper.gateway.counting import count_usage
from tollkeeper.gateway.dialects import rate_headers
from tollkeeper.gateway.failover import pass_through_any
from tollkeeper.gateway.holding import Admitted, Holder
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.labels import read_labels
from tollkeeper.gateway.outgoing import first_outgoing
from tollkeeper.gateway.passage import Passage, tries_headers
from tollkeeper.gateway.refused import refused_call
from tollkeeper.gateway.relay import Relay
from tollkeeper.gateway.response_ids import ResponseIds
from tollkeeper.gateway.routing import find_route
from tollkeeper.gateway.wire.call import PERMISSIONS, Call
from tollkeeper.gateway.wire.parsing import Asked, parse
from tollkeeper.gateway.wire.responses import ResponsesCall
from tollkeeper.kit import clock
from tollkeeper.kit.networks import Networks
from tollkeeper.kit.shield import run_shielded
from tollkeeper.ports.call_counts import CallCounts, CountNothing
from tollkeeper.ports.deployments import Deployments
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
    deployments: Deployments
    ids: ResponseIds
    backgrounds: Backgrounds
    body_bytes_max: int
    provider_wait_us: int
    trusted_proxies: Networks = Networks()
    counts: CallCounts = CountNothing()

    async def handle(self, client: Client, asked: Asked) -> None:
        """Take one call through all steps and answer it; every refusal and fault is answered here."""
        key = call = passage = None
        try:
            found = await self.authenticator.authenticate(client.headers, now_us=client.started_us)  # 401
            authenticated_ns = clock.monotonic_ns()
            key = key_in_use(found, client, PERMISSIONS[asked.operation], self.trusted_proxies)  # 401, 403
            body = await client.body(self.body_bytes_max)  # 413
            call = parse(asked, body, client.scope.get("query_string", b""), client.headers)  # 400
            route = find_route(self.routes, key.organization_id, call.model)  # 404
            if call.names_ids:
                route = self._bind_ids(call, key, route)  # 400
            if key.terms is not None:
                key.terms.check_model(call.model, route.deployments)  # 403
            authorised_ns = clock.monotonic_ns()
            admission = self._admit(key, call, route)  # 429
            client.marks = (client.started_ns, authenticated_ns, authorised_ns, clock.monotonic_ns())
            try:
                ordered = self.deployments.order(route, client.call_id)
                passage = await self._reserve(client, key, call, route, ordered, admission)  # 429, 503
                candidates = Candidates(client, self.deployments, route, ordered, self.provider_wait_us)
            finally:
                if passage is None:
                    admission.release(0)
            await self._forward(client, key, passage, route, candidates)  # 429, 502, 504
        except TollkeeperError as error:
            await client.refuse(error)
            if key is not None and passage is None:
                self.refusals.note(refused_call(client, key, "" if call is None else call.model, error))
        except ClientGoneError:
            return

    def _bind_ids(self, call: Call, key: ApiKey, route: Route) -> Route:
        """Return the route of a call that may name what lies at a provider: only where that is."""
        assert isinstance(call, ResponsesCall), "no other call names such ids"
        if call.is_background:
            self.backgrounds.check_room(key.organization_id)
        return self.ids.bind(call, key, route)

    def _admit(self, key: ApiKey, call: Call, route: Route) -> Admission:
        if not key.rates:
            return _UNLIMITED
        tokens = estimate_tokens(call.readable_bytes, call.output_limit("openai"))
        return self.limiter.admit(key, route.model_names, tokens)

    async def _reserve(
        self,
        client: Client,
        key: ApiKey,
        call: Call,
        route: Route,
        ordered: Sequence[Deployment],
        admission: Admission,
    ) -> Passage:
        """Hold the most that the call can cost at any of its deployments, durably, before anything goes out."""
        book = self.prices.of(key.organization_id)
        labels = read_labels(client.headers.get(b"x-tollkeeper-labels"), call.metadata)
        if key.terms is not None:
            labels = key.terms.complete_labels(labels)
        ceiling = ceiling_of(route, call, book, at_us=client.started_us)
        holding = None
        if key.limits:
            holding = self.holder.hold_now(key, call, route, ceiling)
            if holding is None:
                holding = await self.holder.hold(key, call, route, ceiling, book=book, at_us=client.started_us)
        try:
            deployment, outgoing = first_outgoing(call, ordered, None if holding is None else holding.output_tokens)
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
            marks=client.marks,
        )

    async def _forward(
        self, client: Client, key: ApiKey, passage: Passage, route: Route, candidates: Candidates
    ) -> None:
        """Forward the call, meter what comes back, and settle before the client has the end of its answer.

        A try that broke may be billed. Where another deployment can serve, it is settled by itself, and the call goes on
        under a reservation of its own.
        """
        following = answer = None
        try:
            answer = await pass_through_any(self.relay, client, passage, candidates)
        except UpstreamFault as fault:
            passage.failed(fault)
            fault.tell(passage.deployment.provider.name, passage.shown_tries(fault.kind), passage.call.model)
            _log.warning("provider '%s': %s", passage.deployment.provider.name, fault.message)
            if fault.sent and not client.status and fault.kind != "too_large":  # which it would be elsewhere, too
                following = await candidates.following(passage)
            if following is None:
                raise
            lost = fault
        except DeploymentsBusy as busy:
            passage.ended(Outcome.BROKEN, busy.message)
            raise
        except ClientGoneError:
            passage.ended(Outcome.CLIENT_GONE, "the client left before the next try")
            raise
        finally:
            await self._settle(passage, is_last=following is None)
        if following is not None:
            again = await self._reserve_again(client, key, passage, route, following, lost)
            await self._forward(client, key, again, route, candidates)
        elif answer is None:
            await client.end()
        else:
            rates = rate_headers(client.dialect, passage.admission.headers(), client.started_us)
            headers = [*answer.headers_with_cost(passage.charge), *tries_headers(passage), *rates]
            await client.reply(answer.status, headers, answer.body)

    async def _reserve_again(
        self, client: Client, key: ApiKey, lost: Passage, route: Route, deployment: Deployment, fault: UpstreamFault
    ) -> Passage:
        """Reserve once more for a call whose last try may be billed.

        Raises:
            UpstreamFault: the last one's, when the key's limits have no room for another.
            ClientGoneError: the client left while the last one was settled.
        """
        client.renew_id()
        try:
            client.require_there()
            again = await self._reserve(client, key, lost.call, route, (deployment,), lost.admission)
        except BaseException as error:
            lost.admission.release(lost.tokens_of_all_tries)
            if isinstance(error, TollkeeperError):
                raise fault from None
            raise
        again.follow(lost, fault)
        return again

    async def _settle(self, passage: Passage, *, is_last: bool) -> None:
        """End the reservation with what the call cost, counting tokens first when the provider did not state them.

        A response that goes on in the background keeps its reservation until it has ended.
        """
        is_ending = True
        try:
            if passage.needs_counting:
                if passage.call.pending_id:
                    is_ending = False
                    self.backgrounds.follow(passage, partial(self._settle, is_last=is_last))
                else:
                    await run_shielded(count_usage(passage, self.counter), timeout_s=COUNTING_S)
        except TimeoutError:  # the call stays unpriced; its answer is paid for and still the client's
            _log.warning("the tokens of request req_%s could not be counted in time", passage.reservation.call_id.hex())
        except BaseException:
            is_last = True  # nothing follows any more
            raise
        finally:
            if is_ending:
                record = passage.record()
                self.ledger.settle(record)
                if is_last:
                    passage.admission.release(passage.tokens_of_all_tries)
                self.counts.settled(record, passage.deployment, passage.call.dialect)
