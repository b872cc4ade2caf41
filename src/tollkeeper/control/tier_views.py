"""How what a tier made of an organization's limits is told to programs, by the API and by the command alike."""

from __future__ import annotations

from typing import Any

from tollkeeper.control.budget_views import shown_budget
from tollkeeper.control.rate_limit_views import shown_rate_limit
from tollkeeper.control.tiers import TierLimits
from tollkeeper.domain.rate_limit import RateLimitRow


def shown_tier_limits(limits: TierLimits) -> dict[str, Any]:
    """Return budgets and rate limits by what became of them."""
    return {
        name: [shown_rate_limit(each) if isinstance(each, RateLimitRow) else shown_budget(each) for each in found]
        for name, found in (("set", limits.set), ("left", limits.left), ("removed", limits.removed))
    }
