"""The page of one team: its projects with what is left of their month, another name, and its end."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import projects, teams
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Place
from tollkeeper.web.answers import go, page
from tollkeeper.web.monthly_budgets import read_monthly
from tollkeeper.web.places import PLACES_MAX
from tollkeeper.web.visitor import Visitor


async def show_one(visitor: Visitor) -> Response:
    """Answer the page."""
    team = await visitor.look(teams.get_team, visitor.path["team"])
    place = Place(team.organization_id, team.id)
    is_in_use = team.archived_at_us is None
    states = await visitor.look(projects.list_projects, team_id=team.id, limit=PLACES_MAX + 1) if is_in_use else []
    monthly = await read_monthly(visitor, scope_id=team.id)
    return await page(
        visitor,
        "team.html",
        team=team,
        states=states[:PLACES_MAX],
        is_cut=len(states) > PLACES_MAX,
        monthly=monthly,
        may_manage=is_in_use and visitor.may_at("project:manage", place),
        may_delete=is_in_use and visitor.may_at("team:delete", place),
        may_set_budget=is_in_use and visitor.may_at("quota:manage", visitor.whole),
        sent=visitor.form,
    )


async def change_one(visitor: Visitor) -> Response:
    """Do what one of the page's forms asks for."""
    team_id, sent = visitor.path["team"], visitor.form
    match sent["do"]:
        case "rename":
            await visitor.change(teams.rename_team, team_id, name=sent["name"])
            return go(f"{visitor.home}/projects/teams/{team_id}", notice="saved")
        case "make-project":
            made = await visitor.change(projects.create_project, name=sent["name"], team_id=team_id)
            return go(f"{visitor.home}/projects/{made.project.id}", notice="created")
        case "delete":
            await visitor.change(teams.archive_team, team_id)
            return go(f"{visitor.home}/projects", notice="team-deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")
