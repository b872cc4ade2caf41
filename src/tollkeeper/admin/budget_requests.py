"""/v1/budgets/requests: more budget, asked for by who may read one, and granted or denied by who manages it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.budget_shapes import AmountShape, BudgetScopeKind, WhatShape, amount_of, stated_amount
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    PLAIN,
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
from tollkeeper.control import budget_requests
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Caller
from tollkeeper.control.budget_requests import TEXT_LENGTH_MAX, Grant, Wish
from tollkeeper.control.budget_views import shown_request
from tollkeeper.control.people import People
from tollkeeper.domain.budget import BudgetKey, Period, RequestStatus
from tollkeeper.domain.limit import Unit

router = APIRouter(tags=["budgets"])
RequestPath = Annotated[str, id_path("breq", "breq_0123456789ABCDEFGHIJ")]
Text = Annotated[str, Field(max_length=TEXT_LENGTH_MAX)]


class AskBody(WhatShape):
    """The amount is what the budget is to be as a whole."""

    reason: Text = ""


class ApproveBody(AmountShape):
    """Without an amount all that was asked for. With `until` the budget is raised until then, else for good."""

    until: Time | None = None
    answer: Text = ""


class DenyBody(Shape):
    answer: Text = ""


class RequestAnswer(Shape):
    object: Literal["budget.request"]
    id: str
    scope: str
    scope_kind: BudgetScopeKind
    model: str | None
    unit: Unit
    period: Period
    amount_usd: OptionalNumber
    amount: int | None
    reason: str
    status: RequestStatus
    asked_by: str
    decided_by: str | None
    answer: str | None
    created_at: str
    decided_at: str | None


@router.post("/v1/budgets/requests", response_model=RequestAnswer, summary="Ask for more budget")
async def ask_for_budget(
    request: Request, body: AskBody, caller: Annotated[Caller, Depends(requires("quota:read"))]
) -> Response:
    """Ask that a budget be set or raised. Those who manage it get an e-mail."""
    key = BudgetKey(body.scope, body.chosen_period, body.unit, body.model or "")
    wish = Wish(key, amount_of(body, body.unit), body.reason)
    made = await administration_of(request).change(
        caller, budget_requests.ask_for_budget, wish=wish, rules=_rules_of(request)
    )
    return answer(shown_request(made))


@router.get("/v1/budgets/requests", response_model=ListPage[RequestAnswer], summary="List requests for more budget")
async def list_requests(
    request: Request,
    caller: Annotated[Caller, Depends(requires("quota:read"))],
    status: Annotated[RequestStatus | None, Query()] = None,
    scope: Annotated[str | None, Query(min_length=1, max_length=64, pattern=PLAIN)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List one's own requests and those for budgets that one may read, the latest first."""
    found = await administration_of(request).look(
        caller, budget_requests.list_requests, status=status, scope_id=scope, after=after, limit=limit + 1
    )
    return list_answer(found, limit, shown_request)


@router.get(
    "/v1/budgets/requests/{budget_request_id}", response_model=RequestAnswer, summary="Get a request for more budget"
)
async def get_request(
    request: Request, budget_request_id: RequestPath, caller: Annotated[Caller, Depends(requires("quota:read"))]
) -> Response:
    return answer(
        shown_request(await administration_of(request).look(caller, budget_requests.get_request, budget_request_id))
    )


@router.post(
    "/v1/budgets/requests/{budget_request_id}/approve",
    response_model=RequestAnswer,
    summary="Grant a request for more budget",
)
async def approve_request(
    request: Request,
    budget_request_id: RequestPath,
    body: ApproveBody,
    caller: Annotated[Caller, Depends(requires("quota:manage"))],
) -> Response:
    """Set the budget as it was asked for, or as stated; with `until` raise it until then."""
    administration = administration_of(request)
    asked = await administration.look(caller, budget_requests.get_request, budget_request_id)
    until_us = None if body.until is None else time_us(body.until)
    grant = Grant(stated_amount(body, asked.key.unit), until_us, body.answer)
    ended = await administration.change(
        caller, budget_requests.approve_request, budget_request_id, grant=grant, rules=_rules_of(request)
    )
    return answer(shown_request(ended))


@router.post(
    "/v1/budgets/requests/{budget_request_id}/deny",
    response_model=RequestAnswer,
    summary="Deny a request for more budget",
)
async def deny_request(
    request: Request,
    budget_request_id: RequestPath,
    body: DenyBody,
    caller: Annotated[Caller, Depends(requires("quota:manage"))],
) -> Response:
    ended = await administration_of(request).change(
        caller, budget_requests.deny_request, budget_request_id, answer=body.answer, rules=_rules_of(request)
    )
    return answer(shown_request(ended))


@router.post(
    "/v1/budgets/requests/{budget_request_id}/withdraw", response_model=RequestAnswer, summary="Take one's request back"
)
async def withdraw_request(
    request: Request, budget_request_id: RequestPath, caller: Annotated[Caller, Depends(requires("quota:read"))]
) -> Response:
    return answer(
        shown_request(
            await administration_of(request).change(caller, budget_requests.withdraw_request, budget_request_id)
        )
    )


def _rules_of(request: Request) -> AccountRules:
    people: People = request.app.state.people
    return people.rules
