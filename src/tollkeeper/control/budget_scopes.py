"""Whose budgets there are: organizations, teams, projects, members and api keys, and who manages and reads which.

A budget is managed by whoever manages quotas one level above: a project's by its team, a team's and a member's by the
organization, a key's by its projects. It is read by whoever reads quotas there; members read their own, too.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.key_rights import find_key, is_own, known_keys, places_of, project_ids_of
from tollkeeper.control.scopes import find_scope, parent_of, reach_of
from tollkeeper.domain.access import decide
from tollkeeper.domain.api_key import KeyKind
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.limit import LimitScope
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import api_keys, members, organizations, places, projects, teams
from tollkeeper.store.budgets import BudgetReach

MANAGE, READ = "quota:manage", "quota:read"


class Scope(msgspec.Struct, frozen=True):
    """Who has budgets. `place` is None for members and keys: they have no parts, and are no part of a whole."""

    kind: LimitScope
    id: str
    name: str
    managed_at: tuple[Place, ...]
    read_at: Place
    place: Place | None = None
    is_own: bool = False

    def require_manage(self, action: Action) -> None:
        """Pass when the caller may set its budgets.

        Raises:
            NotFound: the caller may not know of it.
            PermissionDenied: the caller may not.
        """
        for place in self.managed_at:
            action.require(MANAGE, place)

    def is_managed_by(self, action: Action) -> bool:
        """Tell whether the caller may set its budgets."""
        return all(decide(action.caller.principal, MANAGE, place).is_allowed for place in self.managed_at)

    def require_read(self, action: Action) -> None:
        """Pass when the caller may read its budgets.

        Raises:
            NotFound: the caller may not know of it.
            PermissionDenied: the caller may not.
        """
        if not self.is_own:
            action.require(READ, self.read_at)


async def find_budget_scope(action: Action, scope_id: str) -> Scope:
    """Return the scope of an id: of the organization, a team, a project, a member or an api key.

    Raises:
        NotFound: there is none that the caller may know of.
        InvalidRequest: it is an administration key, which calls no models.
    """
    if scope_id.startswith("mem_"):
        return await _member(action, scope_id)
    if scope_id.startswith("key_"):
        return await _key(action, scope_id)
    return scope_of(await find_scope(action, scope_id))


async def managed_among(action: Action, scope_ids: Collection[str]) -> frozenset[str]:
    """Return those of these scopes whose budgets the caller may set."""
    if decide(action.caller.principal, MANAGE, action.organization).is_allowed:
        return frozenset(scope_ids)
    keys = await known_keys(action, [each for each in scope_ids if each.startswith("key_")])
    of_keys = {each.id: project_ids_of(each) for each in keys if each.kind is not KeyKind.ADMIN}
    project_ids = {each for each in scope_ids if each.startswith("proj_")}
    wanted = project_ids.union(*of_keys.values())
    placed = await places.places_of_projects(action.connection, action.organization_id, sorted(wanted))
    managed_at = {each: [parent_of(placed[each])] for each in project_ids & placed.keys()}
    managed_at |= {key_id: [placed[each] for each in of_key] for key_id, of_key in of_keys.items()}
    return frozenset(
        scope_id
        for scope_id, everywhere in managed_at.items()
        if all(decide(action.caller.principal, MANAGE, place).is_allowed for place in everywhere)
    )


async def name_scope(action: Action, kind: LimitScope, scope_id: str) -> str:
    """Return what a scope of the organization is called, a member by the e-mail address; its id when it is gone."""
    connection, organization_id = action.connection, action.organization_id
    found: str | None = None
    if kind == "organization":
        organization = await organizations.get_organization(connection, organization_id)
        found = organization.name if organization else None
    elif kind == "team":
        team = await teams.get_team(connection, organization_id, scope_id)
        found = team.name if team else None
    elif kind == "project":
        project = await projects.get_project(connection, organization_id, scope_id)
        found = project.name if project else None
    elif kind == "member":
        member = await members.get_member(connection, organization_id, scope_id)
        found = member.email if member else None
    else:
        key = await api_keys.get_api_key(connection, organization_id, scope_id)
        found = key.name if key else None
    return found or scope_id


def scope_of(place: Place) -> Scope:
    """Return a place as a scope; it has no name."""
    return Scope(place.kind, place.id, "", (parent_of(place),), place, place)


def budget_reach(action: Action) -> BudgetReach | None:
    """Return whose budgets the caller may read; None for all of the organization."""
    principal = action.caller.principal
    places = reach_of(principal, READ)
    return None if places is None else BudgetReach(places, principal.member_id)


async def _member(action: Action, member_id: str) -> Scope:
    is_own = bool(member_id) and member_id == action.caller.principal.member_id
    found = await members.get_member(action.connection, action.organization_id, member_id)
    knows = is_own or any(
        decide(action.caller.principal, each, action.organization).is_allowed for each in (MANAGE, READ)
    )
    if found is None or found.status != members.ACTIVE or not knows:
        raise NotFound(f"There is no member '{member_id}'.")
    return Scope("member", found.id, found.email, (action.organization,), action.organization, is_own=is_own)


async def _key(action: Action, key_id: str) -> Scope:
    key = await find_key(action, key_id)
    if key.kind is KeyKind.ADMIN:
        raise InvalidRequest("An administration key calls no models, so it has no budget.", param="scope")
    everywhere = await places_of(action, key)
    return Scope("api_key", key.id, key.name, tuple(everywhere), everywhere[0], is_own=is_own(action, key))
