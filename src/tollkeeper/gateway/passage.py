"""What is known of one forwarded call while it passes, and the usage record it becomes at the end."""

from __future__ import annotations

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.price import PriceBook, charge_for, price_tier
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import Charge, CostState, Outcome, Try, Usage, UsageRecord
from tollkeeper.gateway.holding import Admitted
from tollkeeper.gateway.outgoing import Outgoing
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, Call
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.kit import clock
from tollkeeper.ports.upstream import Exchange

_TRIES = b"x-tollkeeper-tries"
_UNBILLED = Charge(CostState.UNBILLED, 0)
_NOTHING = Usage({})


class Passage:
    """The facts of a call from its reservation to its settlement; filled in as they come to be known."""

    __slots__ = (
        "_answered_ns",
        "_book",
        "_charge",
        "_first_byte_ns",
        "_holding",
        "_rates",
        "_sent_ns",
        "_started_ns",
        "_usage",
        "admission",
        "body",
        "call",
        "deployment",
        "input_usage",
        "is_sent",
        "model_served",
        "outcome",
        "output_texts",
        "provider_request_id",
        "reason",
        "reservation",
        "status",
        "tier",
        "translation",
        "tries",
    )

    def __init__(  # noqa: PLR0913  # what `_reserve` has put together
        self,
        call: Call,
        reservation: Reservation,
        deployment: Deployment,
        book: PriceBook,
        *,
        admitted: Admitted,
        outgoing: Outgoing,
        started_ns: int,
    ) -> None:
        self.call, self.reservation, self.deployment = call, reservation, deployment
        self.body, self.translation = outgoing.body, outgoing.translation
        self.admission, self._holding = admitted.admission, admitted.holding
        self._rates = admitted.admission.figures
        self.outcome = Outcome.BROKEN  # until it is known to have ended otherwise
        self.status = 0
        self.is_sent = False  # the provider may have seen the request
        self.tries: list[Try] = []  # what was tried before
        self.model_served = ""
        self.provider_request_id = ""
        self.input_usage: Usage | None = None  # what is known of the input when the output must be counted
        self.output_texts: list[str] = []  # what came, in case it must be counted
        self.reason = ""
        self.tier = price_tier(None, call.service_tier)  # until it is known which tier served
        self._book = book
        self._usage: Usage | None = None
        self._charge: Charge | None = None
        self._started_ns = started_ns
        self._sent_ns = self._first_byte_ns = self._answered_ns = 0

    def sending(self) -> None:
        """Note that the request goes out now."""
        self._sent_ns = clock.monotonic_ns()
        self.is_sent = True

    def answering(self, exchange: Exchange) -> None:
        """Note that the provider's answer begins now."""
        self._first_byte_ns = clock.monotonic_ns()
        self.status = exchange.status

    def ended(self, outcome: Outcome, reason: str = "") -> None:
        """Note that the provider's answer has ended now, and how."""
        self._answered_ns = clock.monotonic_ns()
        self.outcome, self.reason = outcome, reason

    def failed(self, fault: UpstreamFault) -> None:
        """Note that the provider's answer broke off, or never came."""
        self.ended(Outcome.BROKEN, f"{fault.kind}: {fault.message}")
        self.is_sent = fault.sent or self.status != 0

    @property
    def output_tokens(self) -> int | None:
        """What each answer may have at most because no more is paid for; None when nothing is to be said."""
        return None if self._holding is None else self._holding.output_tokens

    def move_on(self, deployment: Deployment, outgoing: Outgoing, fault: UpstreamFault | None) -> None:
        """Leave a deployment that did not serve, which is not billed, for another one; a `fault` says why, else its status."""
        last = self.deployment
        reason = "" if fault is None else fault.kind
        self.tries.append(Try(last.provider.name, printable(last.model, MODEL_NAME_LENGTH_MAX), self.status, reason))
        self.deployment, self.body, self.translation = deployment, outgoing.body, outgoing.translation
        self.outcome, self.status, self.is_sent, self.reason = Outcome.BROKEN, 0, False, ""
        self.model_served = self.provider_request_id = ""
        self._sent_ns = self._first_byte_ns = self._answered_ns = 0

    @property
    def path(self) -> str:
        """Where the call goes, below the provider's base URL."""
        return api_of(self.deployment.provider.kind).path_for(self.call, self.deployment.model)

    @property
    def is_billed(self) -> bool:
        """Tell whether the provider bills the call, as far as can be known: it was sent, and the answer is no error."""
        return self.is_sent and (self.status == 0 or 200 <= self.status < 300)

    @property
    def needs_counting(self) -> bool:
        return self._usage is None and self.is_billed

    @property
    def tokens_used(self) -> int | None:
        """All tokens of the call; None when nobody knows."""
        return None if self._usage is None else sum(self._usage.quantities.values())

    def use(self, usage: Usage) -> Charge:
        """Take a usage as the call's own and return its charge, at the tier that served, else at the one asked for."""
        if usage is not self._usage or self._charge is None:
            self._usage, self._charge = usage, self._price(usage)
        return self._charge

    @property
    def charge(self) -> Charge:
        """What the call costs, as far as is known now."""
        if not self.is_billed:
            return _UNBILLED
        if self._charge is None:
            return Charge(CostState.UNPRICED, None, reason="its tokens could not be counted")
        return self._charge

    def record(self) -> UsageRecord:
        """Put the usage record together."""
        held, charge = self.reservation, self.charge
        usage = (self._usage if self.is_billed else None) or _NOTHING
        latency_ns = clock.monotonic_ns() - self._started_ns
        waited_ns = (self._answered_ns or clock.monotonic_ns()) - self._sent_ns if self._sent_ns else 0
        return UsageRecord(
            call_id=held.call_id,
            organization_id=held.organization_id,
            project_id=held.project_id,
            api_key_id=held.api_key_id,
            operation=held.operation,
            model_asked=held.model_asked,
            model_served=printable(self.model_served, MODEL_NAME_LENGTH_MAX) or self.deployment.model,
            provider=self.deployment.provider.name,
            status=self.status,
            outcome=self.outcome,
            is_stream=held.is_stream,
            started_at_us=held.started_at_us,
            latency_us=latency_ns // 1000,
            first_byte_us=max(0, self._first_byte_ns - self._started_ns) // 1000,
            overhead_us=max(0, latency_ns - waited_ns) // 1000,
            service_tier=self.tier,
            quantities=usage.quantities,
            reasoning_tokens=usage.reasoning_tokens,
            is_estimated=usage.is_estimated,
            lines=charge.lines,
            amount_nanos=charge.amount_nanos,
            cost_state=charge.state,
            reason=charge.reason or self.reason,
            end_user=held.end_user,
            labels=held.labels,
            provider_request_id=self.provider_request_id,
            draws=self._settle_held(charge),
            reserved_nanos=held.ceiling_nanos or 0,
            rates=self._rates,
            tries=tuple(self.tries),
        )

    def _settle_held(self, charge: Charge) -> tuple[Draw, ...]:
        """End what is held. Where nobody knows what the call came to, all that was held for it counts, also when the
        record's estimate is less: the provider may have written, and bill, more than was seen (decision 0005).
        """
        if self._holding is None:
            return ()
        held = self._holding.held
        if not self.is_billed:
            return held.settle(0, 0)
        is_open = self._is_end_unknown
        nanos, tokens = charge.amount_nanos, self.tokens_used
        return held.settle(
            held.nanos if nanos is None else max(nanos, held.nanos if is_open else 0),
            self._holding.tokens if tokens is None else max(tokens, self._holding.tokens if is_open else 0),
        )

    @property
    def _is_end_unknown(self) -> bool:
        """The provider stated no usage, and the answer was not read to its end: only what came could be counted."""
        is_stated = self._usage is not None and not self._usage.is_estimated
        return not is_stated and self.outcome is not Outcome.COMPLETE

    def _price(self, usage: Usage) -> Charge:
        if self.call.may_cause_fees(self.deployment.model):
            return Charge(CostState.UNPRICED, None, reason="it may have caused fees that have no price")
        price_list, model = self.deployment.provider.price_list, self.deployment.model
        prices = self._book.find(price_list, self.model_served) if self.model_served not in {"", model} else None
        prices = prices or self._book.find(price_list, model)
        self.tier = price_tier(usage.service_tier, self.call.service_tier)
        return charge_for(prices, usage, at_us=self.reservation.started_at_us, tier=self.tier)


def tries_headers(passage: Passage) -> list[tuple[bytes, bytes]]:
    """Return the header that says how many deployments were tried, when it was more than one."""
    return [(_TRIES, b"%d" % (len(passage.tries) + 1))] if passage.tries else []
