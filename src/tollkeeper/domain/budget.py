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


class BudgetKey(msgspec.Struct, frozen=True):
    """Which budget of a scope it is: there is at most one of each. `model` is "" for all models together."""

    scope_id: str
    period: Period = "monthly"
    unit: Unit = "usd"
    model: str = ""

    @property
    def is_divided(self) -> bool:
        """Tell whether the parts of a place have to fit into it: money for all models."""
        return self.unit == "usd" and not self.model

    @property
    def is_model_limit(self) -> bool:
        """Tell whether it is one that a project's `model_limits` say."""
        return bool(self.model) and self.period == "daily" and self.unit in {"usd", "requests"}


class Budget(msgspec.Struct, frozen=True):
    """An amount per period: nano-USD, or a count by `unit` (a quota). `model` is "" for all models together.

    `is_from_tier`: the organization's tier wrote it, and no person since.
    """

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
    is_from_tier: bool = False

    @property
    def key(self) -> BudgetKey:
        return BudgetKey(self.scope_id, self.period, self.unit, self.model)


class Increase(msgspec.Struct, frozen=True):
    """What a budget has more from `from_us` until `until_us`, microseconds since 1970; `amount` in the budget's unit."""

    organization_id: str
    id: str
    budget_id: str
    amount: int
    from_us: int
    until_us: int
    note: str
    created_by: str
    created_at_us: int


RequestStatus = Literal["pending", "approved", "denied", "withdrawn"]


class BudgetRequest(msgspec.Struct, frozen=True):
    """Somebody asks that a budget amount to `amount` as a whole; `answer` is what who decided had to say."""

    organization_id: str
    id: str
    scope_kind: LimitScope
    key: BudgetKey
    amount: int
    reason: str
    asked_by: str
    created_at_us: int
    status: RequestStatus = "pending"
    decided_by: str = ""
    answer: str = ""
    decided_at_us: int | None = None


class QuotaAlert(msgspec.Struct, frozen=True):
    """At which part of a project's monthly budget something is to happen; `threshold_permille` 500 is half."""

    threshold_permille: int
    action: AlertAction


class ModelLimit(msgspec.Struct, frozen=True):
    """A project's limits for one model; None is no limit."""

    daily_requests: int | None = None
    daily_budget_nanos: int | None = None
