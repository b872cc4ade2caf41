"""How sums of calls are written: exact costs that are null when no price is known, and mean latencies."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from tollkeeper.admin.shapes import OptionalNumber, usd_of
from tollkeeper.domain.money import known_amount

SummedUsd = Annotated[
    OptionalNumber,
    Field(
        description="Dollars, exact to the nano; null when calls have no known price and the others among them cost nothing."
    ),
]
Milliseconds = Annotated[OptionalNumber, Field(description="Null when there are no calls, or nobody counts it.")]


def shown_usd(amount_nanos: int, *, unpriced: int) -> Decimal | None:
    """Return the cost of calls in dollars; None when it is not known. No calls cost nothing."""
    known = known_amount(amount_nanos, unpriced=unpriced)
    return None if known is None else usd_of(known)


def mean_ms(latency_us_total: int | None, requests: int) -> Decimal | None:
    """Return the mean latency in milliseconds, to the microsecond."""
    if latency_us_total is None or not requests:
        return None
    mean_us = (2 * latency_us_total + requests) // (2 * requests)
    return (Decimal(mean_us) / 1000).normalize() + 0
