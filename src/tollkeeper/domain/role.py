"""Roles: the predefined ones, custom ones, and their assignment to a member at a place."""

from __future__ import annotations

from typing import NewType

import msgspec

from tollkeeper.domain.permission import INFERENCE_PERMISSIONS, PERMISSIONS
from tollkeeper.domain.tenancy import ScopeKind

RoleId = NewType("RoleId", str)  # role_<20 base62>; a predefined role's id is its name
MemberId = NewType("MemberId", str)  # mem_<20 base62>

ORG_ADMIN = RoleId("org_admin")
TEAM_ADMIN = RoleId("team_admin")


class Role(msgspec.Struct, frozen=True):
    """A named set of permissions."""

    id: RoleId
    name: str
    description: str
    permissions: frozenset[str]
    created_at_us: int = 0

    @property
    def is_predefined(self) -> bool:
        return self.id in PREDEFINED


class Assignment(msgspec.Struct, frozen=True):
    """A role at a place: what a member has, what an invitation offers."""

    role_id: RoleId
    scope_kind: ScopeKind
    scope_id: str


PREDEFINED: dict[str, Role] = {
    role.id: role
    for role in (
        Role(ORG_ADMIN, "org_admin", "Everything in the organization.", PERMISSIONS),
        Role(TEAM_ADMIN, "team_admin", "Everything within the team or project that it is given for.", PERMISSIONS),
        Role(
            RoleId("developer"),
            "developer",
            "Calls models, makes keys for the own projects, sees the own usage and what is left.",
            INFERENCE_PERMISSIONS | {"api_key:read", "api_key:create:limited", "quota:read", "analytics:own"},
        ),
        Role(
            RoleId("viewer"),
            "viewer",
            "Sees totals and what is left, nothing of single calls or keys.",
            frozenset({"quota:read:summary", "analytics:read:aggregate"}),
        ),
    )
}
"""team_admin given for the whole organization is refused: that is org_admin."""
