"""How sums of calls are written: exact costs that are null when no price is known, and mean latencies."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from tollkeeper.admin.shapes import OptionalNumber, usd_of

SummedUsd = Annotated[
    OptionalNumber,
    Field(description="Dollars, exact to the nano; null when there are calls and none of them has a known price."),
]
Milliseconds = Annotated[OptionalNumber, Field(description="Null when there are no calls, or nobody counts it.")]


def shown_usd(amount_nanos: int, requests: int, unpriced_requests: int) -> Decimal | None:
    """Return the cost of calls in dollars; None when there are some and none is priced. No calls cost nothing."""
    return usd_of(amount_nanos) if requests > unpriced_requests or not requests else None


def mean_ms(latency_us_total: int | None, requests: int) -> Decimal | None:
    """Return the mean latency in milliseconds, to the microsecond."""
    if latency_us_total is None or not requests:
        return None
    mean_us = (2 * latency_us_total + requests) // (2 * requests)
    return (Decimal(mean_us) / 1000).normalize() + 0
