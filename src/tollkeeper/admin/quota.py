"""/v1/organizations/quota/allocate: an organization's or a team's budget divided among what is below it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tollkeeper.admin.budget_shapes import EnforcementShape, ScopeId, enforcement_of
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import Name, Shape, Usd, administration_of, answer, nanos_of, usd_of
from tollkeeper.control import allocations
from tollkeeper.control.administration import Caller
from tollkeeper.control.allocations import Allocation, Allotment
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.budget import Period
from tollkeeper.domain.tenancy import ScopeKind

router = APIRouter(tags=["budgets"])


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


class AllocatedShape(AllocationShape):
    id: str
    target_id: str
    target_kind: ScopeKind
    enforced: Literal[True]


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
    `quota:override` there.
    """
    enforcement = enforcement_of(body.enforcement)
    wanted = [
        Allocation(each.target, Terms(nanos_of(each.amount_usd), each.reset_period, each.carryover, enforcement))
        for each in body.allocations
    ]
    made = await administration_of(request).change(caller, allocations.allocate, body.team_id, allocations=wanted)
    return answer(_shown(body, made))


def _shown(body: AllocateBody, made: Allotment) -> dict[str, Any]:
    return {
        "object": "allocation",
        "team_id": made.parent.id,
        "allocations": [
            {
                "id": written.id,
                "target": asked.target,
                "target_id": written.scope_id,
                "target_kind": written.scope_kind,
                "type": asked.type,
                "amount_usd": usd_of(written.amount),
                "reset_period": written.period,
                "carryover": written.is_carried_over,
                "enforced": True,
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
