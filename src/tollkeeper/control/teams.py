"""Teams: create, list, rename, archive."""

from __future__ import annotations

from datetime import UTC, datetime

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.names import check_name
from tollkeeper.domain.errors import Conflict, NotFound
from tollkeeper.domain.tenancy import Place, Team
from tollkeeper.store import budgets, organizations, places, projects, rate_limits, teams


async def create_team(action: Action, *, name: str) -> Team:
    """Create a team.

    Raises:
        InvalidRequest: a name that is none.
        Conflict: the organization has a team of this name.
    """
    action.require("team:create", action.organization)
    made = await teams.create_team(action.connection, action.organization_id, name=check_name(name))
    action.record("team.create", _target(made), after=_shown(made))
    return made


async def get_team(action: Action, team_id: str) -> Team:
    """Return a team that the caller may see, archived or not.

    Raises:
        NotFound: there is none that the caller may know of.
    """
    place = await require_team(action, team_id, "membership")
    found = await teams.get_team(action.connection, action.organization_id, place.team_id)
    assert found is not None, "its place was just found"
    return found


async def list_teams(action: Action, *, after: str | None = None, limit: int = 100) -> list[Team]:
    """Return the teams that the caller may see, oldest first."""
    action.require("membership", action.organization)
    return await teams.list_teams(
        action.connection, action.organization_id, ids=visible_team_ids(action), after=after, limit=limit
    )


async def rename_team(action: Action, team_id: str, *, name: str) -> Team:
    """Give a team another name.

    Raises:
        NotFound: there is none that the caller may know of.
        Conflict: another team has this name.
    """
    before = await _require_present(action, team_id, "project:manage")
    renamed = await teams.rename_team(action.connection, action.organization_id, team_id, name=check_name(name))
    action.record("team.update", _target(renamed), before=_shown(before), after=_shown(renamed))
    return renamed


async def archive_team(action: Action, team_id: str) -> Team:
    """Take a team out of use; its usage stays.

    Raises:
        NotFound: there is none that the caller may know of.
        Conflict: it still has projects.
    """
    before = await _require_present(action, team_id, "team:delete")
    await organizations.lock_organization(action.connection, action.organization_id)  # no project may come meanwhile
    left = await projects.list_projects(action.connection, action.organization_id, team_id=team_id, limit=1)
    if left:
        raise Conflict(f"The team still has projects, '{left[0].name}' for one; archive them first.")
    name = archived_name(before.name, action.now_us)
    await budgets.delete_budgets_of(action.connection, action.organization_id, team_id)
    await rate_limits.delete_rate_limits_of(action.connection, action.organization_id, team_id)
    archived = await teams.archive_team(action.connection, action.organization_id, team_id, name=name)
    action.record("team.delete", _target(before), before=_shown(before))
    return archived


async def require_team(action: Action, team_id: str, permission: str) -> Place:
    """Return a team's place when the caller may do this there.

    Raises:
        NotFound: there is none that the caller may know of.
        PermissionDenied: the caller may not.
    """
    place = await places.place_of_team(action.connection, action.organization_id, team_id)
    if place is None:
        raise NotFound(f"There is no team '{team_id}'.")
    action.require(permission, place)
    return place


def visible_team_ids(action: Action) -> list[str] | None:
    """Return the teams that the caller's grants reach; None for all."""
    principal = action.caller.principal
    if principal.is_operator or any(not grant.team_id and not grant.project_id for grant in principal.grants):
        return None
    return sorted({grant.team_id for grant in principal.grants if grant.team_id})


def archived_name(name: str, now_us: int) -> str:
    """Return the name that an archived thing goes on with: the old one is free again."""
    at = datetime.fromtimestamp(now_us / 1_000_000, tz=UTC)
    return f"{name} (archived {at:%Y-%m-%d %H:%M:%S.%f})"


async def _require_present(action: Action, team_id: str, permission: str) -> Team:
    await require_team(action, team_id, permission)
    found = await teams.get_team(action.connection, action.organization_id, team_id)
    if found is None or found.archived_at_us is not None:
        raise NotFound(f"There is no team '{team_id}'.")
    return found


def _target(team: Team) -> Target:
    return Target("team", team.id, team.name)


def _shown(team: Team) -> dict[str, object]:
    return {"name": team.name}
