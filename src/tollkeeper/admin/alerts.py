"""/v1/alerts: rules on budgets, what fired, what was sent of it; and /v1/budgets/{id}/resume for what an alert stopped."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, WithJsonSchema

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    PLAIN,
    After,
    Limit,
    ListPage,
    OptionalNumber,
    PlainDecimal,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
)
from tollkeeper.control import alerts
from tollkeeper.control.administration import Caller
from tollkeeper.control.alert_views import shown_alert, shown_delivery, shown_rule
from tollkeeper.domain.alert import THRESHOLD_PERMILLE_MAX
from tollkeeper.domain.budget import AlertAction
from tollkeeper.domain.limit import LimitScope, Unit

router = APIRouter(tags=["alerts"])
RulePath = Annotated[str, id_path("rule", "rule_0123456789ABCDEFGHIJ")]
BudgetPath = Annotated[str, id_path("bud", "bud_0123456789ABCDEFGHIJ")]
DeliveryPath = Annotated[str, id_path("msg", "msg_0123456789ABCDEFGHIJ")]
Managing = Annotated[Caller, Depends(requires("quota:manage"))]
Reading = Annotated[Caller, Depends(requires("quota:read"))]
_THRESHOLD_MAX = THRESHOLD_PERMILLE_MAX // 1000
Threshold = Annotated[
    PlainDecimal,
    Field(gt=0, le=_THRESHOLD_MAX, decimal_places=3),
    WithJsonSchema(
        {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": _THRESHOLD_MAX,
            "description": "The part of the budget that is used, in thousandths: 0.8 is 80 %.",
            "examples": [0.8],
        }
    ),
]
Figure = Annotated[
    OptionalNumber,
    Field(description="Dollars where `unit` is usd, else a count."),
]


class RuleBody(Shape):
    budget_id: Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN, examples=["bud_0123456789ABCDEFGHIJ"])]
    threshold: Threshold
    action: AlertAction


class RuleChanges(Shape):
    threshold: Threshold | None = None
    action: AlertAction | None = None


class RuleAnswer(Shape):
    object: Literal["alert_rule"]
    id: str
    budget_id: str
    threshold: Threshold
    action: AlertAction
    created_by: str
    created_at: str


class AlertAnswer(Shape):
    """What fired. Of `overrun` there is no budget: `used` is what calls came to beyond their reservations."""

    object: Literal["alert"]
    id: str
    kind: Literal["threshold", "projected", "overrun"]
    action: AlertAction
    budget_id: str | None
    scope_kind: LimitScope
    scope_id: str
    scope_name: str | None
    model: str | None
    unit: Unit
    period: str | None
    threshold: OptionalNumber
    limit: Figure
    used: Figure
    projected: Figure
    window_start: str
    window_end: str | None
    fired_at: str


class DeliveryAnswer(Shape):
    """A message about an alert. `recipient` is an address, or the id of a target."""

    object: Literal["alert_delivery"]
    id: str
    alert_id: str | None
    type: str
    channel: Literal["email", "slack", "webhook"]
    recipient: str
    status: Literal["pending", "sending", "delivered", "dead", "undeliverable"]
    attempts: int
    failure: str | None
    created_at: str
    delivered_at: str | None
    next_attempt_at: str | None


class ResumeAnswer(Shape):
    object: Literal["budget.resumed"]
    budget_id: str
    resumed: Annotated[bool, Field(description="False when it was not stopped.")]


@router.get("/v1/alerts", response_model=ListPage[AlertAnswer], summary="List what fired, newest first")
async def list_alerts(request: Request, caller: Reading, after: After = None, limit: Limit = 20) -> Response:
    found = await administration_of(request).look(caller, alerts.list_alerts, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_alert)


@router.get("/v1/alerts/rules", response_model=ListPage[RuleAnswer], summary="List the rules made for budgets")
async def list_rules(
    request: Request,
    caller: Reading,
    budget_id: Annotated[str | None, Query(min_length=1, max_length=64, pattern=PLAIN)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List rules. Beside them a budget with `notify_on_exceed` sends e-mails at 100 %, one with `auto_disable_on_exceed`
    stops there, and a project's `quota_alerts` hold for its monthly budget.
    """
    found = await administration_of(request).look(
        caller, alerts.list_rules, budget_id=budget_id, after=after, limit=limit + 1
    )
    return list_answer(found, limit, shown_rule)


@router.post("/v1/alerts/rules", response_model=RuleAnswer, summary="Say what happens as a budget is used up")
async def create_rule(request: Request, body: RuleBody, caller: Managing) -> Response:
    """Add a rule to a budget. It fires once in each window of the budget, and anew when its limit changes."""
    made = await administration_of(request).change(
        caller,
        alerts.create_rule,
        body.budget_id,
        threshold_permille=int(body.threshold * 1000),
        does=body.action,
    )
    return answer(shown_rule(made))


@router.patch("/v1/alerts/rules/{alert_rule_id}", response_model=RuleAnswer, summary="Change a rule")
async def change_rule(request: Request, alert_rule_id: RulePath, body: RuleChanges, caller: Managing) -> Response:
    permille = None if body.threshold is None else int(body.threshold * 1000)
    changed = await administration_of(request).change(
        caller, alerts.change_rule, alert_rule_id, threshold_permille=permille, does=body.action
    )
    return answer(shown_rule(changed))


@router.delete("/v1/alerts/rules/{alert_rule_id}", response_model=RuleAnswer, summary="Delete a rule")
async def delete_rule(request: Request, alert_rule_id: RulePath, caller: Managing) -> Response:
    return answer(shown_rule(await administration_of(request).change(caller, alerts.delete_rule, alert_rule_id)))


@router.get(
    "/v1/alerts/deliveries", response_model=ListPage[DeliveryAnswer], summary="List what was sent, newest first"
)
async def list_deliveries(request: Request, caller: Managing, after: After = None, limit: Limit = 20) -> Response:
    found = await administration_of(request).look(caller, alerts.list_deliveries, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_delivery)


@router.post(
    "/v1/alerts/deliveries/{delivery_id}/retry", response_model=DeliveryAnswer, summary="Try a message once more"
)
async def retry_delivery(request: Request, delivery_id: DeliveryPath, caller: Managing) -> Response:
    """Try a message that was given up (`dead` or `undeliverable`) once more, now."""
    return answer(shown_delivery(await administration_of(request).change(caller, alerts.retry_delivery, delivery_id)))


@router.post("/v1/budgets/{budget_id}/resume", response_model=ResumeAnswer, summary="Let stopped calls in again")
async def resume_budget(request: Request, budget_id: BudgetPath, caller: Managing) -> Response:
    """Let calls in again that an alert with the action `disable` stopped, as far as the budget has something left."""
    resumed = await administration_of(request).change(caller, alerts.resume_budget, budget_id)
    return answer({"object": "budget.resumed", "budget_id": budget_id, "resumed": resumed})
