"""Invitations: sent by who may give the roles that they bring, listed, sent again, withdrawn, accepted by who was invited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tollkeeper.control import messages
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Caller, Target
from tollkeeper.control.callers import find_principal
from tollkeeper.control.people import People, Visit, as_person, is_mail_token, new_mail_token
from tollkeeper.control.roles import require_assignable
from tollkeeper.control.scopes import reach_of
from tollkeeper.domain.access import Principal, decide, held, require_somewhere
from tollkeeper.domain.account import Account, normalise_email
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.permission import with_implied
from tollkeeper.domain.role import Assignment
from tollkeeper.domain.tenancy import Place, ScopeKind
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import accounts, invites, members, organizations, places, roles
from tollkeeper.store.invites import Invite, InviteId, InviteStatus
from tollkeeper.store.members import Member

ROLES_MAX = 20
"""Roles that one invitation may bring."""


class RoleAt(msgspec.Struct, frozen=True):
    """A role, by its id or name, at a place: an organization's, team's or project's id; "" is the whole organization."""

    role: str
    scope_id: str = ""


class OfferedRole(msgspec.Struct, frozen=True):
    """A role that an invitation brings."""

    role_id: str
    role_name: str
    scope_kind: ScopeKind
    scope_id: str


class InviteState(msgspec.Struct, frozen=True):
    """An invitation, with those roles that the caller may manage."""

    invite: Invite
    roles: tuple[OfferedRole, ...]


class NewInvite(msgspec.Struct, frozen=True):
    """An invitation with its token, which belongs into an e-mail, or into the hands of the operator.

    Nobody else may see it: it proves that its holder reads the mailbox.
    """

    state: InviteState
    token: str

    def __repr__(self) -> str:
        return f"NewInvite({self.state.invite.id!r})"


async def create_invite(action: Action, rules: AccountRules, *, email: str, offered: Sequence[RoleAt]) -> NewInvite:
    """Invite an address, and send the e-mail.

    Raises:
        InvalidRequest: no address, no role, or a role that is not made for such a place.
        NotFound: there is no such role, or no such place that the caller may know of.
        PermissionDenied: the caller may not manage members there, or does not have all that the role has.
        Conflict: the person is a member, or is invited to the same already.
    """
    assignments = await _assignable(action, offered)
    email = normalise_email(email)
    member = await members.find_member_by_email(action.connection, action.organization_id, email=email)
    if member is not None and member.status == members.ACTIVE:
        raise Conflict(f"'{email}' is a member of this organization already; give the role to the member.")
    if await _find_same(action, email, assignments, open_at_us=action.now_us) is not None:
        raise Conflict(f"'{email}' is invited to this already; send that invitation again, or withdraw it.")
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its caller belongs to it"
    made = Invite(
        organization.id,
        InviteId(new_id("inv")),
        email,
        assignments,
        action.caller.principal.id,
        InviteStatus.PENDING,
        action.now_us,
        action.now_us + rules.invitation_s * 1_000_000,
    )
    token = new_mail_token()
    await invites.create_invite(action.connection, made, digest=_digest(action, token))
    await messages.post_invitation(action, rules, organization, made, token=token)
    (state,) = await _states(action, [made])
    action.record("invite.create", _target(made), after=_shown(state))
    return NewInvite(state, token)


async def invite_anew(action: Action, rules: AccountRules, *, email: str, offered: Sequence[RoleAt]) -> NewInvite:
    """Invite an address, or send the invitation to the same again that nobody accepted: what an operator prints a link by.

    Raises:
        InvalidRequest, NotFound, PermissionDenied: as `create_invite` and `resend_invite`.
        Conflict: the person is a member.
    """
    assignments = await _assignable(action, offered)
    invite_id = await _find_same(action, normalise_email(email), assignments, open_at_us=0)
    if invite_id is not None:
        return await resend_invite(action, rules, invite_id)
    return await create_invite(action, rules, email=email, offered=offered)


async def list_invites(action: Action, *, after: str | None = None, limit: int = 100) -> list[InviteState]:
    """Return the pending invitations to places whose members the caller manages, oldest first, expired ones too.

    Raises:
        PermissionDenied: there is no such place.
    """
    require_somewhere(action.caller.principal, "member:manage")
    reach = reach_of(action.caller.principal, "member:manage")
    found = await invites.list_invites(action.connection, action.organization_id, reach=reach, after=after, limit=limit)
    return await _states(action, found)


async def get_invite(action: Action, invite_id: str) -> InviteState:
    """Return an invitation, whatever became of it.

    Raises:
        NotFound: there is none that the caller may know of.
        PermissionDenied: the caller manages no members.
    """
    require_somewhere(action.caller.principal, "member:manage")
    found = await invites.get_invite(action.connection, action.organization_id, invite_id)
    states = await _states(action, [found]) if found else []
    if not states or not states[0].roles:
        raise _no_invite(invite_id)
    return states[0]


async def resend_invite(action: Action, rules: AccountRules, invite_id: str) -> NewInvite:
    """Send an invitation again, with another token and another end; the earlier token is good no more.

    Raises:
        NotFound: there is no pending one that the caller may know of.
        PermissionDenied: the caller may not give all of its roles.
    """
    before = await get_invite(action, invite_id)
    await _assignable(action, [RoleAt(each.role_id, each.scope_id) for each in before.invite.assignments])
    token = new_mail_token()
    renewed = await invites.renew_invite(
        action.connection,
        action.organization_id,
        invite_id,
        digest=_digest(action, token),
        expires_at_us=action.now_us + rules.invitation_s * 1_000_000,
    )
    if renewed is None:
        raise _no_invite(invite_id)
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its caller belongs to it"
    await messages.post_invitation(action, rules, organization, renewed, token=token)
    (state,) = await _states(action, [renewed])
    action.record("invite.resend", _target(renewed), after=_shown(state))
    return NewInvite(state, token)


async def revoke_invite(action: Action, invite_id: str) -> InviteState:
    """Withdraw an invitation.

    Raises:
        NotFound: there is no pending one that the caller may know of.
        PermissionDenied: the caller does not manage the members of every place that it is for.
    """
    before = await get_invite(action, invite_id)
    for place in await _places(action, before.invite.assignments):
        action.require("member:manage", place)
    revoked = await invites.revoke_invite(action.connection, action.organization_id, invite_id)
    if revoked is None:
        raise _no_invite(invite_id)
    action.record("invite.revoke", _target(revoked), before=_shown(before))
    return msgspec.structs.replace(before, invite=revoked)


async def find_open_invite(people: People, token: str, *, address: str) -> Invite:
    """Return the invitation that a token could accept now.

    Raises:
        InvalidRequest: there is none: used, withdrawn, too old, or never was.
        TooManyAttempts: from this address.
    """
    found = await _find_invite(people, token, address=address)
    if not found.is_open(now_us()):
        raise _not_open()
    return found


async def accept_invite(people: People, caller: Caller, token: str) -> Member:
    """Let who is logged in into the organization that invited their address.

    Raises:
        InvalidRequest: the invitation is used, withdrawn, too old, or none.
        PermissionDenied: it is for another address, or the caller is an API key.
        NotFound: a role that it brings is gone.
        Conflict: a place that it is for is gone.
        TooManyAttempts: from there.
    """
    person = as_person(caller)
    invite = await _find_invite(people, token, address=caller.address)  # a repeated request finds it accepted
    account_id = person.principal.account_id
    found = await people.administration.store.read(lambda c: accounts.get_credentials(c, account_id))
    assert found is not None, "its session was just found"
    account = found.account
    if invite.email != account.email:
        raise PermissionDenied("This invitation is for another e-mail address than that of your account.")
    visit = Visit(caller.address, "", caller.request_id)
    joining = visit.caller(account, organization_id=invite.organization_id)
    joining = msgspec.structs.replace(joining, repetition=caller.repetition)
    return await people.change(joining, _accept_invite, account, digest=people.digest(token))


async def join(action: Action, account: Account, *, digest: bytes) -> Member:
    """Use an invitation of the account's address up: make the person a member with its roles.

    The permission is the inviter's, who must have it still: an invitation never outlives the right that it was made with.

    Raises:
        InvalidRequest: it is used, withdrawn or too old.
        NotFound: a role that it brings is gone.
        Conflict: a place that it is for is gone.
    """
    accepted = await invites.accept_invite(action.connection, digest, now_us=action.now_us)
    if accepted is None or accepted.email != account.email or accepted.organization_id != action.organization_id:
        raise _not_open()
    inviter = await find_principal(action, accepted.invited_by)
    for each in accepted.assignments:
        await roles.hold_role(action.connection, accepted.organization_id, each.role_id)
        if (
            await places.place_of_scope(action.connection, accepted.organization_id, each.scope_id, is_in_use=True)
            is None
        ):
            raise Conflict(f"The {each.scope_kind} that the invitation is for is gone; ask for another invitation.")
    await _require_still_granted(action, inviter, accepted)
    await accounts.verify_email(action.connection, account.id, now_us=action.now_us)
    member = await members.find_member(action.connection, accepted.organization_id, account_id=account.id)
    if member is None or member.status != members.ACTIVE:
        member = await members.add_member(action.connection, accepted.organization_id, account.id)
    for each in accepted.assignments:
        await members.assign_role(action.connection, accepted.organization_id, member.id, each)
    joined = await members.get_member(action.connection, accepted.organization_id, member.id)
    assert joined is not None, "it was just written"
    (state,) = await _states(action, [accepted], is_all=True)
    action.record("invite.accept", _target(accepted), after={"member_id": joined.id, **_shown(state)})
    return joined


async def _require_still_granted(action: Action, inviter: Principal | None, accepted: Invite) -> None:
    for each, place in zip(accepted.assignments, await _places(action, accepted.assignments), strict=True):
        role = await roles.get_role(action.connection, accepted.organization_id, each.role_id)
        if inviter is None or role is None or not decide(inviter, "member:manage", place).is_allowed:
            raise _not_open()
        if with_implied(role.permissions) - held(inviter, place) - inviter.may_hand_out:
            raise _not_open()


async def _find_invite(people: People, token: str, *, address: str) -> Invite:
    people.throttles.take_token(address)
    digest = people.digest(token)
    found = None
    if is_mail_token(token):
        found = await people.administration.store.read(lambda c: invites.find_invite(c, digest))
    if found is None:
        raise _not_open()
    return found


async def _accept_invite(action: Action, account: Account, *, digest: bytes) -> Member:
    return await join(action, account, digest=digest)


async def _assignable(action: Action, offered: Sequence[RoleAt]) -> tuple[Assignment, ...]:
    if not 1 <= len(offered) <= ROLES_MAX:
        raise InvalidRequest(f"An invitation brings 1 to {ROLES_MAX} roles.", param="role")
    found = [await require_assignable(action, each.role, each.scope_id or None) for each in offered]
    for each in found:
        await roles.hold_role(action.connection, action.organization_id, each.role.id)
    unique = {(each.assignment.scope_id, each.assignment.role_id): each.assignment for each in found}
    return tuple(unique[key] for key in sorted(unique))


async def _find_same(
    action: Action, email: str, assignments: Sequence[Assignment], *, open_at_us: int
) -> InviteId | None:
    return await invites.find_same_invite(
        action.connection, action.organization_id, email=email, assignments=assignments, open_at_us=open_at_us
    )


async def _states(action: Action, found: Sequence[Invite], *, is_all: bool = False) -> list[InviteState]:
    assignments = sorted(
        {each for invite in found for each in invite.assignments}, key=lambda each: (each.scope_id, each.role_id)
    )
    ids = sorted({each.role_id for each in assignments})
    names = await roles.read_role_names(action.connection, action.organization_id, ids)
    reach = None if is_all else reach_of(action.caller.principal, "member:manage")
    visible = {
        each
        for each, place in zip(assignments, await _places(action, assignments), strict=True)
        if reach is None or place.team_id in reach.team_ids or place.project_id in reach.project_ids
    }
    return [
        InviteState(
            invite,
            tuple(
                OfferedRole(each.role_id, names.get(each.role_id, each.role_id), each.scope_kind, each.scope_id)
                for each in invite.assignments
                if each in visible
            ),
        )
        for invite in found
    ]


async def _places(action: Action, assignments: Iterable[Assignment]) -> list[Place]:
    """Return where the roles are; what is not there any more counts as the whole organization's."""
    organization_id, found = action.organization_id, list(assignments)
    ids = sorted({each.scope_id for each in found if each.scope_kind == "project"})
    of_projects = await places.places_of_projects(action.connection, organization_id, ids) if ids else {}
    return [
        of_projects.get(each.scope_id, Place(organization_id))
        if each.scope_kind == "project"
        else Place(organization_id, each.scope_id if each.scope_kind == "team" else "")
        for each in found
    ]


def _digest(action: Action, token: str) -> bytes:
    return keyed_digest(action.secrets.pepper, token.encode())


def _no_invite(invite_id: str) -> NotFound:
    return NotFound(f"There is no invitation '{invite_id}' that is pending.")


def _not_open() -> InvalidRequest:
    message = "This invitation does not work any more: it was used, withdrawn, or is too old. Ask for a new one."
    return InvalidRequest(message, param="token")


def _target(invite: Invite) -> Target:
    return Target("invite", invite.id, invite.email)


def _shown(state: InviteState) -> dict[str, object]:
    return {"email": state.invite.email, "roles": [msgspec.to_builtins(each) for each in state.roles]}
