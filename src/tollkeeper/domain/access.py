"""Who may do what: principals, their grants, and the one decision, with its reason."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.errors import NotFound, PermissionDenied
from tollkeeper.domain.permission import (
    ADMIN_PERMISSIONS,
    INFERENCE_PERMISSIONS,
    LOGIN,
    MEMBERSHIP,
    PERMISSIONS,
    with_implied,
)
from tollkeeper.domain.tenancy import Place

__all__ = ["ADMIN_PERMISSIONS", "INFERENCE_PERMISSIONS", "PERMISSIONS"]


class PrincipalKind(StrEnum):
    OPERATOR = "operator"  # whoever can run the command line on the database
    ACCOUNT = "account"  # a person who is logged in
    API_KEY = "api_key"
    SYSTEM = "system"  # a job of a server, which nobody asked for and which asks for no permission


class Grant(msgspec.Struct, frozen=True):
    """Permissions at a place and below it. Both ids "" is the whole organization."""

    source: str  # for people: "role developer", "API key key_…"
    permissions: frozenset[str]
    team_id: str = ""
    project_id: str = ""

    def covers(self, place: Place) -> bool:
        """Tell whether a place is the grant's or below it."""
        if self.project_id:
            return self.project_id == place.project_id
        return not self.team_id or self.team_id == place.team_id


class Principal(msgspec.Struct, frozen=True):
    """Who asks. `organization_id` is "" for a person who chose no organization."""

    kind: PrincipalKind
    id: str
    name: str
    organization_id: str
    grants: tuple[Grant, ...] = ()
    account_id: str = ""
    member_id: str = ""
    may_hand_out: frozenset[str] = frozenset()
    """What an administration key may give away without being able to use it: inference."""
    is_service: bool = False

    @property
    def is_operator(self) -> bool:
        return self.kind is PrincipalKind.OPERATOR

    @property
    def has_membership(self) -> bool:
        """People and administration keys see whom they work with; a service's key does not."""
        return bool(self.organization_id) and not self.is_service


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a principal may do a thing, and why. `is_visible` tells whether it may know of the place at all."""

    permission: str
    is_allowed: bool
    is_visible: bool
    reason: str
    source: str = ""


def decide(principal: Principal, permission: str, place: Place) -> Decision:
    """Decide whether a principal may use a permission at a place. This is the only such decision."""
    assert permission in PERMISSIONS or permission == MEMBERSHIP, permission
    is_visible = sees(principal, place)
    if principal.organization_id != place.organization_id:
        return _refused(permission, "It belongs to another organization.", is_visible=is_visible)
    if principal.is_operator:
        return _granted(permission, "The operator may do everything.", source="operator")
    if permission == MEMBERSHIP:
        if principal.has_membership and is_visible:
            return _granted(permission, "Members may see what their roles reach.", source="membership")
        reason = "It is for people and administration keys of the organization, and for what their roles reach."
        return _refused(permission, reason, is_visible=is_visible)
    elsewhere = ""
    for grant in principal.grants:
        if permission not in grant.permissions:
            continue
        if grant.covers(place):
            return _granted(permission, f"Granted by {grant.source}.", source=grant.source)
        elsewhere = f" It is granted by {grant.source}, but not for this {place.kind}."
    return _refused(permission, f"No role or key grants '{permission}' here.{elsewhere}", is_visible=is_visible)


def sees(principal: Principal, place: Place) -> bool:
    """Tell whether a principal may know of a place: one that a grant covers, or one above a grant of its own."""
    if principal.organization_id != place.organization_id:
        return False
    if principal.is_operator or place.kind == "organization":
        return True
    if any(grant.covers(place) for grant in principal.grants):
        return True
    return place.kind == "team" and any(grant.team_id == place.team_id for grant in principal.grants)


def require(principal: Principal, permission: str, place: Place) -> None:
    """Pass when a principal may use a permission at a place.

    Raises:
        NotFound: it may not even know of the place: the answer is the same as for one that is not there.
        PermissionDenied: it may not; the message names what is missing.
    """
    decision = decide(principal, permission, place)
    if decision.is_allowed:
        return
    if not decision.is_visible:
        raise NotFound(f"There is no {place.kind} '{place.id}'.")
    raise _denied(principal, permission)


def require_somewhere(principal: Principal, permission: str) -> None:
    """Pass when a principal has a permission at any place: what a route checks before it looks at anything.

    Raises:
        PermissionDenied: it has it nowhere, so what it asked about does not matter.
    """
    if principal.is_operator or permission == LOGIN:
        return
    if permission == MEMBERSHIP:
        if principal.has_membership:
            return
        raise PermissionDenied("This is for people and administration keys of the organization.")
    if not any(permission in grant.permissions for grant in principal.grants):
        raise _denied(principal, permission)


def held(principal: Principal, place: Place) -> frozenset[str]:
    """Return every permission that a principal has at a place."""
    if principal.organization_id != place.organization_id:
        return frozenset()
    if principal.is_operator:
        return PERMISSIONS
    return frozenset().union(*(grant.permissions for grant in principal.grants if grant.covers(place)))


def require_grantable(principal: Principal, permissions: frozenset[str], place: Place) -> None:
    """Pass when a principal may give these permissions away at a place: nobody can grant what they do not have.

    Raises:
        PermissionDenied: the message names what the principal does not have itself.
    """
    missing = with_implied(permissions) - held(principal, place) - principal.may_hand_out
    if missing:
        names = ", ".join(f"'{name}'" for name in sorted(missing))
        raise PermissionDenied(f"You cannot grant what you do not have here: {names}.", missing_permission=min(missing))


def principal_of_key(key: ApiKey) -> Principal:
    """Return the principal that a usable api key stands for."""
    source = f"API key {key.id}"
    permissions = with_implied(key.permissions)
    if key.kind is KeyKind.ADMIN:
        grants: tuple[Grant, ...] = (Grant(source, permissions - INFERENCE_PERMISSIONS),)
    else:
        grants = tuple(
            Grant(source, with_implied(project.permissions), project.team_id, project.id)
            for project in key.projects
            if project.permissions  # where a member has nothing left, the member's key has no place either
        )
    hands_out = key.kind is KeyKind.ADMIN and "api_key:create" in permissions
    return Principal(
        PrincipalKind.API_KEY,
        key.id,
        key.name,
        key.organization_id,
        grants,
        member_id=key.member_id,
        may_hand_out=INFERENCE_PERMISSIONS if hands_out else frozenset(),
        is_service=key.kind is KeyKind.SERVICE,
    )


def authorise(key: ApiKey, permission: str) -> None:
    """Pass when the key may use `permission`; what the path of a call asks.

    Raises:
        PermissionDenied: it may not; the message names what is missing.
    """
    if key.kind is KeyKind.ADMIN and permission in INFERENCE_PERMISSIONS:
        message = f"An administration key cannot call models (missing permission '{permission}'); use a project key."
        raise PermissionDenied(message, missing_permission=permission)
    if permission in key.permissions:
        return
    message = f"This API key does not have the permission '{permission}'; an admin can grant it."
    raise PermissionDenied(message, missing_permission=permission)


def _denied(principal: Principal, permission: str) -> PermissionDenied:
    who = "This API key does" if principal.kind is PrincipalKind.API_KEY else "You do"
    message = f"{who} not have the permission '{permission}' here; an admin can grant it."
    return PermissionDenied(message, missing_permission=permission)


def _granted(permission: str, reason: str, *, source: str) -> Decision:
    return Decision(permission=permission, is_allowed=True, is_visible=True, reason=reason, source=source)


def _refused(permission: str, reason: str, *, is_visible: bool) -> Decision:
    return Decision(permission=permission, is_allowed=False, is_visible=is_visible, reason=reason)
