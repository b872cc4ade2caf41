"""/v1/budgets: what organizations, teams, projects, members and keys are allotted, of money or a count, per period."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from tollkeeper.admin.budget_shapes import (
    BudgetAnswer,
    BudgetPath,
    EnforcementShape,
    WhatShape,
    amount_of,
    enforcement_of,
)
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import PLAIN, After, Limit, ListPage, administration_of, answer, list_answer
from tollkeeper.control import budgets
from tollkeeper.control.administration import Caller
from tollkeeper.control.budget_views import shown_budget
from tollkeeper.control.budgets import PERIODS, Terms
from tollkeeper.domain.budget import Period

router = APIRouter(tags=["budgets"])


class BudgetBody(WhatShape):
    carryover: bool = False
    enforcement: EnforcementShape = EnforcementShape()


@router.get("/v1/budgets", response_model=ListPage[BudgetAnswer], summary="List the budgets that the caller may read")
async def list_budgets(
    request: Request,
    caller: Annotated[Caller, Depends(requires("quota:read"))],
    scope: Annotated[str | None, Query(min_length=1, max_length=64, pattern=PLAIN)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(
        caller, budgets.list_budgets, scope_id=scope, after=after, limit=limit + 1
    )
    return list_answer(found, limit, shown_budget)


@router.put("/v1/budgets", response_model=BudgetAnswer, summary="Set a budget")
async def set_budget(
    request: Request, body: BudgetBody, caller: Annotated[Caller, Depends(requires("quota:manage"))]
) -> Response:
    """Set a budget, in place of the one of the same scope, model, unit and period.

    It needs `quota:manage` at what the scope is part of: the organization for a team or a member, the team for its
    project, the project for its key.
    """
    terms = Terms(
        amount_of(body, body.unit),
        body.chosen_period,
        body.carryover,
        enforcement_of(body.enforcement),
        body.unit,
        body.model or "",
    )
    made = await administration_of(request).change(caller, budgets.set_budget, body.scope, terms=terms)
    return answer(shown_budget(made))


@router.get("/v1/budgets/{budget_id}", response_model=BudgetAnswer, summary="Get a budget")
async def get_budget(
    request: Request, budget_id: BudgetPath, caller: Annotated[Caller, Depends(requires("quota:read"))]
) -> Response:
    return answer(shown_budget(await administration_of(request).look(caller, budgets.get_budget, budget_id)))


@router.delete("/v1/budgets/{budget_id}", response_model=BudgetAnswer, summary="Take a budget away")
async def delete_budget(
    request: Request,
    budget_id: Annotated[
        str, Path(min_length=1, max_length=96, pattern=PLAIN, description="bud_…, or a scope's id with a period.")
    ],
    caller: Annotated[Caller, Depends(requires("quota:manage"))],
    period: Annotated[Period, Query(description="With a scope's id: whose money for all models it is.")] = "monthly",
) -> Response:
    """Take a budget away, by its id; or a scope's budget of money for all models, by `SCOPE:PERIOD` or `?period=`."""
    administration = administration_of(request)
    if budget_id.startswith("bud_"):
        return answer(shown_budget(await administration.change(caller, budgets.delete_budget_by_id, budget_id)))
    scope_id, _, stated = budget_id.partition(":")
    chosen = next((each for each in PERIODS if each == stated), period)
    return answer(shown_budget(await administration.change(caller, budgets.delete_budget, scope_id, period=chosen)))
