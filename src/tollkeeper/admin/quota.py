"""/v1/budgets and /v1/organizations/quota/allocate: what organizations, teams and projects are allotted per period."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    Name,
    Shape,
    Usd,
    administration_of,
    answer,
    list_answer,
    nanos_of,
    shown_time,
    usd_of,
)
from tollkeeper.control import budgets
from tollkeeper.control.administration import Caller
from tollkeeper.control.budgets import Allocation, Allotment, Terms
from tollkeeper.domain.budget import Budget, Enforcement, Period
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import ScopeKind

router = APIRouter(tags=["budgets"])
ScopeId = Annotated[
    str, Field(min_length=1, max_length=64, description="The id of an organization, a team or a project.")
]


class EnforcementShape(Shape):
    hard_limit: bool = True
    notify_on_exceed: bool = True
    auto_disable_on_exceed: bool = False


class AllocationShape(Shape):
    target: Annotated[Name, Field(description="The name or id of a team or project below `team_id`.")]
    type: Literal["monthly_budget"] = "monthly_budget"
    amount_usd: Usd
    reset_period: Period = "monthly"
    carryover: bool = False


class AllocateBody(Shape):
    team_id: Annotated[ScopeId, Field(description="The id of the organization or team whose budget is divided.")]
    allocations: Annotated[list[AllocationShape], Field(min_length=1, max_length=100)]
    enforcement: EnforcementShape = EnforcementShape()


class BudgetBody(Shape):
    scope: ScopeId
    period: Period = "monthly"
    amount_usd: Usd
    carryover: bool = False
    enforcement: EnforcementShape = EnforcementShape()


class BudgetAnswer(Shape):
    """`enforced`: this version keeps budgets and holds no call to them yet."""

    object: Literal["budget"]
    id: str
    scope: str
    scope_kind: ScopeKind
    period: Period
    amount_usd: Usd
    carryover: bool
    enforcement: EnforcementShape
    enforced: Literal[False]
    updated_at: str


class AllocatedShape(AllocationShape):
    target_id: str
    target_kind: ScopeKind
    enforced: Literal[False]


class WholeShape(Shape):
    """What the divided place has itself, and what its parts have together; null when it has no budget of its own."""

    reset_period: Period
    amount_usd: Usd | None
    allocated_usd: Usd


class AllocateAnswer(Shape):
    object: Literal["allocation"]
    team_id: str
    allocations: list[AllocatedShape]
    enforcement: EnforcementShape
    totals: list[WholeShape]


@router.post("/v1/organizations/quota/allocate", response_model=AllocateAnswer, summary="Divide a budget")
async def allocate(
    request: Request, body: AllocateBody, caller: Annotated[Caller, Depends(requires("quota:manage"))]
) -> Response:
    """Give teams and projects their part of an organization's or a team's budget: all of them, or none.

    What all parts have together must fit into the whole's budget of the same period, unless the caller has
    `quota:override` there. Budgets are kept, but this version holds no call to them yet.
    """
    enforcement = _enforcement_of(body.enforcement)
    wanted = [
        Allocation(each.target, Terms(nanos_of(each.amount_usd), each.reset_period, each.carryover, enforcement))
        for each in body.allocations
    ]
    made = await administration_of(request).change(caller, budgets.allocate, body.team_id, allocations=wanted)
    return answer(_shown_allotment(body, made))


@router.get("/v1/budgets", response_model=ListPage[BudgetAnswer], summary="List the budgets that the caller may read")
async def list_budgets(
    request: Request,
    caller: Annotated[Caller, Depends(requires("quota:read"))],
    scope: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(
        caller, budgets.list_budgets, scope_id=scope, after=_position(after), limit=limit + 1
    )
    return list_answer(found, limit, _shown)


@router.put("/v1/budgets", response_model=BudgetAnswer, summary="Set a budget")
async def set_budget(
    request: Request, body: BudgetBody, caller: Annotated[Caller, Depends(requires("quota:manage"))]
) -> Response:
    """Set the budget of an organization, a team or a project; it needs `quota:manage` at what the place is part of."""
    terms = Terms(nanos_of(body.amount_usd), body.period, body.carryover, _enforcement_of(body.enforcement))
    return answer(_shown(await administration_of(request).change(caller, budgets.set_budget, body.scope, terms=terms)))


@router.delete("/v1/budgets/{scope}", response_model=BudgetAnswer, summary="Take a budget away")
async def delete_budget(
    request: Request,
    scope: Annotated[str, Path(min_length=1, max_length=64)],
    caller: Annotated[Caller, Depends(requires("quota:manage"))],
    period: Annotated[Period, Query()] = "monthly",
) -> Response:
    return answer(_shown(await administration_of(request).change(caller, budgets.delete_budget, scope, period=period)))


def _enforcement_of(shape: EnforcementShape) -> Enforcement:
    return Enforcement(shape.hard_limit, shape.notify_on_exceed, shape.auto_disable_on_exceed)


def _position(after: str | None) -> tuple[str, str] | None:
    if after is None:
        return None
    scope, colon, period = after.partition(":")
    if not colon:
        raise InvalidRequest("'after' must be the id of a budget: the scope's id, a colon, the period.", param="after")
    return scope, period


def _shown(budget: Budget) -> dict[str, Any]:
    return {
        "object": "budget",
        "id": f"{budget.scope_id}:{budget.period}",
        "scope": budget.scope_id,
        "scope_kind": budget.scope_kind,
        "period": budget.period,
        "amount_usd": usd_of(budget.amount),
        "carryover": budget.is_carried_over,
        "enforcement": msgspec.structs.asdict(budget.enforcement),
        "enforced": False,
        "updated_at": shown_time(budget.updated_at_us),
    }


def _shown_allotment(body: AllocateBody, made: Allotment) -> dict[str, Any]:
    return {
        "object": "allocation",
        "team_id": made.parent.id,
        "allocations": [
            {
                "target": asked.target,
                "target_id": written.scope_id,
                "target_kind": written.scope_kind,
                "type": asked.type,
                "amount_usd": usd_of(written.amount),
                "reset_period": written.period,
                "carryover": written.is_carried_over,
                "enforced": False,
            }
            for asked, written in zip(body.allocations, made.budgets, strict=True)
        ],
        "enforcement": body.enforcement.model_dump(),
        "totals": [
            {
                "reset_period": period,
                "amount_usd": None if limit is None else usd_of(limit),
                "allocated_usd": usd_of(made.allotted_nanos[period]),
            }
            for period, limit in sorted(made.parent_limits.items())
        ],
    }
