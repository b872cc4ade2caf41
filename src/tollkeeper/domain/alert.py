"""Alerts on budgets: which thresholds are reached, which budgets will not last, and what is kept of an alert that fired."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec

from tollkeeper.domain.budget import AlertAction
from tollkeeper.domain.limit import LimitScope, Unit

Channel = Literal["email", "slack", "webhook"]
CHANNELS: tuple[Channel, ...] = ("email", "slack", "webhook")
TargetKind = Literal["slack", "webhook"]
THRESHOLD_PERMILLE_MAX = 10_000
USED_UP_PERMILLE = 1_000
RULES_PER_BUDGET_MAX = 20
TARGETS_MAX = 20
PROJECTED_AFTER_PERMILLE = 100
"""A window's first tenth says too little about the rest."""


class AlertKind(StrEnum):
    THRESHOLD = "threshold"  # so much of a budget is used
    PROJECTED = "projected"  # used as until now, it will not last until its window's end
    OVERRUN = "overrun"  # calls came to more than was reserved for them


class AlertRule(msgspec.Struct, frozen=True, order=True):
    """What is to happen when so much of a budget is used; 500 permille is half."""

    threshold_permille: int
    action: AlertAction


class KeptRule(msgspec.Struct, frozen=True):
    """A rule as an organization made it for one of its budgets."""

    organization_id: str
    id: str
    budget_id: str
    threshold_permille: int
    action: AlertAction
    created_by: str
    created_at_us: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What fired, with the figures and the budget of that moment. Amounts are nano-USD or counts by `unit`.

    An overrun is about no single budget: `used` is what calls came to beyond their reservations in the hour that is its
    window.
    """

    organization_id: str
    id: str
    kind: AlertKind
    action: AlertAction
    fired_at_us: int
    window_start_us: int
    window_end_us: int | None
    threshold_permille: int = 0
    limit_amount: int = 0
    used: int = 0
    projected: int | None = None
    budget_id: str = ""
    scope_kind: LimitScope = "organization"
    scope_id: str = ""
    team_id: str = ""
    project_id: str = ""
    scope_name: str = ""
    model: str = ""
    unit: Unit = "usd"
    period: str = ""


class AlertTarget(msgspec.Struct, frozen=True):
    """Where alerts go beside e-mail, without its secrets: `url_hint` is what may be shown of the URL."""

    organization_id: str
    id: str
    name: str
    kind: TargetKind
    url_hint: str
    is_enabled: bool
    created_at_us: int
    updated_at_us: int

    @property
    def binding(self) -> tuple[str, ...]:
        """What its access is sealed to."""
        return ("alert_target", self.organization_id, self.id)


class TargetAccess(msgspec.Struct, frozen=True):
    """What sends to a target. `secret` signs what goes to a webhook; Slack has none."""

    url: str
    secret: str = ""

    def __repr__(self) -> str:
        return "TargetAccess(…)"


def reached(used: int, limit: int, rules: Iterable[AlertRule]) -> list[AlertRule]:
    """Return the rules whose part of the limit is used, the lowest first; nothing is reached before anything is used."""
    if used <= 0:
        return []
    return sorted({each for each in rules if used * 1_000 >= limit * each.threshold_permille})


def crossings(used_before: int, used_now: int, limit: int, rules: Iterable[AlertRule]) -> list[AlertRule]:
    """Return the rules that are reached now and were not before, the lowest first."""
    rules = tuple(rules)
    before = set(reached(used_before, limit, rules))
    return [each for each in reached(used_now, limit, rules) if each not in before]


def projected_overrun(used: int, limit: int, *, start_us: int, end_us: int | None, at_us: int) -> int | None:
    """Return what a budget will have come to at its window's end when it is used as until now, when that is too much.

    None when it will last, is used up already, has no end, or when too little of the window has passed to tell.
    """
    if end_us is None or not start_us < at_us < end_us or not 0 < used < limit:
        return None
    length_us, elapsed_us = end_us - start_us, at_us - start_us
    if elapsed_us * 1_000 < length_us * PROJECTED_AFTER_PERMILLE:
        return None
    projected = used * length_us // elapsed_us
    return projected if projected > limit else None
