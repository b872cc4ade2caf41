"""Members: whom a caller may see, what roles they are given and lose, and their removal, which ends their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tollkeeper.control import api_keys
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.member_letters import post_removal
from tollkeeper.control.roles import require_assignable
from tollkeeper.control.scopes import find_scope, reach_of
from tollkeeper.domain.errors import Conflict, NotFound
from tollkeeper.domain.role import ORG_ADMIN, Assignment
from tollkeeper.domain.tenancy import Place, ScopeKind
from tollkeeper.store import invites, member_lists, members, organizations, places, roles
from tollkeeper.store.member_lists import MemberFilter
from tollkeeper.store.members import Member


class MemberRole(msgspec.Struct, frozen=True):
    """A role that a member has at a place."""

    role_id: str
    role_name: str
    scope_kind: ScopeKind
    scope_id: str


class MemberState(msgspec.Struct, frozen=True):
    """A member, with those roles that the caller may see."""

    member: Member
    roles: tuple[MemberRole, ...]


async def list_members(
    action: Action,
    *,
    team_id: str | None = None,
    project_id: str | None = None,
    role: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[MemberState]:
    """Return the active members that the caller may see, oldest first.

    These are the caller's own, those with a role for the whole organization, and those with a role within the caller's
    reach. `team_id` lets in who has a role at the team or one of its projects, `project_id` at the project itself.

    Raises:
        NotFound: there is no such team, project or role.
    """
    action.require("membership", action.organization)
    for scope_id in (team_id, project_id):
        if scope_id is not None:
            action.require("membership", await find_scope(action, scope_id))
    role_id = None
    if role is not None:
        found_role = await roles.find_role(action.connection, action.organization_id, role)
        if found_role is None:
            raise NotFound(f"There is no role '{role}'.")
        role_id = found_role.id
    principal = action.caller.principal
    wanted = MemberFilter(team_id, project_id, role_id, reach_of(principal), principal.member_id)
    found = await member_lists.list_members(action.connection, action.organization_id, wanted, after=after, limit=limit)
    return await _states(action, found)


async def get_member(action: Action, member_id: str) -> MemberState:
    """Return a member that the caller may see.

    Raises:
        NotFound: there is none, or none that the caller may know of.
    """
    action.require("membership", action.organization)
    return (await _states(action, [await require_member(action, member_id)]))[0]


async def give_role(action: Action, member_id: str, *, role: str, scope_id: str | None = None) -> MemberState:
    """Give a member a role, by its id or name, at a place; the whole organization by default. Again is no change.

    Raises:
        NotFound: there is no such member, role or place that the caller may know of.
        PermissionDenied: the caller may not manage members there, or does not have all that the role has.
        InvalidRequest: the role is not made for such a place.
    """
    assignable = await require_assignable(action, role, scope_id)
    found = await require_member(action, member_id)
    assignment = assignable.assignment
    if await members.assign_role(action.connection, action.organization_id, member_id, assignment):
        action.record("member.give_role", _target(found), after=_shown(assignment, assignable.role.name))
    return await _state_after(action, member_id)


async def take_role(action: Action, member_id: str, *, role: str, scope_id: str | None = None) -> MemberState:
    """Take a role at a place from a member.

    Raises:
        NotFound: there is no such member, role or place that the caller may know of, or the member does not have it.
        PermissionDenied: the caller may not manage members there, or does not have all that the role has.
        Conflict: nobody would be left to administer the organization.
    """
    assignable = await require_assignable(action, role, scope_id)
    await organizations.lock_organization(action.connection, action.organization_id)
    found = await require_member(action, member_id)
    assignment = assignable.assignment
    if assignment not in found.assignments:
        raise NotFound(f"The member does not have the role '{role}' there.")
    await _keep_an_admin(action, [assignment])
    await members.withdraw_role(action.connection, action.organization_id, member_id, assignment)
    action.record("member.take_role", _target(found), before=_shown(assignment, assignable.role.name))
    return await _state_after(action, member_id)


async def remove_member(action: Action, member_id: str, *, rules: AccountRules | None = None) -> MemberState:
    """End a membership: its roles are gone and the keys that are the person's are disabled, on every replica at once.

    With `rules` the person gets an e-mail, and who manages members one about the keys.

    Raises:
        NotFound: there is no such member that the caller may know of.
        PermissionDenied: the caller may not manage the organization's members, or does not have all that the member has.
        Conflict: nobody would be left to administer the organization.
    """
    action.require("member:manage", action.organization)
    await organizations.lock_organization(action.connection, action.organization_id)
    # Its row before its keys: what changes them is numbered, and nobody may wait for a row while holding that number.
    await members.lock_member(action.connection, action.organization_id, member_id)
    found = await require_member(action, member_id)
    for grant in await members.read_grants(action.connection, action.organization_id, member_id):
        action.require_grantable(grant.permissions, Place(action.organization_id, grant.team_id, grant.project_id))
    await _keep_an_admin(action, found.assignments)
    before = (await _states(action, [found]))[0]
    revoked = await invites.revoke_invites_of(  # neither what was sent to the person nor by the person outlives this
        action.connection, action.organization_id, email=found.email, inviters=(member_id, found.account_id)
    )
    disabled = await api_keys.disable_member_keys(action, member_id)
    await members.remove_member(action.connection, action.organization_id, member_id)
    shown = {
        "roles": [msgspec.to_builtins(each) for each in before.roles],
        "keys_disabled": len(disabled),
        "invites_revoked": revoked,
    }
    action.record("member.remove", _target(found), before=shown)
    removed = await members.get_member(action.connection, action.organization_id, member_id)
    assert removed is not None, "its row stays"
    if rules is not None:
        await post_removal(action, found, disabled=disabled, rules=rules)
    return MemberState(removed, ())


async def require_member(action: Action, member_id: str) -> Member:
    """Return an active member that the caller may see.

    Raises:
        NotFound: there is none, or none that the caller may know of.
    """
    found = await members.get_member(action.connection, action.organization_id, member_id)
    if found is None or found.status != members.ACTIVE or not await _is_visible(action, found):
        raise NotFound(f"There is no member '{member_id}'.")
    return found


async def _is_visible(action: Action, found: Member) -> bool:
    principal = action.caller.principal
    if reach_of(principal) is None or found.id == principal.member_id:
        return True
    return any(_reaches(action, each) for each in await _places(action, found.assignments))


def _reaches(action: Action, place: Place) -> bool:
    """Tell whether a role at a place is within what the caller's grants reach, or is for the whole organization."""
    reach = reach_of(action.caller.principal)
    if reach is None or place.kind == "organization":
        return True
    return place.team_id in reach.team_ids or (bool(place.project_id) and place.project_id in reach.project_ids)


async def _places(action: Action, assignments: Iterable[Assignment]) -> list[Place]:
    organization_id = action.organization_id
    found = list(assignments)
    ids = sorted({each.scope_id for each in found if each.scope_kind == "project"})
    of_projects = await places.places_of_projects(action.connection, organization_id, ids) if ids else {}
    return [
        of_projects[each.scope_id]
        if each.scope_kind == "project"
        else Place(organization_id, each.scope_id if each.scope_kind == "team" else "")
        for each in found
    ]


async def _keep_an_admin(action: Action, assignments: Sequence[Assignment]) -> None:
    """Refuse what would end the last org_admin; the organization is locked."""
    ends_one = any(each.role_id == ORG_ADMIN and each.scope_kind == "organization" for each in assignments)
    if ends_one and await members.count_org_admins(action.connection, action.organization_id) <= 1:
        raise Conflict("This is the organization's last org_admin; make somebody else one first.")


async def _state_after(action: Action, member_id: str) -> MemberState:
    changed = await members.get_member(action.connection, action.organization_id, member_id)
    assert changed is not None, "it was there before"
    return (await _states(action, [changed]))[0]


async def _states(action: Action, found: Sequence[Member]) -> list[MemberState]:
    assignments = [each for member in found for each in member.assignments]
    ids = sorted({each.role_id for each in assignments})
    names = await roles.read_role_names(action.connection, action.organization_id, ids)
    principal = action.caller.principal
    is_all = reach_of(principal) is None
    visible = {
        each
        for each, place in zip(assignments, await _places(action, assignments), strict=True)
        if is_all or _reaches(action, place)
    }
    return [
        MemberState(
            member,
            tuple(
                MemberRole(each.role_id, names[each.role_id], each.scope_kind, each.scope_id)
                for each in member.assignments
                if each in visible or member.id == principal.member_id
            ),
        )
        for member in found
    ]


def _target(member: Member) -> Target:
    return Target("member", member.id, member.email)


def _shown(assignment: Assignment, role_name: str) -> dict[str, object]:
    return {"role": role_name, **msgspec.structs.asdict(assignment)}
