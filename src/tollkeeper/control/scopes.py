"""Places as callers name them: found when the caller may know of them, and how far a caller's grants reach."""

from __future__ import annotations

from tollkeeper.control.administration import Action
from tollkeeper.domain.access import Principal
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import places
from tollkeeper.store.projects import Reach


async def find_scope(action: Action, scope_id: str) -> Place:
    """Return the place of an organization's, a team's or a project's id that is in use.

    Raises:
        NotFound: there is none that the caller may know of.
    """
    found = await places.place_of_scope(action.connection, action.organization_id, scope_id, is_in_use=True)
    if found is None or not action.sees(found):
        kind = "team" if scope_id.startswith("team_") else "project" if scope_id.startswith("proj_") else "place"
        raise NotFound(f"There is no {kind} '{scope_id}'.")
    return found


def parent_of(place: Place) -> Place:
    """Return the place that a place is part of: a project's team, else the organization, which is its own."""
    return Place(place.organization_id, place.team_id if place.kind == "project" else "")


def reach_of(principal: Principal, permission: str | None = None) -> Reach | None:
    """Return the teams and projects that a principal's grants reach (those with `permission`); None for all."""
    grants = [each for each in principal.grants if permission is None or permission in each.permissions]
    if principal.is_operator or any(not each.team_id and not each.project_id for each in grants):
        return None
    return Reach(
        tuple(sorted({each.team_id for each in grants if not each.project_id})),
        tuple(sorted({each.project_id for each in grants if each.project_id})),
    )
