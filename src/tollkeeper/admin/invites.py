"""/v1/invites: invite people into the organization, list, get, send again and withdraw invitations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tollkeeper.admin.people import Email, people_of
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
from tollkeeper.control import invites
from tollkeeper.control.administration import Caller
from tollkeeper.control.invites import InviteState, OfferedRole, RoleAt
from tollkeeper.domain.tenancy import ScopeKind
from tollkeeper.kit.clock import now_us

router = APIRouter(tags=["invites"])
Manager = Annotated[Caller, Depends(requires("member:manage"))]
InvitePath = Annotated[str, id_path("inv", "inv_0123456789ABCDEFGHIJ")]


class InviteBody(Shape):
    email: Email
    role: Annotated[Name, Field(description="A role's name or id.", examples=["developer"])]
    scope: Annotated[
        str | None,
        Field(min_length=1, max_length=64, description="Where: a team's or project's id; without, the organization."),
    ] = None


class OfferedRoleAnswer(Shape):
    role_id: str
    role_name: str
    scope_kind: ScopeKind
    scope_id: str


class InviteAnswer(Shape):
    object: Literal["invite"]
    id: str
    organization_id: str
    email: str
    roles: list[OfferedRoleAnswer]
    status: Literal["pending", "expired", "accepted", "revoked"]
    invited_by: str
    created_at: str
    expires_at: str
    accepted_at: str | None


@router.post("/v1/invites", response_model=InviteAnswer, summary="Invite somebody by e-mail")
async def create_invite(request: Request, body: InviteBody, caller: Manager) -> Response:
    offered = [RoleAt(body.role, body.scope or "")]
    made = await administration_of(request).change(
        caller, invites.create_invite, people_of(request).rules, email=body.email, offered=offered
    )
    return answer(_shown(made.state))  # never the token: it is for the mailbox alone


@router.get("/v1/invites", response_model=ListPage[InviteAnswer], summary="List the pending invitations")
async def list_invites(request: Request, caller: Manager, after: After = None, limit: Limit = 20) -> Response:
    found = await administration_of(request).look(caller, invites.list_invites, after=after, limit=limit + 1)
    return list_answer(found, limit, _shown)


@router.get("/v1/invites/{invite_id}", response_model=InviteAnswer, summary="Get an invitation")
async def get_invite(request: Request, invite_id: InvitePath, caller: Manager) -> Response:
    return answer(_shown(await administration_of(request).look(caller, invites.get_invite, invite_id)))


@router.post("/v1/invites/{invite_id}/resend", response_model=InviteAnswer, summary="Send an invitation again")
async def resend_invite(request: Request, invite_id: InvitePath, caller: Manager) -> Response:
    sent = await administration_of(request).change(caller, invites.resend_invite, people_of(request).rules, invite_id)
    return answer(_shown(sent.state))


@router.delete("/v1/invites/{invite_id}", response_model=InviteAnswer, summary="Withdraw an invitation")
async def revoke_invite(request: Request, invite_id: InvitePath, caller: Manager) -> Response:
    return answer(_shown(await administration_of(request).change(caller, invites.revoke_invite, invite_id)))


def _shown(state: InviteState) -> dict[str, Any]:
    invite = state.invite
    is_expired = invite.status == "pending" and not invite.is_open(now_us())
    return {
        "object": "invite",
        "id": invite.id,
        "organization_id": invite.organization_id,
        "email": invite.email,
        "roles": [_shown_role(each) for each in state.roles],
        "status": "expired" if is_expired else invite.status.value,
        "invited_by": invite.invited_by,
        "created_at": shown_time(invite.created_at_us),
        "expires_at": shown_time(invite.expires_at_us),
        "accepted_at": shown_time(invite.accepted_at_us),
    }


def _shown_role(offered: OfferedRole) -> dict[str, str]:
    return {
        "role_id": offered.role_id,
        "role_name": offered.role_name,
        "scope_kind": offered.scope_kind,
        "scope_id": offered.scope_id,
    }
