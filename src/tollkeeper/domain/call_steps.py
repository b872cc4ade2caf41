"""The eight steps of a call as its usage record tells them: what each came to, and its time where that was recorded.

A record has the whole time of its call, when the provider's first byte came, and our own part of the time. So waiting for
the provider is known by itself; our own steps are known together, and none of them singly: eight clocks more for every call
would be time of their own.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tollkeeper.domain.usage import UsageRecord, tokens_of

StepName = Literal["authenticate", "authorise", "limit", "reserve", "route", "forward", "meter", "settle"]


class CallStep(msgspec.Struct, frozen=True):
    """One step. `facts` have amounts as `_nanos`; `duration_us` is None where nobody took the time of this step alone."""

    name: StepName
    facts: dict[str, Any]
    duration_us: int | None = None


class CallTimes(msgspec.Struct, frozen=True):
    """Where a call's time went. `own_us` is what all steps but the waiting took together."""

    total_us: int
    own_us: int
    waited_us: int
    first_byte_us: int | None


def times_of(record: UsageRecord) -> CallTimes:
    """Return where the time went, as far as it was recorded; without an answer there is no first byte."""
    own_us = min(record.overhead_us, record.latency_us)
    return CallTimes(record.latency_us, own_us, record.latency_us - own_us, record.first_byte_us or None)


def steps_of(record: UsageRecord) -> tuple[CallStep, ...]:
    """Return the steps in their order."""
    inputs, outputs = tokens_of(record.quantities)
    times = times_of(record)
    return (
        CallStep("authenticate", {"api_key_id": record.api_key_id, "project_id": record.project_id}),
        CallStep("authorise", {"operation": record.operation, "model": record.model_asked}),
        CallStep("limit", {"rates": len(record.rates)}),
        CallStep("reserve", {"reserved_nanos": record.reserved_nanos, "budgets": len(record.draws)}),
        CallStep(
            "route",
            {"provider": record.provider, "model": record.model_served, "tries_before": len(record.tries)},
        ),
        CallStep(
            "forward",
            {
                "status": record.status,
                "outcome": record.outcome.value,
                "first_byte_us": times.first_byte_us,
                "is_stream": record.is_stream,
            },
            times.waited_us,
        ),
        CallStep(
            "meter",
            {"input_tokens": inputs, "output_tokens": outputs, "is_estimated": record.is_estimated},
        ),
        CallStep("settle", {"amount_nanos": record.amount_nanos, "cost_state": record.cost_state.value}),
    )
