"""/v1/alerts/targets: Slack and webhooks that alerts are posted to; their URLs and secrets go in and never come out again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tollkeeper.admin.people import people_of
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    Name,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
)
from tollkeeper.control import alert_targets
from tollkeeper.control.administration import Caller
from tollkeeper.control.alert_targets import MadeTarget, TargetChanges
from tollkeeper.control.alert_views import shown_target
from tollkeeper.domain.alert import TargetKind
from tollkeeper.domain.alert_target import URL_LENGTH_MAX

router = APIRouter(tags=["alerts"])
TargetPath = Annotated[str, id_path("tgt", "tgt_0123456789ABCDEFGHIJ")]
Managing = Annotated[Caller, Depends(requires("quota:manage"))]
Url = Annotated[
    str,
    Field(min_length=1, max_length=URL_LENGTH_MAX, description="https.", examples=["https://hooks.example.com/alerts"]),
]


class TargetBody(Shape):
    name: Name
    kind: TargetKind
    url: Url


class TargetChangesBody(Shape):
    name: Name | None = None
    url: Url | None = None
    enabled: bool | None = None
    rotate_secret: Annotated[bool, Field(description="Sign with a new secret from now on; for webhooks.")] = False


class TargetAnswer(Shape):
    """`url` shows the host and the last characters; `secret` is null but right after it was made."""

    object: Literal["alert_target"]
    id: str
    name: str
    kind: TargetKind
    url: str
    secret: Annotated[str | None, Field(description="`whsec_…`: what signs; shown once.")]
    enabled: bool
    created_at: str
    updated_at: str


class TestAnswer(Shape):
    object: Literal["alert_test"]
    target_id: str
    delivery_id: Annotated[str, Field(description="How it ended is in GET /v1/alerts/deliveries.")]


@router.get("/v1/alerts/targets", response_model=ListPage[TargetAnswer], summary="List where alerts are posted to")
async def list_targets(request: Request, caller: Managing, after: After = None, limit: Limit = 20) -> Response:
    found = await administration_of(request).look(caller, alert_targets.list_targets, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_target)


@router.post("/v1/alerts/targets", response_model=TargetAnswer, summary="Add a target for alerts")
async def create_target(request: Request, body: TargetBody, caller: Managing) -> Response:
    """Add Slack's incoming webhook or a webhook of your own; alerts whose action is `slack` or `webhook` go there.

    Webhooks are signed as Standard Webhooks says. Only public addresses are posted to, and those that the operator opens.
    """
    made = await administration_of(request).change(
        caller, alert_targets.create_target, name=body.name, kind=body.kind, url=body.url
    )
    return answer(_shown_made(made))


@router.patch("/v1/alerts/targets/{alert_target_id}", response_model=TargetAnswer, summary="Change a target")
async def change_target(
    request: Request, alert_target_id: TargetPath, body: TargetChangesBody, caller: Managing
) -> Response:
    changes = TargetChanges(body.name, body.url, body.enabled, body.rotate_secret)
    changed = await administration_of(request).change(caller, alert_targets.change_target, alert_target_id, changes)
    return answer(_shown_made(changed))


@router.delete("/v1/alerts/targets/{alert_target_id}", response_model=TargetAnswer, summary="Delete a target")
async def delete_target(request: Request, alert_target_id: TargetPath, caller: Managing) -> Response:
    deleted = await administration_of(request).change(caller, alert_targets.delete_target, alert_target_id)
    return answer(shown_target(deleted))


@router.post("/v1/alerts/targets/{alert_target_id}/test", response_model=TestAnswer, summary="Send a test to a target")
async def try_target(request: Request, alert_target_id: TargetPath, caller: Managing) -> Response:
    delivery_id = await administration_of(request).change(
        caller, alert_targets.try_target, alert_target_id, public_url=people_of(request).rules.public_url
    )
    return answer({"object": "alert_test", "target_id": alert_target_id, "delivery_id": delivery_id})


def _shown_made(made: MadeTarget) -> dict[str, Any]:
    return {**shown_target(made.target), "secret": made.secret or None}
