"""What a place is allotted: the amount per period, and what happens as it is used up. Holding it is the limiter's."""

from __future__ import annotations

from typing import Literal

import msgspec

from tollkeeper.domain.tenancy import ScopeKind

Period = Literal["daily", "weekly", "monthly"]
AlertAction = Literal["email", "slack", "webhook", "disable"]


class Enforcement(msgspec.Struct, frozen=True):
    """What happens at the limit."""

    hard_limit: bool = True
    notify_on_exceed: bool = True
    auto_disable_on_exceed: bool = False


class Budget(msgspec.Struct, frozen=True):
    """An amount of money per period for an organization, a team or a project."""

    organization_id: str
    scope_kind: ScopeKind
    scope_id: str
    period: Period
    limit_nanos: int
    is_carried_over: bool = False
    enforcement: Enforcement = Enforcement()
    updated_at_us: int = 0


class QuotaAlert(msgspec.Struct, frozen=True):
    """At which part of a project's monthly budget something is to happen; `threshold_permille` 500 is half."""

    threshold_permille: int
    action: AlertAction


class ModelLimit(msgspec.Struct, frozen=True):
    """A project's limits for one model; None is no limit."""

    daily_requests: int | None = None
    daily_budget_nanos: int | None = None
