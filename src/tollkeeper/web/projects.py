"""The pages of projects: all of them under their teams with what is left of their month, and one that can be renamed or moved."""

from __future__ import annotations

from msgspec import UNSET
from starlette.responses import Response

from tollkeeper.control import projects, teams
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Place
from tollkeeper.web.answers import go, page
from tollkeeper.web.monthly_budgets import read_monthly
from tollkeeper.web.places import place_of, read_places
from tollkeeper.web.visitor import Visitor

NO_TEAM = "-"
"""What a form says for a project that is to be in no team."""


async def show(visitor: Visitor) -> Response:
    """Answer the list."""
    seen = await read_places(visitor)
    whole = visitor.whole
    known = {each.id for each in seen.teams}
    parents = [each for each in seen.teams if visitor.may_at("project:manage", Place(each.organization_id, each.id))]
    return await page(
        visitor,
        "projects.html",
        seen=seen,
        loose=[each for each in seen.projects if each.project.team_id not in known],
        monthly=await read_monthly(visitor),
        parents=parents,
        may_make_team=visitor.may_at("team:create", whole),
        may_make_loose=visitor.may_at("project:manage", whole),
        no_team=NO_TEAM,
        sent=visitor.form,
    )


async def make(visitor: Visitor) -> Response:
    """Make a team or a project."""
    sent = visitor.form
    match sent["do"]:
        case "make-team":
            team = await visitor.change(teams.create_team, name=sent["name"])
            return go(f"{visitor.home}/projects/teams/{team.id}", notice="created")
        case "make-project":
            team_id = None if sent["team"] == NO_TEAM else sent["team"]
            made = await visitor.change(projects.create_project, name=sent["name"], team_id=team_id)
            return go(f"{visitor.home}/projects/{made.project.id}", notice="created")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one project."""
    state = await visitor.look(projects.get_project, visitor.path["project"])
    project = state.project
    place = place_of(project)
    may_manage = project.archived_at_us is None and visitor.may_at("project:manage", place)
    parent = Place(place.organization_id, place.team_id)
    seen = await read_places(visitor)
    may_move = may_manage and visitor.may_at("project:manage", parent)
    targets = [each for each in seen.teams if visitor.may_at("project:manage", Place(parent.organization_id, each.id))]
    return await page(
        visitor,
        "project.html",
        state=state,
        project=project,
        team=next((each for each in seen.teams if each.id == project.team_id), None),
        standing=(await read_monthly(visitor, scope_id=project.id)).get(project.id),
        may_manage=may_manage,
        may_move=may_move,
        may_set_budget=project.archived_at_us is None and visitor.may_at("quota:manage", parent),
        targets=targets,
        may_be_loose=visitor.may_at("project:manage", visitor.whole),
        no_team=NO_TEAM,
        has_usage=_sees_usage(visitor),
    )


async def change_one(visitor: Visitor) -> Response:
    """Do what one of the buttons of a project's page asks for."""
    project_id, sent = visitor.path["project"], visitor.form
    here = f"{visitor.home}/projects/{project_id}"
    match sent["do"]:
        case "rename":
            await visitor.change(projects.update_project, project_id, name=sent["name"], team_id=UNSET)
            return go(here, notice="saved")
        case "move":
            team_id = None if sent["team"] == NO_TEAM else sent["team"]
            await visitor.change(projects.update_project, project_id, team_id=team_id)
            return go(here, notice="project-moved")
        case "delete":
            await visitor.change(projects.archive_project, project_id)
            return go(f"{visitor.home}/projects", notice="project-deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


def _sees_usage(visitor: Visitor) -> bool:
    return any(visitor.may(each) for each in ("analytics:full", "analytics:read:aggregate", "analytics:own"))
