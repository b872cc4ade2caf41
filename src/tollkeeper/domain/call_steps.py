"""The eight steps of a call as its usage record tells them: what each came to, and how long it took.

Each step ends where the next one begins. `authorise` has in it the reading of the request, as fast as its client sends it;
`reserve` the order in which deployments will be asked; `route` the waiting for one that has room; `forward` everything from
the first byte that goes out to the provider's last one, tries before included; `meter` counting tokens and pricing them.
`settle` writes the record down: how long that takes cannot be in it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tollkeeper.domain.usage import UsageRecord, tokens_of

StepName = Literal["authenticate", "authorise", "limit", "reserve", "route", "forward", "meter", "settle"]
OWN_STEPS: Final[tuple[StepName, ...]] = ("authenticate", "authorise", "limit", "reserve", "route", "meter")
"""Those whose times a record has, in its order. Forwarding is the rest, with what was lost by rounding them down."""


class CallStep(msgspec.Struct, frozen=True):
    """One step. `facts` have amounts as `_nanos`; `duration_us` is None where nobody took the time of this step alone."""

    name: StepName
    facts: dict[str, Any]
    duration_us: int | None = None


class CallTimes(msgspec.Struct, frozen=True):
    """Where a call's time went. `own_us` is what all steps but the waiting took together.

    `is_by_step` says that the steps were timed one by one; records of older versions and of crashed calls know only the waiting.
    """

    total_us: int
    own_us: int
    waited_us: int
    first_byte_us: int | None
    is_by_step: bool


def times_of(record: UsageRecord) -> CallTimes:
    """Return where the time went, as far as it was recorded; without an answer there is no first byte."""
    own_us, is_by_step = min(record.overhead_us, record.latency_us), len(record.steps_us) == len(OWN_STEPS)
    return CallTimes(record.latency_us, own_us, record.latency_us - own_us, record.first_byte_us or None, is_by_step)


def steps_of(record: UsageRecord) -> tuple[CallStep, ...]:
    """Return the steps in their order; those that were timed take the call's whole time together."""
    inputs, outputs = tokens_of(record.quantities)
    times = times_of(record)
    facts: dict[StepName, dict[str, Any]] = {
        "authenticate": {"api_key_id": record.api_key_id, "project_id": record.project_id},
        "authorise": {"operation": record.operation, "model": record.model_asked},
        "limit": {"rates": len(record.rates)},
        "reserve": {"reserved_nanos": record.reserved_nanos, "budgets": len(record.draws)},
        "route": {
            "provider": record.provider,
            "model": record.model_served,
            "tries_before": len(record.tries),
        },
        "forward": {
            "status": record.status,
            "outcome": record.outcome.value,
            "first_byte_us": times.first_byte_us,
            "is_stream": record.is_stream,
        },
        "meter": {"input_tokens": inputs, "output_tokens": outputs, "is_estimated": record.is_estimated},
        "settle": {"amount_nanos": record.amount_nanos, "cost_state": record.cost_state.value},
    }
    durations = _durations_of(record, times)
    return tuple(CallStep(name, came_to, durations.get(name)) for name, came_to in facts.items())


def _durations_of(record: UsageRecord, times: CallTimes) -> dict[StepName, int]:
    if not times.is_by_step:
        return {"forward": times.waited_us}
    durations = dict(zip(OWN_STEPS, record.steps_us, strict=True))
    durations["forward"] = max(0, record.latency_us - sum(record.steps_us))
    return durations
