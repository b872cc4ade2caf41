"""/v1/teams: create, list, get, rename and archive teams."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response

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
    shown_time,
)
from tollkeeper.control import teams
from tollkeeper.control.administration import Caller
from tollkeeper.domain.tenancy import Team

router = APIRouter(tags=["teams"])
TeamPath = Annotated[str, id_path("team", "team_0123456789ABCDEFGHIJ")]


class TeamBody(Shape):
    name: Name


class TeamAnswer(Shape):
    object: Literal["team"]
    id: str
    organization_id: str
    name: str
    created_at: str
    archived_at: str | None


@router.post("/v1/teams", response_model=TeamAnswer, summary="Create a team")
async def create_team(
    request: Request, body: TeamBody, caller: Annotated[Caller, Depends(requires("team:create"))]
) -> Response:
    return answer(_shown(await administration_of(request).change(caller, teams.create_team, name=body.name)))


@router.get("/v1/teams", response_model=ListPage[TeamAnswer], summary="List the teams that the caller may see")
async def list_teams(
    request: Request,
    caller: Annotated[Caller, Depends(requires("membership"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(caller, teams.list_teams, after=after, limit=limit + 1)
    return list_answer(found, limit, _shown)


@router.get("/v1/teams/{team_id}", response_model=TeamAnswer, summary="Get a team")
async def get_team(
    request: Request, team_id: TeamPath, caller: Annotated[Caller, Depends(requires("membership"))]
) -> Response:
    return answer(_shown(await administration_of(request).look(caller, teams.get_team, team_id)))


@router.put("/v1/teams/{team_id}", response_model=TeamAnswer, summary="Rename a team")
async def rename_team(
    request: Request,
    team_id: TeamPath,
    body: TeamBody,
    caller: Annotated[Caller, Depends(requires("project:manage"))],
) -> Response:
    changed = await administration_of(request).change(caller, teams.rename_team, team_id, name=body.name)
    return answer(_shown(changed))


@router.delete("/v1/teams/{team_id}", response_model=TeamAnswer, summary="Archive a team without projects")
async def archive_team(
    request: Request, team_id: TeamPath, caller: Annotated[Caller, Depends(requires("team:delete"))]
) -> Response:
    return answer(_shown(await administration_of(request).change(caller, teams.archive_team, team_id)))


def _shown(team: Team) -> dict[str, Any]:
    return {
        "object": "team",
        "id": team.id,
        "organization_id": team.organization_id,
        "name": team.name,
        "created_at": shown_time(team.created_at_us),
        "archived_at": shown_time(team.archived_at_us),
    }
