"""/v1/projects and /v1/teams/{id}/projects: create, put by name, list, get, change and archive projects."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import UNSET
from pydantic import Field, WithJsonSchema

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    AS_INTEGER,
    After,
    Limit,
    ListPage,
    Name,
    PlainDecimal,
    Shape,
    Usd,
    administration_of,
    answer,
    id_path,
    list_answer,
    nanos_of,
    shown_time,
    usd_of,
)
from tollkeeper.control import projects
from tollkeeper.control.administration import Caller
from tollkeeper.control.projects import ProjectQuota, ProjectState
from tollkeeper.domain.budget import AlertAction, ModelLimit, QuotaAlert

router = APIRouter(tags=["projects"])
ProjectPath = Annotated[str, id_path("proj", "proj_0123456789ABCDEFGHIJ")]
TeamPath = Annotated[str, id_path("team", "team_0123456789ABCDEFGHIJ")]
TeamId = Annotated[str, Field(min_length=1, max_length=64)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
Threshold = Annotated[
    PlainDecimal,
    Field(gt=0, le=1, decimal_places=3),
    WithJsonSchema(
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "0.5 is half; in thousandths."}
    ),
]


class AlertShape(Shape):
    threshold: Threshold
    action: AlertAction


class ModelLimitShape(Shape):
    daily_requests: Annotated[int, Field(ge=0, le=1_000_000_000_000), AS_INTEGER] | None = None
    daily_budget_usd: Usd | None = None


class QuotaBody(Shape):
    """What is left out stays as it is; a budget of null is taken away."""

    monthly_budget_usd: Usd | None = None
    quota_alerts: Annotated[list[AlertShape], Field(max_length=20)] | None = None
    model_limits: Annotated[dict[ModelName, ModelLimitShape], Field(max_length=100)] | None = None


class TeamProjectBody(QuotaBody):
    name: Name


class ProjectBody(TeamProjectBody):
    team_id: TeamId | None = None


class ProjectChanges(QuotaBody):
    """A `team_id` of null takes the project out of its team; a name of null leaves it."""

    name: Name | None = None
    team_id: TeamId | None = None


class ProjectAnswer(Shape):
    """The limits are there for who may read them."""

    object: Literal["project"]
    id: str
    organization_id: str
    team_id: str | None
    name: str
    created_at: str
    archived_at: str | None
    monthly_budget_usd: Usd | None = None
    quota_alerts: list[AlertShape] = Field(default_factory=list)
    model_limits: dict[str, ModelLimitShape] = Field(default_factory=dict)
    enforced: Literal[True] = True


@router.post("/v1/teams/{team_id}/projects", response_model=ProjectAnswer, summary="Put a project into a team")
async def put_project(
    request: Request,
    team_id: TeamPath,
    body: TeamProjectBody,
    caller: Annotated[Caller, Depends(requires("project:manage"))],
) -> Response:
    """Create a project with its limits; one of the same name in the team is changed instead.

    Limits need `quota:manage` at the team.
    """
    put = await administration_of(request).change(
        caller, projects.put_project, team_id, name=body.name, quota=_quota_of(body)
    )
    return answer(_shown(put))


@router.get("/v1/teams/{team_id}/projects", response_model=ListPage[ProjectAnswer], summary="List a team's projects")
async def list_team_projects(
    request: Request,
    team_id: TeamPath,
    caller: Annotated[Caller, Depends(requires("membership"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(
        caller, projects.list_projects, team_id=team_id, after=after, limit=limit + 1
    )
    return list_answer(found, limit, _shown)


@router.post("/v1/projects", response_model=ProjectAnswer, summary="Create a project")
async def create_project(
    request: Request, body: ProjectBody, caller: Annotated[Caller, Depends(requires("project:manage"))]
) -> Response:
    """Create a project, in a team or in none; one of the same name is a conflict."""
    made = await administration_of(request).change(
        caller, projects.create_project, name=body.name, team_id=body.team_id, quota=_quota_of(body)
    )
    return answer(_shown(made))


@router.get("/v1/projects", response_model=ListPage[ProjectAnswer], summary="List the projects that the caller may see")
async def list_projects(
    request: Request,
    caller: Annotated[Caller, Depends(requires("membership"))],
    team_id: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(
        caller, projects.list_projects, team_id=team_id, after=after, limit=limit + 1
    )
    return list_answer(found, limit, _shown)


@router.get("/v1/projects/{project_id}", response_model=ProjectAnswer, summary="Get a project")
async def get_project(
    request: Request, project_id: ProjectPath, caller: Annotated[Caller, Depends(requires("membership"))]
) -> Response:
    return answer(_shown(await administration_of(request).look(caller, projects.get_project, project_id)))


@router.put("/v1/projects/{project_id}", response_model=ProjectAnswer, summary="Change a project")
async def update_project(
    request: Request,
    project_id: ProjectPath,
    body: ProjectChanges,
    caller: Annotated[Caller, Depends(requires("project:manage"))],
) -> Response:
    """Change name, team or limits. Limits need `quota:manage` at the project's team, else at the organization."""
    changed = await administration_of(request).change(
        caller,
        projects.update_project,
        project_id,
        name=UNSET if body.name is None else body.name,
        team_id=body.team_id if "team_id" in body.model_fields_set else UNSET,
        quota=_quota_of(body),
    )
    return answer(_shown(changed))


@router.delete("/v1/projects/{project_id}", response_model=ProjectAnswer, summary="Archive a project")
async def archive_project(
    request: Request, project_id: ProjectPath, caller: Annotated[Caller, Depends(requires("project:manage"))]
) -> Response:
    """Take a project out of use for good: its keys stop, its name and budget are free, its usage stays."""
    return answer(_shown(await administration_of(request).change(caller, projects.archive_project, project_id)))


def _quota_of(body: QuotaBody) -> ProjectQuota:
    budget = body.monthly_budget_usd
    is_budget_stated = "monthly_budget_usd" in body.model_fields_set
    return ProjectQuota(
        UNSET if not is_budget_stated else None if budget is None else nanos_of(budget),
        UNSET if body.quota_alerts is None else _alerts_of(body.quota_alerts),
        UNSET if body.model_limits is None else {name: _limit_of(each) for name, each in body.model_limits.items()},
    )


def _alerts_of(shapes: list[AlertShape]) -> tuple[QuotaAlert, ...]:
    alerts = {QuotaAlert(int(each.threshold * 1000), each.action) for each in shapes}
    return tuple(sorted(alerts, key=lambda each: (each.threshold_permille, each.action)))


def _limit_of(shape: ModelLimitShape) -> ModelLimit:
    budget = shape.daily_budget_usd
    return ModelLimit(shape.daily_requests, None if budget is None else nanos_of(budget))


def _shown(state: ProjectState) -> dict[str, Any]:
    project = state.project
    shown: dict[str, Any] = {
        "object": "project",
        "id": project.id,
        "organization_id": project.organization_id,
        "team_id": project.team_id or None,
        "name": project.name,
        "created_at": shown_time(project.created_at_us),
        "archived_at": shown_time(project.archived_at_us),
    }
    if state.limits is None:
        return shown
    budget = state.monthly_budget
    return {
        **shown,
        "monthly_budget_usd": usd_of(budget.amount) if budget else None,
        "quota_alerts": [
            {"threshold": Decimal(each.threshold_permille) / 1000, "action": each.action}
            for each in state.limits.quota_alerts
        ],
        "model_limits": {
            name: {
                "daily_requests": each.daily_requests,
                "daily_budget_usd": None if each.daily_budget_nanos is None else usd_of(each.daily_budget_nanos),
            }
            for name, each in sorted(state.limits.model_limits.items())
        },
        "enforced": True,
    }
