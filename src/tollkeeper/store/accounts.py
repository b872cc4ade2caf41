"""Accounts and their logins elsewhere: created, found by e-mail, id or identity, changed, locked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert, select, update

from tollkeeper.domain.account import Account, AccountStatus
from tollkeeper.domain.tenancy import Language
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.schema_tenancy import account, identity, member, organization
from tollkeeper.store.sessions import ACCOUNT_COLUMNS, to_account

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection


class Credentials(msgspec.Struct, frozen=True):
    """An account with its password's argon2id hash; None for one that logs in elsewhere only."""

    account: Account
    password_hash: str | None

    def __repr__(self) -> str:
        return f"Credentials({self.account.id!r})"


class OwnOrganization(msgspec.Struct, frozen=True):
    """An organization that a person belongs to."""

    id: str
    name: str
    timezone: str
    language: Language
    member_id: str
    joined_at_us: int


async def create_account(connection: AsyncConnection, made: Account, *, password_hash: str | None) -> None:
    """Store a new account.

    Raises:
        Conflict: there is one with this e-mail address.
    """
    assert made.has_password == (password_hash is not None)
    row = {
        "id": made.id,
        "email": made.email,
        "name": made.name,
        "password_hash": password_hash,
        "language": made.language,
        "status": made.status.value,
        "email_verified_at_us": made.email_verified_at_us,
        "created_at_us": made.created_at_us,
    }
    message = "There is an account with this e-mail address already."
    await execute_unique(connection, insert(account).values(**row), message=message)


async def is_any_account(connection: AsyncConnection) -> bool:
    """Tell whether anybody has an account, be it disabled."""
    return await connection.scalar(select(account.c.id).limit(1)) is not None


async def find_credentials(connection: AsyncConnection, *, email: str) -> Credentials | None:
    """Return the account of an e-mail address as `domain.account` normalises it; None when there is none."""
    return await _find_one(connection, account.c.email == email)


async def get_credentials(connection: AsyncConnection, account_id: str) -> Credentials | None:
    """Return an account by its id; None when there is none."""
    return await _find_one(connection, account.c.id == account_id)


async def find_by_identity(connection: AsyncConnection, *, issuer: str, subject: str) -> Account | None:
    """Return the account that an OpenID provider's subject logs in to; None when there is none."""
    query = (
        select(*ACCOUNT_COLUMNS)
        .join(identity, identity.c.account_id == account.c.id)
        .where(identity.c.issuer == issuer, identity.c.subject == subject)
    )
    row = (await connection.execute(query)).one_or_none()
    return to_account(row) if row else None


async def link_identity(
    connection: AsyncConnection, account_id: str, *, issuer: str, subject: str, now_us: int
) -> None:
    """Let an OpenID provider's subject log in to an account from now on.

    Raises:
        Conflict: it logs in to an account already.
    """
    row = {"issuer": issuer, "subject": subject, "account_id": account_id, "created_at_us": now_us}
    message = "This login is connected to an account already; try again."
    await execute_unique(connection, insert(identity).values(**row), message=message)


async def lock_account(connection: AsyncConnection, account_id: str, *, password_hash: str | None = None) -> bool:
    """Keep an account as it is until the commit; False when it is disabled, or its password is not this one any more."""
    conditions = [account.c.id == account_id, account.c.status == AccountStatus.ACTIVE.value]
    if password_hash is not None:
        conditions.append(account.c.password_hash == password_hash)
    locked = update(account).where(*conditions).values(status=account.c.status)
    return (await connection.execute(locked)).rowcount == 1


async def change_profile(
    connection: AsyncConnection, account_id: str, *, name: str | None = None, language: Language | None = None
) -> Account | None:
    """Change what is not None; returns the account as it is now, None when there is none."""
    values = {key: value for key, value in (("name", name), ("language", language)) if value is not None}
    if values:
        await connection.execute(update(account).where(account.c.id == account_id).values(**values))
    found = await get_credentials(connection, account_id)
    return found.account if found else None


async def claim_unverified(
    connection: AsyncConnection, account_id: str, *, name: str, language: Language, password_hash: str
) -> bool:
    """Make an account whose address nobody has proved anew, for who signs up now; False when somebody has meanwhile."""
    mine = (
        account.c.id == account_id,
        account.c.email_verified_at_us.is_(None),
        account.c.status == AccountStatus.ACTIVE.value,
    )
    values = {"name": name, "language": language, "password_hash": password_hash}
    return (await connection.execute(update(account).where(*mine).values(**values))).rowcount == 1


async def set_password(connection: AsyncConnection, account_id: str, password_hash: str) -> bool:
    """Give an account that is not disabled another password; False when there is no such account."""
    mine = (account.c.id == account_id, account.c.status == AccountStatus.ACTIVE.value)
    changed = update(account).where(*mine).values(password_hash=password_hash)
    return (await connection.execute(changed)).rowcount == 1


async def rehash_password(connection: AsyncConnection, account_id: str, *, old: str, new: str) -> None:
    """Replace a password's hash by another one of the same password, unless it was changed meanwhile."""
    mine = (account.c.id == account_id, account.c.password_hash == old)
    await connection.execute(update(account).where(*mine).values(password_hash=new))


async def verify_email(connection: AsyncConnection, account_id: str, *, now_us: int) -> None:
    """Note that an account's address proved to be its person's; the first time counts."""
    mine = (account.c.id == account_id, account.c.email_verified_at_us.is_(None))
    await connection.execute(update(account).where(*mine).values(email_verified_at_us=now_us))


async def set_status(connection: AsyncConnection, account_id: str, status: AccountStatus) -> bool:
    """Disable an account or let it in again; False when there is none."""
    changed = update(account).where(account.c.id == account_id).values(status=status.value)
    return (await connection.execute(changed)).rowcount == 1


async def list_own_organizations(connection: AsyncConnection, account_id: str) -> list[OwnOrganization]:
    """Return the organizations that an account is an active member of, oldest membership first."""
    query = (
        select(
            organization.c.id,
            organization.c.name,
            organization.c.timezone,
            organization.c.language,
            member.c.id.label("member_id"),
            member.c.created_at_us,
        )
        .join(member, member.c.organization_id == organization.c.id)
        .where(member.c.account_id == account_id, member.c.status == "active")
        .order_by(member.c.created_at_us, member.c.id)
    )
    return [OwnOrganization(*row) for row in await connection.execute(query)]


async def _find_one(connection: AsyncConnection, condition: ColumnElement[bool]) -> Credentials | None:
    row: Any = (
        await connection.execute(select(*ACCOUNT_COLUMNS, account.c.password_hash).where(condition))
    ).one_or_none()
    return Credentials(to_account(row), row.password_hash) if row else None
