"""The tiers that organizations can have: the predefined ones, and what the settings say instead or beside."""

from __future__ import annotations

import re

from tollkeeper.config.sections import Settings, TierEntry
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.domain.money import parse_usd
from tollkeeper.domain.tier import PREDEFINED_TIERS, Tier

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def resolve_tiers(settings: Settings) -> dict[str, Tier]:
    """Return every tier by its name.

    Raises:
        ConfigurationError: a name that cannot be, or new organizations would get a tier that there is not.
    """
    for name in settings.tiers:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"tiers.{name}: a name must be small letters, digits, - and _, at most 32")
    tiers = PREDEFINED_TIERS | {name: _tier(name, entry) for name, entry in settings.tiers.items()}
    default = settings.accounts.default_tier
    if default not in tiers:
        raise ConfigurationError(f"accounts.default_tier: there is no tier '{default}', only {', '.join(tiers)}")
    return tiers


def _tier(name: str, entry: TierEntry) -> Tier:
    return Tier(
        name=name,
        requests_per_minute=entry.requests_per_minute,
        tokens_per_minute=entry.tokens_per_minute,
        requests_per_day=entry.requests_per_day,
        concurrent_calls=entry.concurrent_calls,
        monthly_budget_nanos=parse_usd(entry.monthly_budget_usd) if entry.monthly_budget_usd else None,
    )
