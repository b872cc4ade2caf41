"""The pages of roles: the predefined ones and the organization's own, with their permissions to tick."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import roles
from tollkeeper.domain.access import held, require
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.role import Role, RoleId
from tollkeeper.web.answers import go, page
from tollkeeper.web.permission_texts import GROUPS, ROLE_TEXTS
from tollkeeper.web.visitor import Visitor

_ROLES_MAX = 1000
_MANAGE = "role:manage"


async def show(visitor: Visitor) -> Response:
    """Answer the list."""
    found = await visitor.look(roles.list_roles, limit=_ROLES_MAX)
    return await page(visitor, "roles.html", roles=found, may_make=_may_manage(visitor), role_texts=ROLE_TEXTS)


async def show_new(visitor: Visitor) -> Response:
    """Answer the form of a new role."""
    require(visitor.principal, _MANAGE, visitor.whole)
    sent = visitor.form
    role = Role(RoleId(""), sent["name"], sent["description"], frozenset(sent.all("permission")))
    return await _form(visitor, role)


async def make(visitor: Visitor) -> Response:
    """Make a role."""
    sent = visitor.form
    made = await visitor.change(
        roles.create_role,
        name=sent["name"],
        permissions=frozenset(sent.all("permission")),
        description=sent["description"],
    )
    return go(f"{visitor.home}/roles/{made.id}", notice="created")


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one role."""
    return await _form(visitor, await visitor.look(roles.get_role, visitor.path["role"]))


async def change_one(visitor: Visitor) -> Response:
    """Change a role for all who have it, or delete it."""
    role_id, sent = visitor.path["role"], visitor.form
    match sent["do"]:
        case "save":
            await visitor.change(
                roles.update_role,
                role_id,
                name=sent["name"],
                permissions=frozenset(sent.all("permission")),
                description=sent["description"],
            )
            return go(f"{visitor.home}/roles/{role_id}", notice="saved")
        case "delete":
            await visitor.change(roles.delete_role, role_id)
            return go(f"{visitor.home}/roles", notice="deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def _form(visitor: Visitor, role: Role) -> Response:
    may_change = _may_manage(visitor) and not role.is_predefined
    return await page(
        visitor,
        "role.html",
        role=role,
        groups=GROUPS,
        role_texts=ROLE_TEXTS,
        may_change=may_change,
        grantable=held(visitor.principal, visitor.whole),
    )


def _may_manage(visitor: Visitor) -> bool:
    return visitor.may_at(_MANAGE, visitor.whole)
