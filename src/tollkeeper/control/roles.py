"""Roles: custom ones made, changed and deleted; and whether a role may be given at a place by whoever asks."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.names import check_name
from tollkeeper.control.scopes import find_scope
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.role import ORG_ADMIN, PREDEFINED, TEAM_ADMIN, Assignment, Role
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import roles

DESCRIPTION_LENGTH_MAX = 500


class Assignable(msgspec.Struct, frozen=True):
    """A role that may be given at a place."""

    role: Role
    place: Place

    @property
    def assignment(self) -> Assignment:
        return Assignment(self.role.id, self.place.kind, self.place.id)


async def list_roles(action: Action, *, after: str | None = None, limit: int = 100) -> list[Role]:
    """Return the organization's roles: the predefined ones, then custom ones, oldest first."""
    action.require("membership", action.organization)
    return await roles.list_roles(action.connection, action.organization_id, after=after, limit=limit)


async def get_role(action: Action, role_id: str) -> Role:
    """Return a role.

    Raises:
        NotFound: the organization has none of this id.
    """
    action.require("membership", action.organization)
    found = await roles.get_role(action.connection, action.organization_id, role_id)
    if found is None:
        raise NotFound(f"There is no role '{role_id}'.")
    return found


async def create_role(action: Action, *, name: str, permissions: frozenset[str], description: str = "") -> Role:
    """Make a custom role of permissions that the caller has in the whole organization.

    Raises:
        PermissionDenied: the caller may not manage roles, or does not have all of the permissions.
        InvalidRequest: an unknown permission, or a name that is none.
        Conflict: there is a role of this name.
    """
    action.require("role:manage", action.organization)
    action.require_grantable(_check_permissions(permissions), action.organization)
    made = await roles.create_role(
        action.connection,
        action.organization_id,
        name=_check_role_name(name),
        description=_check_description(description),
        permissions=permissions,
    )
    action.record("role.create", _target(made), after=_shown(made))
    return made


async def update_role(
    action: Action,
    role_id: str,
    *,
    name: str | UnsetType = UNSET,
    permissions: frozenset[str] | UnsetType = UNSET,
    description: str | UnsetType = UNSET,
) -> Role:
    """Change a custom role, for all who have it; what is UNSET stays. Who changes it has what comes in and what goes out.

    Raises:
        NotFound: the organization has no such role.
        PermissionDenied: the caller may not manage roles, or does not have all of the permissions that change.
        Conflict: the role is predefined, or another one has this name.
    """
    action.require("role:manage", action.organization)
    before = await _lock_custom(action, role_id)
    values: dict[str, object] = {}
    if permissions is not UNSET:
        action.require_grantable(_check_permissions(permissions) ^ before.permissions, action.organization)
        values["permissions"] = permissions
    if name is not UNSET:
        values["name"] = _check_role_name(name)
    if description is not UNSET:
        values["description"] = _check_description(description)
    if not values:
        return before
    changed = await roles.change_role(action.connection, action.organization_id, role_id, values=values)
    action.record("role.update", _target(changed), before=_shown(before), after=_shown(changed))
    return changed


async def delete_role(action: Action, role_id: str) -> Role:
    """Delete a custom role that nobody has and no open invitation offers.

    Raises:
        NotFound: the organization has no such role.
        PermissionDenied: the caller may not manage roles.
        Conflict: the role is predefined or in use; the message says by whom.
    """
    action.require("role:manage", action.organization)
    found = await _lock_custom(action, role_id)
    uses = await roles.read_uses(action.connection, action.organization_id, role_id)
    if uses.is_any:
        raise Conflict(_in_use(found, uses))
    await roles.delete_role(action.connection, action.organization_id, role_id)
    action.record("role.delete", _target(found), before=_shown(found))
    return found


async def require_assignable(action: Action, role: str, scope_id: str | None = None) -> Assignable:
    """Return a role, by its id or name, with the place where it is given or taken; the whole organization by default.

    To give or take a role one manages the members there and has every permission of the role there.

    Raises:
        NotFound: there is no such role, or no such place that the caller may know of.
        PermissionDenied: the caller may not manage members there, or does not have all that the role has.
        InvalidRequest: the role is not made for such a place.
    """
    place = await find_scope(action, scope_id or action.organization_id)
    action.require("member:manage", place)
    found = await roles.find_role(action.connection, action.organization_id, role)
    if found is None:
        raise NotFound(f"There is no role '{role}'.")
    if found.id == TEAM_ADMIN and place.kind == "organization":
        raise InvalidRequest(
            "team_admin is for a team or a project; for the organization it is org_admin.", param="role"
        )
    if found.id == ORG_ADMIN and place.kind != "organization":
        raise InvalidRequest(
            f"org_admin is for the whole organization; for a {place.kind} use team_admin.", param="role"
        )
    action.require_grantable(found.permissions, place)
    return Assignable(found, place)


async def _lock_custom(action: Action, role_id: str) -> Role:
    if role_id in PREDEFINED:
        raise Conflict(f"'{role_id}' is predefined and stays as it is; make a role of your own instead.")
    found = await roles.lock_role(action.connection, action.organization_id, role_id)
    if found is None:
        raise NotFound(f"There is no role '{role_id}'.")
    return found


def _check_permissions(permissions: frozenset[str]) -> frozenset[str]:
    unknown = sorted(permissions - PERMISSIONS)
    if unknown:
        raise InvalidRequest(f"There is no permission '{unknown[0]}'.", param="permissions")
    return permissions


def _check_role_name(name: str) -> str:
    name = check_name(name)
    if name.lower() in PREDEFINED or name.startswith("role_"):
        raise InvalidRequest(f"'{name}' would be mistaken for another role; choose another name.", param="name")
    return name


def _check_description(description: str) -> str:
    description = description.strip()
    if len(description) > DESCRIPTION_LENGTH_MAX or any(not each.isprintable() for each in description.splitlines()):
        raise InvalidRequest(
            f"A description has at most {DESCRIPTION_LENGTH_MAX} printable characters.", param="description"
        )
    return description


def _in_use(role: Role, uses: roles.RoleUses) -> str:
    parts = []
    if uses.member_count:
        more = ", …" if uses.member_count > len(uses.example_emails) else ""
        parts.append(f"{uses.member_count} member(s) have it ({', '.join(uses.example_emails)}{more})")
    if uses.invite_count:
        parts.append(f"{uses.invite_count} open invitation(s) offer it")
    return f"The role '{role.name}' is in use: {' and '.join(parts)}."


def _target(role: Role) -> Target:
    return Target("role", role.id, role.name)


def _shown(role: Role) -> dict[str, object]:
    return {"name": role.name, "description": role.description, "permissions": sorted(role.permissions)}
