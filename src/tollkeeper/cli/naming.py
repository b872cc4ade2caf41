"""What commands call by name or id: teams, projects, places, members, roles; an unknown name brings the nearest to mind."""

from __future__ import annotations

from collections.abc import Iterable

from tollkeeper.control.administration import Action
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.role import PREDEFINED, Role
from tollkeeper.domain.tenancy import Place, Project, Team
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store import member_lists, members, projects, roles, teams
from tollkeeper.store.members import Member

_LOOKED_AT_MAX = 1000
"""How many names are looked at for the nearest one."""


async def named_team(action: Action, named: str) -> Team:
    """Return the team in use of this id or name.

    Raises:
        NotFound: there is none.
    """
    found = await teams.find_teams(action.connection, action.organization_id, [named])
    if not found:
        known = await teams.list_teams(action.connection, action.organization_id, limit=_LOOKED_AT_MAX)
        raise _unknown("team", named, (each.name for each in known))
    return next((each for each in found if each.id == named), found[0])


async def named_project(action: Action, named: str) -> Project:
    """Return the project in use of this id or name.

    Raises:
        NotFound: there is none.
    """
    found = await projects.find_projects(action.connection, action.organization_id, [named])
    if not found:
        known = await projects.list_projects(action.connection, action.organization_id, limit=_LOOKED_AT_MAX)
        raise _unknown("project", named, (each.name for each in known))
    return next((each for each in found if each.id == named), found[0])


async def named_place(action: Action, named: str | None) -> Place:
    """Return the place of a team's or a project's id or name, or the organization's id; the organization without.

    `team:NAME` and `project:NAME` tell those of the same name apart.

    Raises:
        NotFound: there is none.
        InvalidRequest: it is the name of a team and of a project.
    """
    if named is None or named in {"", "organization", action.organization_id}:
        return action.organization
    kind, colon, name = named.partition(":")
    if colon and kind in {"team", "project"}:
        return await place_of(
            action, team=name if kind == "team" else None, project=name if kind == "project" else None
        )
    in_teams = await teams.find_teams(action.connection, action.organization_id, [named])
    in_projects = await projects.find_projects(action.connection, action.organization_id, [named])
    if in_teams and in_projects:
        raise InvalidRequest(f"'{named}' is a team and a project; say team:{named} or project:{named}.", param="scope")
    if in_teams:
        return Place(action.organization_id, in_teams[0].id)
    if in_projects:
        return _place(in_projects[0])
    known_teams = await teams.list_teams(action.connection, action.organization_id, limit=_LOOKED_AT_MAX)
    known = await projects.list_projects(action.connection, action.organization_id, limit=_LOOKED_AT_MAX)
    raise _unknown("team or project", named, [*(each.name for each in known_teams), *(each.name for each in known)])


async def place_of(action: Action, *, team: str | None, project: str | None) -> Place:
    """Return the place that `--team` or `--project` names; without both the organization.

    Raises:
        NotFound: there is none.
        InvalidRequest: both are named.
    """
    if team is not None and project is not None:
        raise InvalidRequest("Say --team or --project, not both.", param="project")
    if project is not None:
        return _place(await named_project(action, project))
    if team is not None:
        return Place(action.organization_id, (await named_team(action, team)).id)
    return action.organization


async def named_member(action: Action, named: str) -> Member:
    """Return the active member of this id or e-mail address.

    Raises:
        NotFound: there is none.
    """
    found = await members.get_member(action.connection, action.organization_id, named)
    if found is None:
        email = named.strip().lower()
        found = await members.find_member_by_email(action.connection, action.organization_id, email=email)
    if found is not None and found.status == members.ACTIVE:
        return found
    known = await member_lists.list_members(
        action.connection, action.organization_id, member_lists.MemberFilter(), limit=_LOOKED_AT_MAX
    )
    raise _unknown("member", named, (each.email for each in known))


async def named_role(action: Action, named: str) -> Role:
    """Return the role of this id or name.

    Raises:
        NotFound: there is none.
    """
    found = await roles.find_role(action.connection, action.organization_id, named)
    if found is None:
        own = await roles.list_roles(action.connection, action.organization_id, limit=_LOOKED_AT_MAX)
        raise _unknown("role", named, {*PREDEFINED, *(each.name for each in own)})
    return found


def _place(project: Project) -> Place:
    return Place(project.organization_id, project.team_id, project.id)


def _unknown(what: str, named: str, known: Iterable[str]) -> NotFound:
    return NotFound(f"There is no {what} '{named}' in this organization.{did_you_mean(named, sorted(known))}")
