"""What a call consumed: disjoint billable quantities, and the usage record that keeps them with their charge."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tollkeeper.domain.lease import Draw


class Dimension(StrEnum):
    """A billable class of units. Classes are disjoint: a unit is counted in exactly one."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_30M = "cache_write_30m"
    CACHE_WRITE_1H = "cache_write_1h"
    CACHE_WRITE_12H = "cache_write_12h"
    OUTPUT = "output"
    INPUT_AUDIO = "input_audio"
    CACHE_READ_AUDIO = "cache_read_audio"
    OUTPUT_AUDIO = "output_audio"
    INPUT_IMAGE = "input_image"
    CACHE_READ_IMAGE = "cache_read_image"
    OUTPUT_IMAGE = "output_image"


INPUT_DIMENSIONS = frozenset(d.value for d in Dimension if not d.value.startswith("output"))
"""Every dimension that counts towards a long-context threshold: the whole input, cached or not."""


class Usage(msgspec.Struct, frozen=True):
    """What the provider says a call consumed, or our estimate of it.

    `quantities` holds only dimensions that were stated, zero included: an explicit zero is known to be zero.
    `reasoning_tokens` is a part of the output, kept for information and never priced by itself.
    `service_tier` is the tier that served, in the provider's word; None when it did not say.
    """

    quantities: dict[str, int]
    reasoning_tokens: int = 0
    service_tier: str | None = None
    is_estimated: bool = False

    @property
    def input_total(self) -> int:
        """All input tokens, cached ones included: what selects a long-context price."""
        total = 0
        for dimension, count in self.quantities.items():
            if dimension in INPUT_DIMENSIONS:
                total += count
        return total

    @property
    def output_total(self) -> int:
        return sum(count for dimension, count in self.quantities.items() if dimension not in INPUT_DIMENSIONS)


class CostState(StrEnum):
    """How the amount of a usage record came about."""

    REPORTED = "reported"  # the provider says what it billed
    COMPUTED = "computed"  # the provider's usage × the price book
    ESTIMATED = "estimated"  # our own count × the price book
    UNPRICED = "unpriced"  # no price is known: there is no amount, which is not zero
    UNBILLED = "unbilled"  # the provider does not bill it (it answered with an error)


class Outcome(StrEnum):
    """How a forwarded call ended."""

    COMPLETE = "complete"
    PROVIDER_ERROR = "provider_error"  # an answer outside 2xx
    BROKEN = "broken"  # the provider's answer broke off or never came
    CLIENT_GONE = "client_gone"  # the client left; the answer was drained or counted
    CRASHED = "crashed"  # the gateway died; found again in the journal


class ChargeLine(msgspec.Struct, frozen=True, array_like=True):
    """One priced dimension: `amount_nanos` = `quantity` × `price_pico`, rounded once."""

    dimension: str
    quantity: int
    price_pico: int
    amount_nanos: int
    source: str


class Charge(msgspec.Struct, frozen=True):
    """What a call costs, line by line. `amount_nanos` is None exactly when `state` is unpriced; `reason` then says why."""

    state: CostState
    amount_nanos: int | None
    lines: tuple[ChargeLine, ...] = ()
    reason: str = ""


class RateFigure(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A rate that a call was let in by: its limit per minute, and what was left of it with the call in it."""

    rate_limit_id: str
    unit: str
    limit: int
    left: int


class Try(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A deployment that was tried before the one that the record is of, and did not serve.

    `status` is its HTTP status; 0 when none came, and then `reason` is the kind of the fault.
    """

    provider: str
    model: str
    status: int
    reason: str = ""


class UsageRecord(msgspec.Struct, array_like=True):
    """One forwarded call, as it is journaled and stored. Field order is the journal's format: append only.

    `call_id` is a uuid7 (16 bytes) and makes every write of the record idempotent. Times are microseconds; the start
    is since 1970 UTC. `overhead_us` is the call's latency less the time spent waiting for the provider.
    """

    call_id: bytes
    organization_id: str
    project_id: str
    api_key_id: str
    operation: str  # chat.completions | completions | embeddings | messages | generate_content
    model_asked: str
    model_served: str
    provider: str
    status: int  # the provider's HTTP status; 0 when none came
    outcome: Outcome
    is_stream: bool
    started_at_us: int
    latency_us: int
    first_byte_us: int
    overhead_us: int
    service_tier: str  # the price tier that was applied
    quantities: dict[str, int]
    reasoning_tokens: int
    is_estimated: bool
    lines: tuple[ChargeLine, ...]
    amount_nanos: int | None
    cost_state: CostState
    reason: str = ""  # why estimated or unpriced
    end_user: str = ""
    labels: dict[str, str] = {}
    provider_request_id: str = ""
    draws: tuple[Draw, ...] = ()  # what the call came to, by lease
    reserved_nanos: int = 0  # what was reserved for it at first
    rates: tuple[RateFigure, ...] = ()  # by which it was let in
    tries: tuple[Try, ...] = ()  # that came before, none of them billed
