"""GET /v1/budgets/status: how far budgets are used, as a tree."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from tollkeeper.admin.budget_shapes import BudgetScopeKind
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import PLAIN, Number, OptionalNumber, Shape, administration_of, answer
from tollkeeper.control.administration import Caller
from tollkeeper.control.budget_status import SUMMARY, read_status, shown_status
from tollkeeper.domain.budget import Period
from tollkeeper.domain.limit import Unit

router = APIRouter(tags=["budgets"])


class StandingShape(Shape):
    """Amounts are in the budget's unit, `usd` in dollars; `limit` with what was carried over and increases.

    `reserved` is held for calls that are under way or about to come; `resets_at` is in the organization's timezone.
    """

    id: str
    model: str | None
    unit: Unit
    period: Period
    limit: Number
    used: Number
    reserved: Number
    left: Number
    percent: OptionalNumber
    resets_at: str | None
    hard_limit: bool
    stopped: bool


class BranchShape(Shape):
    kind: BudgetScopeKind
    id: str
    name: str
    budgets: list[StandingShape]
    children: list[BranchShape]


class StatusAnswer(Shape):
    """`root` is null when there is no budget that the caller may see."""

    object: Literal["budget_status"]
    at: str
    timezone: str
    root: BranchShape | None


@router.get("/v1/budgets/status", response_model=StatusAnswer, summary="Show how far budgets are used")
async def budget_status(
    request: Request,
    caller: Annotated[Caller, Depends(requires(SUMMARY))],
    scope: Annotated[
        str | None, Query(min_length=1, max_length=64, pattern=PLAIN, description="Only this, and what is below it.")
    ] = None,
) -> Response:
    """Show used, reserved and left of every budget that the caller may see, below what it is part of."""
    return answer(shown_status(await administration_of(request).look(caller, read_status, scope_id=scope)))
