"""What is allotted: the amount per period, and what happens as it is used up. Holding calls to it is the lease's business."""

from __future__ import annotations

from typing import Literal

import msgspec

from tollkeeper.domain.limit import LimitScope, Unit

Period = Literal["daily", "weekly", "monthly", "total"]
AlertAction = Literal["email", "slack", "webhook", "disable"]


class Enforcement(msgspec.Struct, frozen=True):
    """What happens at the limit."""

    hard_limit: bool = True
    notify_on_exceed: bool = True
    auto_disable_on_exceed: bool = False


class Budget(msgspec.Struct, frozen=True):
    """An amount per period: nano-USD, or a count by `unit` (a quota). `model` is "" for all models together."""

    organization_id: str
    scope_kind: LimitScope
    scope_id: str
    period: Period
    amount: int
    is_carried_over: bool = False
    enforcement: Enforcement = Enforcement()
    updated_at_us: int = 0
    id: str = ""
    model: str = ""
    unit: Unit = "usd"
    created_at_us: int = 0


class QuotaAlert(msgspec.Struct, frozen=True):
    """At which part of a project's monthly budget something is to happen; `threshold_permille` 500 is half."""

    threshold_permille: int
    action: AlertAction


class ModelLimit(msgspec.Struct, frozen=True):
    """A project's limits for one model; None is no limit."""

    daily_requests: int | None = None
    daily_budget_nanos: int | None = None
