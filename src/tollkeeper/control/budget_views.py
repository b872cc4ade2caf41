"""How budgets are told to programs, by the API and by the commands alike: ISO times, exact dollars, whole counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.domain.budget import Budget, BudgetRequest, Increase
from tollkeeper.domain.limit import Unit
from tollkeeper.domain.money import NANOS_PER_USD


def shown_budget(budget: Budget) -> dict[str, Any]:
    """Return a budget. `amount_usd` is null for a count, `amount` for money."""
    return {
        "object": "budget",
        "id": budget.id,
        "scope": budget.scope_id,
        "scope_kind": budget.scope_kind,
        "model": budget.model or None,
        "unit": budget.unit,
        "period": budget.period,
        **shown_amount(budget.unit, budget.amount),
        "carryover": budget.is_carried_over,
        "enforcement": msgspec.structs.asdict(budget.enforcement),
        "enforced": True,
        "is_from_tier": budget.is_from_tier,
        "created_at": show_time(budget.created_at_us),
        "updated_at": show_time(budget.updated_at_us),
    }


def shown_increase(increase: Increase, unit: Unit, *, now_us: int) -> dict[str, Any]:
    """Return what a budget of this unit has more for a time."""
    is_begun, is_over = increase.from_us <= now_us, increase.until_us <= now_us
    return {
        "object": "budget.increase",
        "id": increase.id,
        "budget_id": increase.budget_id,
        **shown_amount(unit, increase.amount),
        "from": show_time(increase.from_us),
        "until": show_time(increase.until_us),
        "status": "over" if is_over else "in_force" if is_begun else "to_come",
        "note": increase.note,
        "created_by": increase.created_by,
        "created_at": show_time(increase.created_at_us),
    }


def shown_request(request: BudgetRequest) -> dict[str, Any]:
    """Return what somebody asked for, and what came of it."""
    return {
        "object": "budget.request",
        "id": request.id,
        "scope": request.key.scope_id,
        "scope_kind": request.scope_kind,
        "model": request.key.model or None,
        "unit": request.key.unit,
        "period": request.key.period,
        **shown_amount(request.key.unit, request.amount),
        "reason": request.reason,
        "status": request.status,
        "asked_by": request.asked_by,
        "decided_by": request.decided_by or None,
        "answer": request.answer or None,
        "created_at": show_time(request.created_at_us),
        "decided_at": None if request.decided_at_us is None else show_time(request.decided_at_us),
    }


def shown_amount(unit: Unit, amount: int) -> dict[str, Any]:
    """Return an amount in the field that its unit has."""
    is_money = unit == "usd"
    return {"amount_usd": in_unit(unit, amount) if is_money else None, "amount": None if is_money else amount}


def in_unit(unit: Unit, amount: int) -> Decimal | int:
    """Return an amount as its unit's number: dollars with all their digits, or a count."""
    return (Decimal(amount) / NANOS_PER_USD).normalize() + 0 if unit == "usd" else amount
