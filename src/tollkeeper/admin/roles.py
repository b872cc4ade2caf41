"""/v1/roles: the predefined roles, and custom ones made, changed and deleted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from msgspec import UNSET
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    Name,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
    shown_time,
)
from tollkeeper.control import roles
from tollkeeper.control.administration import Caller
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.role import Role

router = APIRouter(tags=["roles"])
RolePath = Annotated[str, id_path("role", "role_0123456789ABCDEFGHIJ")]
Description = Annotated[str, Field(max_length=roles.DESCRIPTION_LENGTH_MAX)]
Permissions = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64, json_schema_extra={"enum": sorted(PERMISSIONS)})]],
    Field(max_length=len(PERMISSIONS)),
]


class RoleBody(Shape):
    name: Name
    description: Description = ""
    permissions: Permissions


class RoleChanges(Shape):
    """What is left out, or null, stays as it is."""

    name: Name | None = None
    description: Description | None = None
    permissions: Permissions | None = None


class RoleAnswer(Shape):
    object: Literal["role"]
    id: str
    name: str
    description: str
    permissions: list[str]
    predefined: bool
    created_at: str | None


@router.get("/v1/roles", response_model=ListPage[RoleAnswer], summary="List the roles")
async def list_roles(
    request: Request,
    caller: Annotated[Caller, Depends(requires("membership"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List the predefined roles, then the organization's own, oldest first."""
    found = await administration_of(request).look(caller, roles.list_roles, after=after, limit=limit + 1)
    return list_answer(found, limit, _shown)


@router.post("/v1/roles", response_model=RoleAnswer, summary="Make a role")
async def create_role(
    request: Request, body: RoleBody, caller: Annotated[Caller, Depends(requires("role:manage"))]
) -> Response:
    """Make a role of permissions that the caller has in the whole organization."""
    made = await administration_of(request).change(
        caller,
        roles.create_role,
        name=body.name,
        permissions=frozenset(body.permissions),
        description=body.description,
    )
    return answer(_shown(made))


@router.get("/v1/roles/{role_id}", response_model=RoleAnswer, summary="Get a role")
async def get_role(
    request: Request, role_id: RolePath, caller: Annotated[Caller, Depends(requires("membership"))]
) -> Response:
    return answer(_shown(await administration_of(request).look(caller, roles.get_role, role_id)))


@router.put("/v1/roles/{role_id}", response_model=RoleAnswer, summary="Change a role for all who have it")
async def update_role(
    request: Request,
    role_id: RolePath,
    body: RoleChanges,
    caller: Annotated[Caller, Depends(requires("role:manage"))],
) -> Response:
    """Change a custom role. The caller has every permission that comes in or goes out, in the whole organization."""
    changed = await administration_of(request).change(
        caller,
        roles.update_role,
        role_id,
        name=UNSET if body.name is None else body.name,
        permissions=UNSET if body.permissions is None else frozenset(body.permissions),
        description=UNSET if body.description is None else body.description,
    )
    return answer(_shown(changed))


@router.delete("/v1/roles/{role_id}", response_model=RoleAnswer, summary="Delete a role that nobody has")
async def delete_role(
    request: Request, role_id: RolePath, caller: Annotated[Caller, Depends(requires("role:manage"))]
) -> Response:
    return answer(_shown(await administration_of(request).change(caller, roles.delete_role, role_id)))


def _shown(role: Role) -> dict[str, Any]:
    return {
        "object": "role",
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "permissions": sorted(role.permissions),
        "predefined": role.is_predefined,
        "created_at": None if role.is_predefined else shown_time(role.created_at_us),
    }
