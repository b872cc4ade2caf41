"""How rate limits are told to programs, by the API and by the commands alike."""

from __future__ import annotations

from typing import Any

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.domain.rate_limit import RateLimitRow


def shown_rate_limit(rule: RateLimitRow) -> dict[str, Any]:
    """Return a rule as it is told to programs."""
    return {
        "object": "rate_limit",
        "id": rule.id,
        "scope": rule.scope_id,
        "scope_kind": rule.scope_kind,
        "model": rule.model or None,
        "requests_per_minute": rule.requests_per_minute,
        "tokens_per_minute": rule.tokens_per_minute,
        "is_from_tier": rule.is_from_tier,
        "created_at": show_time(rule.created_at_us),
        "updated_at": show_time(rule.updated_at_us),
    }
