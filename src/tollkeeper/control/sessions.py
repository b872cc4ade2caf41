"""Sessions of people: begun, whose token it is, what the person may do in the organization that was chosen, ended."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action, Administration, Target
from tollkeeper.control.people import AGENT_LENGTH_MAX, Visit
from tollkeeper.domain.access import Principal, PrincipalKind
from tollkeeper.domain.account import Account
from tollkeeper.domain.errors import InvalidApiKey, InvalidRequest, NotFound
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import members, sessions
from tollkeeper.store.engine import Connection
from tollkeeper.store.sessions import Session

SESSION_COOKIE = "tollkeeper_session"
"""The cookie that a session's token is in for browsers."""
SESSIONS_MAX = 50
"""Sessions that an account may have at the same time; a login beyond ends the oldest one."""


class LoggedIn(msgspec.Struct, frozen=True):
    """Who logged in, and the token that says so until `expires_at_us`."""

    token: str
    expires_at_us: int
    account: Account

    def __repr__(self) -> str:
        return f"LoggedIn({self.account.id!r})"


async def begin_session(action: Action, account: Account, visit: Visit, *, token: str, lasts_s: int) -> LoggedIn:
    """Begin a session of an account that the caller has locked: what disables it, or changes its password, waits."""
    expires_at_us = action.now_us + lasts_s * 1_000_000
    agent = "".join(each for each in visit.agent[:AGENT_LENGTH_MAX] if each.isprintable())
    begun = Session(new_id("sess"), account.id, visit.address, agent, action.now_us, expires_at_us)
    await sessions.begin_session(action.connection, begun, digest=_digest(action.secrets.pepper, token))
    await sessions.end_oldest_sessions(action.connection, account.id, keep=SESSIONS_MAX)
    action.record("session.begin", Target("session", begun.id, account.email))
    return LoggedIn(token, expires_at_us, account)


async def list_own_sessions(action: Action, *, token: str) -> tuple[list[Session], str]:
    """Return a person's sessions, newest first, and the id of the one that asks."""
    mine = await sessions.list_sessions(action.connection, _account_id(action), now_us=action.now_us)
    current = await sessions.find_session_id(action.connection, _digest(action.secrets.pepper, token))
    return mine, current or ""


async def end_own_session(action: Action, session_id: str) -> None:
    """End one of a person's sessions.

    Raises:
        NotFound: the person has none of this id.
    """
    if not await sessions.end_sessions(action.connection, _account_id(action), session_id=session_id):
        raise NotFound(f"There is no session '{session_id}'.")
    action.record("session.end", Target("session", session_id))


async def end_other_sessions(action: Action, *, token: str) -> int:
    """End all of a person's sessions but the one that asks; returns how many."""
    current = await sessions.find_session_id(action.connection, _digest(action.secrets.pepper, token))
    ended = await sessions.end_sessions(action.connection, _account_id(action), but=current)
    action.record("session.end_others", Target("account", _account_id(action)), after={"ended": ended})
    return ended


async def log_out(action: Action, *, token: str) -> None:
    """End the session that asks."""
    current = await sessions.find_session_id(action.connection, _digest(action.secrets.pepper, token))
    if current is None:
        raise InvalidApiKey("The session is over; log in again.")
    await end_own_session(action, current)


async def find_principal(
    administration: Administration, token: str, *, organization_id: str, needs_organization: bool
) -> Principal:
    """Return who a session's token stands for, in the organization named, or in the only one of the person.

    Raises:
        InvalidApiKey: the session is over or never was.
        NotFound: the person is no member of the organization.
        InvalidRequest: the person has several organizations, or none, and named none.
    """
    digest = _digest(administration.secrets.pepper, token)

    async def work(connection: Connection) -> Principal:
        account = await sessions.find_account(connection, digest, now_us=now_us())
        if account is None:
            raise InvalidApiKey("The session is over; log in again.")
        memberships = await sessions.list_memberships(connection, account.id)
        chosen = [each for each in memberships if not organization_id or each.organization_id == organization_id]
        if organization_id and not chosen:
            raise NotFound(f"There is no organization '{organization_id}'.")
        if len(chosen) != 1:
            if not needs_organization:
                return person_of(account)
            raise InvalidRequest(
                "Say which organization you mean: send the header OpenAI-Organization.", param="OpenAI-Organization"
            )
        return await member_of(connection, account, chosen[0].organization_id, chosen[0].member_id)

    return await administration.store.read(work, is_snapshot=True)


def person_of(account: Account) -> Principal:
    """Return a signed-in person as who asks, in no organization."""
    return Principal(PrincipalKind.ACCOUNT, account.id, account.email, "", account_id=account.id)


async def member_of(connection: Connection, account: Account, organization_id: str, member_id: str) -> Principal:
    """Return a signed-in person as who asks in an organization, with what they may do there."""
    grants = await members.read_grants(connection, organization_id, member_id)
    return msgspec.structs.replace(
        person_of(account), organization_id=organization_id, grants=grants, member_id=member_id
    )


def _account_id(action: Action) -> str:
    account_id = action.caller.principal.account_id
    assert account_id, "`people.as_person` lets nobody else in"
    return account_id


def _digest(pepper: bytes, token: str) -> bytes:
    return keyed_digest(pepper, token.encode())
