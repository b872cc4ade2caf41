"""Sessions: begun, found by their token's digest, ended, counted; and the organizations of whoever is logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, insert, select

from tollkeeper.domain.account import Account, AccountId, AccountStatus
from tollkeeper.store.schema_control import session
from tollkeeper.store.schema_tenancy import account, member

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

ACCOUNT_COLUMNS = (
    account.c.id,
    account.c.email,
    account.c.name,
    account.c.language,
    account.c.status,
    account.c.password_hash.is_not(None).label("has_password"),
    account.c.email_verified_at_us,
    account.c.created_at_us,
)


class Session(msgspec.Struct, frozen=True):
    """A login that lasts until `expires_at_us`."""

    id: str
    account_id: str
    address: str
    agent: str
    created_at_us: int
    expires_at_us: int


class Membership(msgspec.Struct, frozen=True):
    """An organization that a person belongs to."""

    organization_id: str
    member_id: str


async def begin_session(connection: AsyncConnection, begun: Session, *, digest: bytes) -> None:
    """Store a new session. `digest` is of its token, which never comes here."""
    await connection.execute(insert(session).values(digest=digest, **msgspec.structs.asdict(begun)))


async def find_account(connection: AsyncConnection, digest: bytes, *, now_us: int) -> Account | None:
    """Return whose session this is; None when it is over, or its account is disabled."""
    query = (
        select(*ACCOUNT_COLUMNS)
        .join(session, session.c.account_id == account.c.id)
        .where(
            session.c.digest == digest,
            session.c.expires_at_us > now_us,
            account.c.status == AccountStatus.ACTIVE.value,
        )
    )
    row = (await connection.execute(query)).one_or_none()
    return to_account(row) if row else None


async def list_sessions(connection: AsyncConnection, account_id: str, *, now_us: int) -> list[Session]:
    """Return an account's sessions that are not over, newest first."""
    columns = [session.c[name] for name in Session.__struct_fields__]
    query = select(*columns).where(session.c.account_id == account_id, session.c.expires_at_us > now_us)
    return [Session(*row) for row in await connection.execute(query.order_by(session.c.created_at_us.desc()))]


async def find_session_id(connection: AsyncConnection, digest: bytes) -> str | None:
    """Return the id of the session of a token; None when it is ended."""
    found: str | None = await connection.scalar(select(session.c.id).where(session.c.digest == digest))
    return found


async def end_sessions(
    connection: AsyncConnection, account_id: str, *, session_id: str | None = None, but: str | None = None
) -> int:
    """End an account's sessions: one, all, or all but one; returns how many."""
    conditions: list[ColumnElement[bool]] = [session.c.account_id == account_id]
    if session_id is not None:
        conditions.append(session.c.id == session_id)
    if but is not None:
        conditions.append(session.c.id != but)
    return (await connection.execute(delete(session).where(*conditions))).rowcount


async def end_oldest_sessions(connection: AsyncConnection, account_id: str, *, keep: int) -> int:
    """End an account's sessions but the `keep` latest ones; returns how many."""
    mine = session.c.account_id == account_id
    kept = select(session.c.id).where(mine).order_by(session.c.created_at_us.desc(), session.c.id).limit(keep)
    return (await connection.execute(delete(session).where(mine, session.c.id.not_in(kept)))).rowcount


async def list_memberships(connection: AsyncConnection, account_id: str) -> list[Membership]:
    """Return the organizations that an account is an active member of, oldest membership first."""
    query = (
        select(member.c.organization_id, member.c.id)
        .where(member.c.account_id == account_id, member.c.status == "active")
        .order_by(member.c.created_at_us, member.c.id)
    )
    return [Membership(*row) for row in await connection.execute(query)]


def to_account(row: Row[Any, *tuple[Any, ...]]) -> Account:
    """Return an account from a row of `ACCOUNT_COLUMNS`."""
    return Account(
        AccountId(row.id),
        row.email,
        row.name,
        row.language,
        AccountStatus(row.status),
        bool(row.has_password),
        row.email_verified_at_us,
        row.created_at_us,
    )
