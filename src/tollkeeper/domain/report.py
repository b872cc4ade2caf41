"""What a report of a week or a month says: sums against the period before, lines by what calls are for, movers, budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Self

import msgspec

from tollkeeper.domain.budget import Period
from tollkeeper.domain.limit import LimitScope, Unit
from tollkeeper.domain.money import known_amount
from tollkeeper.domain.report_calendar import ReportKind

By = Literal["model", "team", "project"]
LINES_MAX = 20
MOVERS_MAX = 5
BUDGETS_MAX = 10
AT_RISK_PERMILLE = 800
"""A budget is at risk when so much of it is used, when it will not last, or when its calls are stopped."""


class Sums(msgspec.Struct, frozen=True):
    """Calls added up. `amount_nanos` is of those that are priced."""

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    amount_nanos: int = 0
    unpriced_requests: int = 0

    @property
    def cost_nanos(self) -> int | None:
        """What the calls cost; None when it is not known, as `known_amount` says. No calls cost nothing."""
        return known_amount(self.amount_nanos, unpriced=self.unpriced_requests)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """Add up."""
        return cls(*map(sum, zip(_values(cls()), *map(_values, parts), strict=True)))


class Change(msgspec.Struct, frozen=True):
    """From the period before to this one. `amount_nanos` is None when one of the two costs is unknown.

    `permille` is of the cost before; None where that is nothing or unknown. What `is_new` had no calls before.
    """

    amount_nanos: int | None
    permille: int | None
    is_new: bool


class ReportLine(msgspec.Struct, frozen=True):
    """The calls of one model, team or project in the period and in the one before. `value` is the model or the id."""

    value: str
    name: str
    now: Sums
    before: Sums

    @property
    def change(self) -> Change:
        return change_between(self.before, self.now)


class Breakdown(msgspec.Struct, frozen=True):
    """The dearest lines, and what all the others come to; `others_count` says how many of them have calls."""

    lines: tuple[ReportLine, ...]
    others_count: int = 0
    others_now: Sums = Sums()
    others_before: Sums = Sums()


class Mover(msgspec.Struct, frozen=True):
    """A model or a project whose cost changed much."""

    by: By
    line: ReportLine


class ReportDay(msgspec.Struct, frozen=True):
    """A local day: its ISO date and its calls."""

    day: str
    sums: Sums


class BudgetAtRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in the window that it was in when the report was made; amounts are in its unit, `used` as of then.

    `projected` is what it will come to, used as until then, when that is more than its limit.
    """

    budget_id: str
    scope_kind: LimitScope
    scope_id: str
    scope_name: str
    model: str
    unit: Unit
    period: Period
    limit: int
    used: int
    used_permille: int | None
    projected: int | None
    resets_at_us: int | None
    is_stopped: bool


class ReportContent(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report, as it was at `made_at_us`. Calls are of [from_us, to_us), those before of [before_from_us, from_us).

    `estimated` are the calls among them whose cost is an estimate. `most_used_model` is the one of most calls.
    """

    kind: ReportKind
    organization_name: str
    timezone: str
    first_day: str
    last_day: str
    from_us: int
    to_us: int
    before_from_us: int
    made_at_us: int
    total: Sums
    before: Sums
    estimated: Sums
    days: tuple[ReportDay, ...]
    models: Breakdown
    teams: Breakdown
    projects: Breakdown
    most_used_model: str | None
    risen: tuple[Mover, ...]
    fallen: tuple[Mover, ...]
    budgets: tuple[BudgetAtRisk, ...]
    budgets_more: int = 0

    @property
    def change(self) -> Change:
        return change_between(self.before, self.total)

    @property
    def has_nothing_to_tell(self) -> bool:
        """Tell whether there was no call, in this period and in the one before."""
        return not self.total.requests and not self.before.requests


def change_between(before: Sums, now: Sums) -> Change:
    """Return how the cost changed."""
    is_new = bool(now.requests) and not before.requests
    if before.cost_nanos is None or now.cost_nanos is None:
        return Change(None, None, is_new)
    amount = now.cost_nanos - before.cost_nanos
    return Change(amount, _permille(amount, before.cost_nanos), is_new)


def break_down(lines: Iterable[ReportLine]) -> Breakdown:
    """Return the dearest lines and the rest; of equal ones those with more calls come first, then by value."""
    ordered = sorted(lines, key=_dearest_first)
    rest = ordered[LINES_MAX:]
    return Breakdown(
        tuple(ordered[:LINES_MAX]),
        sum(1 for each in rest if each.now.requests),
        Sums.total(each.now for each in rest),
        Sums.total(each.before for each in rest),
    )


def most_used(models: Iterable[ReportLine]) -> str | None:
    """Return the model of most calls, of several the dearest; None without any call."""
    used = [each for each in models if each.now.requests]
    return min(used, key=lambda each: (-each.now.requests, *_dearest_first(each))).value if used else None


def movers(lines: Mapping[By, Iterable[ReportLine]]) -> tuple[tuple[Mover, ...], tuple[Mover, ...]]:
    """Return what rose and what fell by most dollars, the biggest first. What has an unknown cost is neither."""
    known = [(each.change.amount_nanos or 0, Mover(by, each)) for by, found in lines.items() for each in found]

    def most(sign: int) -> tuple[Mover, ...]:
        moved = [(sign * amount, mover) for amount, mover in known if sign * amount > 0]
        moved.sort(key=lambda each: (-each[0], each[1].by, each[1].line.value))
        return tuple(mover for _, mover in moved[:MOVERS_MAX])

    return most(1), most(-1)


def most_at_risk(budgets: Iterable[BudgetAtRisk]) -> tuple[tuple[BudgetAtRisk, ...], int]:
    """Return the budgets that are at risk, the fullest first, and how many more there are."""
    found = [each for each in budgets if is_at_risk(each)]
    found.sort(key=lambda each: (-(each.used_permille or 0), -(each.projected or 0), each.budget_id))
    return tuple(found[:BUDGETS_MAX]), max(len(found) - BUDGETS_MAX, 0)


def is_at_risk(budget: BudgetAtRisk) -> bool:
    """Tell whether somebody should look at a budget."""
    is_full = budget.used_permille is not None and budget.used_permille >= AT_RISK_PERMILLE
    return budget.is_stopped or is_full or budget.projected is not None


def _dearest_first(line: ReportLine) -> tuple[int, int, str]:
    return -line.now.amount_nanos, -line.now.requests, line.value


def _permille(part: int, whole: int) -> int | None:
    """Return thousandths, rounded half to even; None of nothing."""
    if whole <= 0:
        return None
    quotient, rest = divmod(part * 1000, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


def _values(sums: Sums) -> tuple[int, ...]:
    return msgspec.structs.astuple(sums)
