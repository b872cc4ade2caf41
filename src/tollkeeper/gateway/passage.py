"""What is known of one forwarded call while it passes, and the usage record it becomes at the end."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.deployment_health import Failure
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.price import PriceBook, charge_for, charge_reported, price_tier
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import Charge, CostState, Outcome, Try, Usage, UsageRecord
from tollkeeper.gateway.client import Marks
from tollkeeper.gateway.holding import Admitted
from tollkeeper.gateway.outgoing import Outgoing
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, Call
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.gateway.wire.unseen import PLAIN
from tollkeeper.kit import clock
from tollkeeper.ports.upstream import Exchange

_TRIES = b"x-tollkeeper-tries"
_UNBILLED = Charge(CostState.UNBILLED, 0)
_NOTHING = Usage({})


class Passage:
    """The facts of a call from its reservation to its settlement; filled in as they come to be known.

    It begins the moment that its reservation is written.
    """

    __slots__ = (
        "_answered_ns",
        "_book",
        "_charge",
        "_first_byte_ns",
        "_first_sent_ns",
        "_holding",
        "_marks",
        "_rates",
        "_reserved_ns",
        "_sent_ns",
        "_stated",
        "_tier_asked",
        "_tokens",
        "_tokens_before",
        "_usage",
        "_waited_ns",
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
        marks: Marks,
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
        self.tier = self._tier_asked = price_tier(None, call.service_tier)  # until it is known which tier served
        self._book = book
        self._usage: Usage | None = None
        self._stated: Usage | None = None  # before what no answer states
        self._charge: Charge | None = None
        self._marks, self._reserved_ns = marks, clock.monotonic_ns()
        self._sent_ns = self._first_byte_ns = self._answered_ns = 0
        self._first_sent_ns = 0  # of a try before
        self._waited_ns = 0  # of tries before, and for limits
        self._tokens: int | None = None  # once they have been counted up
        self._tokens_before: int | None = 0  # of a lost try

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

    def turn_to(self, deployment: Deployment, outgoing: Outgoing, failure: Failure | None) -> None:
        """Go to another deployment; `failure` is what was met at the last one, which is not billed. None: it was not asked."""
        if failure is not None:
            self.tries.append(_try(self, failure.reason))
            if self._sent_ns:  # else there was no key to send it with
                self._waited_ns += clock.monotonic_ns() - self._sent_ns
            self.outcome, self.status, self.is_sent, self.reason = Outcome.BROKEN, 0, False, ""
            self.model_served = self.provider_request_id = ""
            self._first_sent_ns = self._first_sent_ns or self._sent_ns
            self._sent_ns = self._first_byte_ns = self._answered_ns = 0
        self.deployment, self.body, self.translation = deployment, outgoing.body, outgoing.translation

    def follow(self, lost: Passage, fault: UpstreamFault) -> None:
        """Come after a try that may be billed, and so has a record of its own."""
        self.tries = [*lost.tries, _try(lost, fault.kind, lost.request_id)]
        self._tokens_before = lost.tokens_of_all_tries

    @property
    def request_id(self) -> str:
        """The call's id as people and headers have it."""
        return f"req_{self.reservation.call_id.hex()}"

    def shown_tries(self, reason: str) -> list[str]:
        """Return every try, for people; `reason` is what the last one met."""
        tries = [*self.tries, _try(self, reason)]
        return [f"{each.provider}/{each.model}: {each.status or each.reason}" for each in tries]

    def waited(self, wait_us: int) -> None:
        """Note that so long was just waited for a provider: it is no overhead.

        Once a request went out all time since then counts already; where its answer had ended, it now ends here.
        """
        if not self._sent_ns:
            self._waited_ns += wait_us * 1000
        elif self._answered_ns:
            self._answered_ns = clock.monotonic_ns()

    @property
    def path(self) -> str:
        """Where the call goes, below the provider's base URL."""
        return api_of(self.deployment.provider.kind).path_for(self.call, self.deployment.model)

    @property
    def content_type(self) -> bytes:
        return self.call.content_type

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
        if self._tokens is None and self._usage is not None:
            self._tokens = self._usage.tokens
        return self._tokens

    @property
    def tokens_of_all_tries(self) -> int | None:
        """Those of tries before that may be billed included; None when nobody knows."""
        if self._usage is None or self._tokens_before is None or not self._usage.quantities:
            return None
        tokens = self.tokens_used
        return None if tokens is None else self._tokens_before + tokens

    def use(self, usage: Usage) -> Charge:
        """Take a usage as the call's own and return its charge, at the tier that served, else at the one asked for."""
        if usage is not self._stated or self._charge is None:
            self._stated = self._usage = usage
            self._tokens = None
            if fees := self.call.certain_fees(self.deployment.model):
                self._usage = msgspec.structs.replace(usage, quantities={**usage.quantities, **fees})
            self._charge = self._price(self._usage)
        return self._charge

    def use_of(self, usage: Usage, model_served: str) -> Charge:
        """Do as `use` does with a usage of the model that served."""
        self.model_served = model_served
        return self.use(usage)

    def use_reserved(self) -> None:
        """Take what was reserved for the call's cost, because nobody can know it; as an estimate."""
        nanos, self._usage, self._tokens = self.reservation.ceiling_nanos, Usage({}, is_estimated=True), None
        state = CostState.UNPRICED if nanos is None else CostState.ESTIMATED
        self._charge = Charge(state, nanos, reason=self.reason)

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
        usage = _NOTHING if charge is _UNBILLED else self._usage or _NOTHING
        metered_ns, started_ns = clock.monotonic_ns(), self._marks[0]
        latency_ns, waited_ns = metered_ns - started_ns, self._waited_ns
        if self._sent_ns:
            waited_ns += (self._answered_ns or metered_ns) - self._sent_ns
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
            first_byte_us=max(0, self._first_byte_ns - started_ns) // 1000,
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
            steps_us=self._steps_us(metered_ns),
        )

    def _steps_us(self, metered_ns: int) -> tuple[int, int, int, int, int, int]:
        """Return what each of `domain.call_steps.OWN_STEPS` took: each ends where the next one begins."""
        started_ns, authenticated_ns, authorised_ns, admitted_ns = self._marks
        reserved_ns, answered_ns = self._reserved_ns, self._answered_ns or metered_ns
        routed_ns = self._first_sent_ns or self._sent_ns
        return (
            (authenticated_ns - started_ns) // 1000,
            (authorised_ns - authenticated_ns) // 1000,
            (admitted_ns - authorised_ns) // 1000,
            (reserved_ns - admitted_ns) // 1000,
            ((routed_ns or answered_ns) - reserved_ns) // 1000,
            (metered_ns - answered_ns) // 1000,
        )

    def _settle_held(self, charge: Charge) -> tuple[Draw, ...]:
        """End what is held. Where nobody knows what the call came to, all that was held for it counts, also when the
        record's estimate is less: the provider may have written, and bill, more than was seen (decision 0005).
        """
        if self._holding is None:
            return ()
        held = self._holding.held
        if charge is _UNBILLED:
            return held.settle(0, 0)
        is_open = self._is_end_unknown
        nanos, tokens = charge.amount_nanos, self.tokens_used
        return held.settle(
            held.nanos if nanos is None else max(nanos, held.nanos if is_open else 0),
            self._holding.tokens if tokens is None else max(tokens, self._holding.tokens if is_open else 0),
        )

    @property
    def _is_end_unknown(self) -> bool:
        """The provider stated no usage, and what came could not all be counted: it was not read to its end, or the call has
        more than text, or tools of the provider that add to it.
        """
        if self._usage is not None and not self._usage.is_estimated:
            return False
        call = self.call
        return (
            self.outcome is not Outcome.COMPLETE
            or call.is_uncountable
            or call.unseen() is not PLAIN
            or call.reads_max(self.deployment.model) > 0
        )

    def _price(self, usage: Usage) -> Charge:
        provider = self.deployment.provider
        if usage.reported_nanos is not None and not usage.is_estimated and provider.is_cost_believed:
            self.tier = self._tier_of(usage)
            return charge_reported(usage.reported_nanos, provider.name)
        price_list, model = provider.price_list, self.deployment.model
        if self.call.has_uncounted_fees(model):
            return Charge(CostState.UNPRICED, None, reason="it may have caused fees that its answer does not state")
        prices = self._book.find(price_list, self.model_served) if self.model_served not in {"", model} else None
        prices = prices or self._book.find(price_list, model)
        self.tier = self._tier_of(usage)
        at_us = self.reservation.started_at_us
        return charge_for(
            prices, usage, at_us=at_us, tier=self.tier, find=lambda other: self._book.find(price_list, other)
        )

    def _tier_of(self, usage: Usage) -> str:
        return price_tier(usage.service_tier, self.call.service_tier) if usage.service_tier else self._tier_asked


def tries_headers(passage: Passage) -> list[tuple[bytes, bytes]]:
    """Return the header that says how many deployments were tried, when it was more than one."""
    return [(_TRIES, b"%d" % (len(passage.tries) + 1))] if passage.tries else []


def _try(passage: Passage, reason: str, request_id: str = "") -> Try:
    """Describe where a passage is, which did not serve."""
    at = passage.deployment
    return Try(at.provider.name, printable(at.model, MODEL_NAME_LENGTH_MAX), passage.status, reason, request_id)
