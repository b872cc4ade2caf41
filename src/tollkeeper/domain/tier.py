"""Tiers: the limits that an organization is given as a whole, by name. What is None is without a limit."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.money import NANOS_PER_USD


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a whole organization: two rates, and three budgets of it."""

    name: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    concurrent_calls: int | None = None
    monthly_budget_nanos: int | None = None


ENTERPRISE = Tier(name="enterprise")
PREDEFINED_TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier(
            name="free",
            requests_per_minute=20,
            tokens_per_minute=40_000,
            requests_per_day=200,
            concurrent_calls=4,
            monthly_budget_nanos=5 * NANOS_PER_USD,
        ),
        Tier(
            name="paid",
            requests_per_minute=1_000,
            tokens_per_minute=2_000_000,
            concurrent_calls=200,
            monthly_budget_nanos=1_000 * NANOS_PER_USD,
        ),
        ENTERPRISE,
    )
}
"""Settings may say otherwise of each of them, and add others."""
