"""The teams and projects that a person sees, as pages list them and forms offer them."""

from __future__ import annotations

import msgspec

from tollkeeper.control import projects, teams
from tollkeeper.control.projects import ProjectState
from tollkeeper.domain.tenancy import Organization, Place, Project, Team
from tollkeeper.web.visitor import Visitor

PLACES_MAX = 1000
"""Teams, and projects, that one page has."""


class Choice(msgspec.Struct, frozen=True):
    """A place as a form offers it; `depth` is how far below the organization."""

    place: Place
    name: str
    depth: int

    @property
    def id(self) -> str:
        return self.place.id

    @property
    def label(self) -> str:
        return "\u2003" * self.depth + self.name


class Seen(msgspec.Struct, frozen=True):
    """What a person sees of an organization. `is_cut`: there are more than one page has."""

    teams: list[Team]
    projects: list[ProjectState]
    is_cut: bool

    def of_team(self, team_id: str) -> list[ProjectState]:
        """Return a team's projects; those without a team for ""."""
        return [each for each in self.projects if each.project.team_id == team_id]

    def names(self, organization: Organization) -> dict[str, str]:
        """Return the names of the places by their ids."""
        own: dict[str, str] = {each.project.id: each.project.name for each in self.projects}
        own |= {each.id: each.name for each in self.teams}
        return {**own, organization.id: organization.name}


async def read_places(visitor: Visitor) -> Seen:
    """Return the teams and projects in use that the person sees."""
    found = [each for each in await visitor.look(teams.list_teams, limit=PLACES_MAX + 1) if each.archived_at_us is None]
    states = await visitor.look(projects.list_projects, limit=PLACES_MAX + 1)
    is_cut = len(found) > PLACES_MAX or len(states) > PLACES_MAX
    return Seen(found[:PLACES_MAX], states[:PLACES_MAX], is_cut)


def choices_of(visitor: Visitor, seen: Seen, permission: str = "") -> list[Choice]:
    """Return the places to choose from, each team before its projects; with `permission` those where the person has it."""
    organization = visitor.organization
    known = {each.id for each in seen.teams}
    found = [Choice(Place(organization.id), organization.name, 0)]
    for team in seen.teams:
        found.append(Choice(Place(organization.id, team.id), team.name, 1))
        found += [_choice(each.project, 2) for each in seen.of_team(team.id)]
    found += [_choice(each.project, 1) for each in seen.projects if each.project.team_id not in known]
    return [each for each in found if not permission or visitor.may_at(permission, each.place)]


def place_of(project: Project) -> Place:
    """Return where a project is."""
    return Place(project.organization_id, project.team_id, project.id)


def _choice(project: Project, depth: int) -> Choice:
    return Choice(place_of(project), project.name, depth)
