"""/v1/members: list, get and remove members; give and take their roles. People come by invitation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.people import people_of
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
    shown_time,
)
from tollkeeper.control import members
from tollkeeper.control.administration import Caller
from tollkeeper.control.members import MemberState
from tollkeeper.control.names import NAME_LENGTH_MAX
from tollkeeper.domain.tenancy import ScopeKind

router = APIRouter(tags=["members"])
MemberPath = Annotated[str, id_path("mem", "mem_0123456789ABCDEFGHIJ")]
_ROLE = "The id or name of a role."
_SCOPE = "The id of a team or project; the whole organization when left out."
Filter = Annotated[str | None, Query(min_length=1, max_length=64)]


class RoleBody(Shape):
    role: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX, description=_ROLE)]
    scope: Annotated[str, Field(min_length=1, max_length=64, description=_SCOPE)] | None = None


class MemberRoleShape(Shape):
    role_id: str
    role_name: str
    scope_kind: ScopeKind
    scope_id: str


class MemberAnswer(Shape):
    """`roles` are those that the caller may see."""

    object: Literal["member"]
    id: str
    organization_id: str
    email: str
    name: str
    status: Literal["active", "removed"]
    roles: list[MemberRoleShape]
    created_at: str
    removed_at: str | None


@router.get("/v1/members", response_model=ListPage[MemberAnswer], summary="List the members that the caller may see")
async def list_members(
    request: Request,
    caller: Annotated[Caller, Depends(requires("membership"))],
    team_id: Filter = None,
    project_id: Filter = None,
    role: Annotated[str | None, Query(min_length=1, max_length=NAME_LENGTH_MAX, description=_ROLE)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List oneself, those with a role for the whole organization, and those with a role where one's own reach.

    `team_id`: with a role at the team or one of its projects; `project_id`: at the project itself.
    """
    found = await administration_of(request).look(
        caller,
        members.list_members,
        team_id=team_id,
        project_id=project_id,
        role=role,
        after=after,
        limit=limit + 1,
    )
    return list_answer(found, limit, _shown)


@router.get("/v1/members/{member_id}", response_model=MemberAnswer, summary="Get a member")
async def get_member(
    request: Request, member_id: MemberPath, caller: Annotated[Caller, Depends(requires("membership"))]
) -> Response:
    return answer(_shown(await administration_of(request).look(caller, members.get_member, member_id)))


@router.delete("/v1/members/{member_id}", response_model=MemberAnswer, summary="Remove a member")
async def remove_member(
    request: Request, member_id: MemberPath, caller: Annotated[Caller, Depends(requires("member:manage"))]
) -> Response:
    """End a membership: the person's roles are gone and the person's keys are disabled, on every replica within 1 s."""
    rules = people_of(request).rules
    return answer(
        _shown(await administration_of(request).change(caller, members.remove_member, member_id, rules=rules))
    )


@router.put("/v1/members/{member_id}/roles", response_model=MemberAnswer, summary="Give a member a role")
async def give_role(
    request: Request,
    member_id: MemberPath,
    body: RoleBody,
    caller: Annotated[Caller, Depends(requires("member:manage"))],
) -> Response:
    """Give a role at a place. Who gives it manages the members there and has every permission of the role there."""
    changed = await administration_of(request).change(
        caller, members.give_role, member_id, role=body.role, scope_id=body.scope
    )
    return answer(_shown(changed))


@router.delete("/v1/members/{member_id}/roles", response_model=MemberAnswer, summary="Take a role from a member")
async def take_role(
    request: Request,
    member_id: MemberPath,
    caller: Annotated[Caller, Depends(requires("member:manage"))],
    role: Annotated[str, Query(min_length=1, max_length=NAME_LENGTH_MAX, description=_ROLE)],
    scope: Annotated[str | None, Query(min_length=1, max_length=64, description=_SCOPE)] = None,
) -> Response:
    """Take a role at a place. The organization's last org_admin stays."""
    changed = await administration_of(request).change(caller, members.take_role, member_id, role=role, scope_id=scope)
    return answer(_shown(changed))


def _shown(state: MemberState) -> dict[str, Any]:
    member = state.member
    return {
        "object": "member",
        "id": member.id,
        "organization_id": member.organization_id,
        "email": member.email,
        "name": member.name,
        "status": member.status,
        "roles": [msgspec.structs.asdict(each) for each in state.roles],
        "created_at": shown_time(member.created_at_us),
        "removed_at": shown_time(member.removed_at_us),
    }
