"""Who visits the pages: the person of a session, the organizations to choose from, and what they may do in the chosen one."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Administration
from tollkeeper.control.sessions import member_of, person_of
from tollkeeper.domain.access import Principal
from tollkeeper.domain.account import Account
from tollkeeper.domain.tenancy import Organization
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import accounts, organizations, sessions
from tollkeeper.store.accounts import OwnOrganization
from tollkeeper.store.engine import Connection


class PersonVisit(msgspec.Struct, frozen=True):
    """A signed-in person; `organization` is the chosen one, and `principal` is in no organization without it.

    `is_elsewhere`: an organization was named that they do not belong to, or that there is not.
    """

    account: Account
    organizations: list[OwnOrganization]
    organization: Organization | None
    principal: Principal
    session_digest: bytes
    is_elsewhere: bool = False

    def __repr__(self) -> str:
        return f"PersonVisit({self.account.id!r})"


async def open_visit(administration: Administration, token: str, *, organization_id: str = "") -> PersonVisit | None:
    """Return who a session's token stands for, in an organization when one is named; None when the session is over.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    digest = keyed_digest(administration.secrets.pepper, token.encode())

    async def work(connection: Connection) -> PersonVisit | None:
        account = await sessions.find_account(connection, digest, now_us=now_us())
        if account is None:
            return None
        own = await accounts.list_own_organizations(connection, account.id)
        if not organization_id:
            return PersonVisit(account, own, None, person_of(account), digest)
        mine = next((each for each in own if each.id == organization_id), None)
        organization = None if mine is None else await organizations.get_organization(connection, organization_id)
        if mine is None or organization is None:
            return PersonVisit(account, own, None, person_of(account), digest, is_elsewhere=True)
        principal = await member_of(connection, account, organization_id, mine.member_id)
        return PersonVisit(account, own, organization, principal, digest)

    return await administration.store.read(work, is_snapshot=True)
