"""Who sees which calls: everything of a place, totals without keys and people, or the calls made with one's own keys."""

from __future__ import annotations

from enum import StrEnum

from tollkeeper.control.administration import Action
from tollkeeper.control.scopes import reach_of
from tollkeeper.domain.access import Principal, PrincipalKind, decide, require
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import places
from tollkeeper.store.usage_reports import KeyOwner, Scope

FULL, AGGREGATE, OWN = "analytics:full", "analytics:read:aggregate", "analytics:own"
DETAILS = frozenset({"api_key_id", "member_id"})
"""Columns that tell about single keys and people: nothing for who may read totals only."""


class Level(StrEnum):
    """How much of a place's calls somebody sees."""

    FULL = "full"
    AGGREGATE = "aggregate"
    OWN = "own"


def level_at(action: Action, place: Place) -> Level:
    """Return the most that the caller may see of a place's calls.

    Raises:
        NotFound: the caller may not know of the place.
        PermissionDenied: the caller may see nothing of its calls.
    """
    for permission, level in ((FULL, Level.FULL), (AGGREGATE, Level.AGGREGATE), (OWN, Level.OWN)):
        if decide(action.caller.principal, permission, place).is_allowed:
            return level
    action.require(AGGREGATE, place)
    raise AssertionError("what is decided twice is decided the same")


def owner_of(principal: Principal) -> KeyOwner:
    """Return whose keys are a principal's own: the member's, and the key itself that asks."""
    key_id = principal.id if principal.kind is PrincipalKind.API_KEY else ""
    return KeyOwner(principal.member_id, key_id)


def scopes_of(principal: Principal, *, is_detailed: bool, has_keys: bool = True) -> tuple[Scope, ...] | None:
    """Return the calls that a principal may see, None for all; `is_detailed` with keys and people told apart.

    Without `has_keys` the report knows no keys, so that one's own calls cannot be told from others.

    Raises:
        PermissionDenied: it may see none.
    """
    whole = FULL if is_detailed else AGGREGATE  # who has the first has the second
    found: list[Scope] = []
    for permission, owner in ((whole, None), (OWN, owner_of(principal))):
        if owner is not None and not has_keys:
            continue
        reach = reach_of(principal, permission)
        if reach is None and owner is None:
            return None
        if reach is None or reach.team_ids or reach.project_ids:
            found.append(Scope(reach, owner))
    if not found:
        require(principal, whole, Place(principal.organization_id))
    return tuple(found)


def reaches_details(principal: Principal) -> bool:
    """Tell whether a principal sees calls told apart by key and person: those of some place, or its own.

    Who reads the totals of more than that sees the totals: what is shown is then of more calls.
    """
    if reach_of(principal, FULL) == reach_of(principal, AGGREGATE):
        return True  # who reads totals only anywhere has less of the first
    return not _reaches(principal, AGGREGATE) and _reaches(principal, OWN)


def _reaches(principal: Principal, permission: str) -> bool:
    reach = reach_of(principal, permission)
    return reach is None or bool(reach.team_ids or reach.project_ids)


async def require_reports(action: Action, permission: str, project_ids: tuple[str, ...] | None) -> None:
    """Pass when the caller has a permission for the organization, or for each of the projects that it asks about.

    Raises:
        NotFound: one of the projects is none that the caller may know of.
        PermissionDenied: the caller has the permission for less than it asks about.
    """
    if project_ids is None or decide(action.caller.principal, permission, action.organization).is_allowed:
        action.require(permission, action.organization)
        return
    found = await places.places_of_projects(action.connection, action.organization_id, project_ids)
    for project_id in project_ids:
        place = found.get(project_id)
        if place is None:
            raise NotFound(f"There is no project '{project_id}'.")
        action.require(permission, place)
