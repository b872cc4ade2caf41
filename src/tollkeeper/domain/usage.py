"""What a call consumed: disjoint billable quantities, and the usage record that keeps them with their charge."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tollkeeper.domain.lease import Draw


class Dimension(StrEnum):
    """A billable class of units. Classes are disjoint: a unit is counted in exactly one.

    The first ones are tokens. Those behind them are counted per use of a tool of the provider, and the last ones per unit
    of what a call sends or gets: they are no tokens, and count towards nothing that is held to tokens.
    """

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

    WEB_SEARCH = "web_search"
    FILE_SEARCH = "file_search"
    GROUNDING = "grounding"
    CODE_SESSION = "code_session"

    CHARACTERS = "characters"
    SECONDS = "seconds"
    IMAGE = "image"


FEE_DIMENSIONS = frozenset(
    {Dimension.WEB_SEARCH.value, Dimension.FILE_SEARCH.value, Dimension.GROUNDING.value, Dimension.CODE_SESSION.value}
)
"""Those counted per use of a tool of the provider."""
UNIT_DIMENSIONS = frozenset({Dimension.CHARACTERS.value, Dimension.SECONDS.value, Dimension.IMAGE.value})
"""Those counted per unit. An image may be of a quality and a size, `image:high:1024x1024`, each with its own price."""
TOKEN_DIMENSIONS = frozenset(d.value for d in Dimension) - FEE_DIMENSIONS - UNIT_DIMENSIONS
INPUT_DIMENSIONS = frozenset(d for d in TOKEN_DIMENSIONS if not d.startswith("output"))
"""Every dimension that counts towards a long-context threshold: the whole input, cached or not."""
OUTPUT_DIMENSIONS = TOKEN_DIMENSIONS - INPUT_DIMENSIONS
REPORTED = "reported"
"""The dimension of the one line of a charge that the provider stated: the whole call, once."""


def is_token(dimension: str) -> bool:
    """Tell whether a quantity is of tokens. `DIMENSION@MODEL` is what another model than the one called used."""
    if dimension in TOKEN_DIMENSIONS:
        return True
    name = dimension.partition("@")[0].partition(":")[0]
    return name not in FEE_DIMENSIONS and name not in UNIT_DIMENSIONS


def tokens_of(quantities: dict[str, int]) -> tuple[int, int]:
    """Return the input and the output tokens of a usage, those of other models included."""
    inputs = outputs = 0
    for dimension, quantity in quantities.items():
        if dimension in INPUT_DIMENSIONS or dimension.partition("@")[0] in INPUT_DIMENSIONS:
            inputs += quantity
        elif is_token(dimension):
            outputs += quantity
    return inputs, outputs


class Usage(msgspec.Struct, frozen=True):
    """What the provider says a call consumed, or our estimate of it.

    `quantities` holds only dimensions that were stated, zero included: an explicit zero is known to be zero.
    `reasoning_tokens` is a part of the output, kept for information and never priced by itself.
    `service_tier` is the tier that served, in the provider's word; None when it did not say.
    `reported_nanos` is what the provider says that it bills for the whole call, fees included; None when it does not say.
    `percent` is what its tokens cost of their list price where that is not all: a region's surcharge.
    """

    quantities: dict[str, int]
    reasoning_tokens: int = 0
    service_tier: str | None = None
    is_estimated: bool = False
    reported_nanos: int | None = None
    percent: int = 100

    @property
    def input_total(self) -> int:
        """All input tokens of the model, cached ones included: what selects a long-context price."""
        total = 0
        for dimension, count in self.quantities.items():
            if dimension in INPUT_DIMENSIONS:
                total += count
        return total

    @property
    def output_total(self) -> int:
        return sum(count for dimension, count in self.quantities.items() if dimension in OUTPUT_DIMENSIONS)

    @property
    def tokens(self) -> int:
        """All tokens, also those of other models: what quotas of tokens count."""
        if self.quantities.keys() <= TOKEN_DIMENSIONS:  # the usual case, on the path of every call
            return sum(self.quantities.values())
        total = 0
        for dimension, count in self.quantities.items():
            if dimension in TOKEN_DIMENSIONS or is_token(dimension):
                total += count
        return total


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
    CLIENT_GONE = "client_gone"  # the client left; the answer was drained or counted, or no further deployment asked
    CRASHED = "crashed"  # the gateway died; found again in the journal


class ChargeLine(msgspec.Struct, frozen=True, array_like=True):
    """One priced dimension: `amount_nanos` = `quantity` × `price_pico`, rounded once.

    What the provider stated is one line of one unit.
    """

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

    `status` is its HTTP status; 0 when none came, and then `reason` is the kind of the fault. A try that may be billed has
    a usage record of its own: `request_id` is that one's.
    """

    provider: str
    model: str
    status: int
    reason: str = ""
    request_id: str = ""


class UsageRecord(msgspec.Struct, array_like=True):
    """One forwarded call, as it is journaled and stored. Field order is the journal's format: append only.

    `call_id` is a uuid7 (16 bytes) and makes every write of the record idempotent. Times are microseconds; the start
    is since 1970 UTC. `overhead_us` is the call's latency less the time spent waiting for the provider.
    """

    call_id: bytes
    organization_id: str
    project_id: str
    api_key_id: str
    operation: str  # as `gateway.wire.call.Operation` names them
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
    steps_us: tuple[int, ...] = ()  # what each of `call_steps.OWN_STEPS` took; () where nobody took it
