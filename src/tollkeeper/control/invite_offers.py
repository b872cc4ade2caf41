"""What an invitation is for, told to who holds its link: who invites to what, never which address.

Who accepts has to name the address: whoever a link leaked to does not learn from it whose account they could make.
"""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.callers import find_principal
from tollkeeper.control.invites import find_open_invite
from tollkeeper.control.people import People, Visit
from tollkeeper.store import organizations
from tollkeeper.store.invites import Invite


class InviteOffer(msgspec.Struct, frozen=True):
    """Who invites to what, until when. `inviter` is "" for the operator, and for who is gone."""

    organization: str
    inviter: str
    expires_at_us: int


async def read_offer(people: People, visit: Visit, token: str) -> InviteOffer:
    """Return what a token's invitation is for, while it can be accepted.

    Raises:
        InvalidRequest: it is used, withdrawn, too old, or none.
        TooManyAttempts: from there.
    """
    invite = await find_open_invite(people, token, address=visit.address)
    stranger = visit.caller(None, organization_id=invite.organization_id)
    return await people.administration.look(stranger, _offer_of, invite)


async def _offer_of(action: Action, invite: Invite) -> InviteOffer:
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its invitation was just found"
    inviter = await find_principal(action, invite.invited_by)
    return InviteOffer(organization.name, inviter.name if inviter else "", invite.expires_at_us)
