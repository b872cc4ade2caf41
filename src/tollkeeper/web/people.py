"""The pages of people: who belongs to the organization with which roles where, invitations, and one person's roles and end."""

from __future__ import annotations

import shlex

from starlette.responses import Response

from tollkeeper.control import invites, members, roles
from tollkeeper.control.invites import InviteState, RoleAt
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.kit.clock import now_us
from tollkeeper.web.answers import go, page
from tollkeeper.web.places import choices_of, read_places
from tollkeeper.web.visitor import Sent, Visitor

_PAGE = 50
_ROLES_MAX = 1000
_MANAGE = "member:manage"


async def show(visitor: Visitor) -> Response:
    """Answer the list, with the invitations that nobody has accepted yet. Raises PermissionDenied without any role."""
    if not visitor.principal.grants:
        raise PermissionDenied("You have no role in this organization yet; an admin can give you one.")
    at, role = visitor.query["at"], visitor.query["role"]
    seen = await read_places(visitor)
    open_invites = await _open_invites(visitor)
    found = await visitor.look(
        members.list_members,
        team_id=at if at.startswith("team_") else None,
        project_id=at if at and not at.startswith("team_") else None,
        role=role or None,
        after=visitor.query["after"] or None,
        limit=_PAGE + 1,
    )
    return await page(
        visitor,
        "people.html",
        people=found[:_PAGE],
        next_after=found[_PAGE - 1].member.id if len(found) > _PAGE else "",
        at=at,
        role=role,
        all_places=choices_of(visitor, seen),
        places=choices_of(visitor, seen, _MANAGE),
        place_names=seen.names(visitor.organization),
        roles=await visitor.look(roles.list_roles, limit=_ROLES_MAX),
        open_invites=open_invites,
        commands=_commands(visitor, open_invites or []),
        now_us=now_us(),
        sends_email=visitor.people.rules.sends_email,
        sent=visitor.form,
    )


async def act(visitor: Visitor) -> Response:
    """Invite somebody, or send again or withdraw an invitation."""
    sent, here = visitor.form, f"{visitor.home}/people"
    rules = visitor.people.rules
    match sent["do"]:
        case "invite":
            offered = [_wanted(sent)]
            await visitor.change(invites.create_invite, rules, email=sent["email"], offered=offered)
            return go(here, notice="invited" if rules.sends_email else "created")
        case "resend":
            await visitor.change(invites.resend_invite, rules, sent["invite"])
            return go(here, notice="invited" if rules.sends_email else "saved")
        case "withdraw":
            await visitor.change(invites.revoke_invite, sent["invite"])
            return go(here, notice="invite-withdrawn")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one person."""
    state = await visitor.look(members.get_member, visitor.path["member"])
    seen = await read_places(visitor)
    places = choices_of(visitor, seen, _MANAGE)
    return await page(
        visitor,
        "person.html",
        member=state.member,
        given=state.roles,
        is_own=state.member.id == visitor.principal.member_id,
        places=places,
        managed={each.id for each in places},
        place_names=seen.names(visitor.organization),
        roles=await visitor.look(roles.list_roles, limit=_ROLES_MAX),
        may_remove=visitor.may_at(_MANAGE, visitor.whole),
        sent=visitor.form,
    )


async def change_one(visitor: Visitor) -> Response:
    """Give or take a role, or end the membership."""
    member_id, sent = visitor.path["member"], visitor.form
    here = f"{visitor.home}/people/{member_id}"
    match sent["do"]:
        case "give":
            wanted = _wanted(sent)
            await visitor.change(members.give_role, member_id, role=wanted.role, scope_id=wanted.scope_id)
            return go(here, notice="saved")
        case "take":
            await visitor.change(members.take_role, member_id, role=sent["role"], scope_id=sent["scope"])
            return go(here, notice="saved")
        case "remove":
            await visitor.change(members.remove_member, member_id, rules=visitor.people.rules)
            if member_id == visitor.principal.member_id:
                return go("/")  # who has left sees nothing of it any more
            return go(f"{visitor.home}/people", notice="person-removed")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def _open_invites(visitor: Visitor) -> list[InviteState] | None:
    """Return the open invitations; None for who manages no members."""
    return await visitor.look_if(invites.list_invites, limit=_ROLES_MAX)


def _commands(visitor: Visitor, found: list[InviteState]) -> dict[str, str]:
    """Return by which command the operator prints the link of each invitation that no e-mail brings.

    The page itself never has the link: who holds it proves that they read the mailbox (`invites.NewInvite`).
    """
    if visitor.people.rules.sends_email:
        return {}
    return {each.invite.id: _command(each) for each in found if len(each.roles) == len(each.invite.assignments) == 1}


def _command(state: InviteState) -> str:
    (given,) = state.roles
    words = ["tollkeeper", "members", "invite", state.invite.email, "--role", given.role_name]
    if given.scope_kind != "organization":
        words += [f"--{given.scope_kind}", given.scope_id]
    return shlex.join([*words, "--print-link", "--org", state.invite.organization_id])


def _wanted(sent: Sent) -> RoleAt:
    """Return the role at a place that a form asks for.

    Raises:
        InvalidRequest: no role or no place is chosen.
    """
    for name in ("role", "scope"):
        if not sent[name]:
            raise InvalidRequest("Choose a role and where it holds.", param=name)
    return RoleAt(sent["role"], sent["scope"])
