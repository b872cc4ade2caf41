"""/v1/budgets/{id}/increases: what a budget has more for a time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tollkeeper.admin.budget_shapes import BudgetPath, StatedAmountShape, amount_of
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    OptionalNumber,
    Shape,
    Time,
    administration_of,
    answer,
    id_path,
    list_answer,
    time_us,
)
from tollkeeper.control import budget_increases, budgets
from tollkeeper.control.administration import Caller
from tollkeeper.control.budget_increases import NOTE_LENGTH_MAX, GivenIncrease, Raise
from tollkeeper.control.budget_views import shown_increase
from tollkeeper.kit.clock import now_us

router = APIRouter(tags=["budgets"])
IncreasePath = Annotated[str, id_path("inc", "inc_0123456789ABCDEFGHIJ")]


class IncreaseBody(StatedAmountShape):
    """By how much, in the budget's unit. Without `from` it begins at once."""

    until: Annotated[Time, Field(examples=["2099-12-31T00:00:00Z"])]
    from_: Annotated[Time | None, Field(alias="from")] = None
    note: Annotated[str, Field(max_length=NOTE_LENGTH_MAX)] = ""


class IncreaseAnswer(Shape):
    object: Literal["budget.increase"]
    id: str
    budget_id: str
    amount_usd: OptionalNumber
    amount: int | None
    from_: Annotated[str, Field(alias="from")]
    until: str
    status: Literal["to_come", "in_force", "over"]
    note: str
    created_by: str
    created_at: str


@router.post("/v1/budgets/{budget_id}/increases", response_model=IncreaseAnswer, summary="Raise a budget for a time")
async def increase_budget(
    request: Request,
    budget_id: BudgetPath,
    body: IncreaseBody,
    caller: Annotated[Caller, Depends(requires("quota:manage"))],
) -> Response:
    """Give a budget more until a moment, after which it is as before. Lower or raise it for good with PUT /v1/budgets."""
    administration = administration_of(request)
    budget = await administration.look(caller, budgets.get_budget, budget_id)
    from_us = None if body.from_ is None else time_us(body.from_)
    wanted = Raise(amount_of(body, budget.unit), time_us(body.until), from_us, body.note)
    made = await administration.change(caller, budget_increases.increase_budget, budget_id, wanted=wanted)
    return answer(_shown(made))


@router.get(
    "/v1/budgets/{budget_id}/increases", response_model=ListPage[IncreaseAnswer], summary="List a budget's increases"
)
async def list_increases(
    request: Request,
    budget_id: BudgetPath,
    caller: Annotated[Caller, Depends(requires("quota:read"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List what a budget has, had or will have more, in the order of the ids."""
    found = await administration_of(request).look(
        caller, budget_increases.list_increases, budget_id, after=after, limit=limit + 1
    )
    return list_answer(found, limit, _shown)


@router.delete(
    "/v1/budgets/{budget_id}/increases/{increase_id}",
    response_model=IncreaseAnswer,
    summary="Take an increase away before its end",
)
async def delete_increase(
    request: Request,
    budget_id: BudgetPath,
    increase_id: IncreasePath,
    caller: Annotated[Caller, Depends(requires("quota:manage"))],
) -> Response:
    gone = await administration_of(request).change(caller, budget_increases.delete_increase, budget_id, increase_id)
    return answer(_shown(gone))


def _shown(given: GivenIncrease) -> dict[str, Any]:
    return shown_increase(given.increase, given.budget.unit, now_us=now_us())
