"""The tokens that links in e-mails carry, by their digests: each is good once, for one purpose, until a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from tollkeeper.domain.account import TokenPurpose
from tollkeeper.store.schema_control import one_time_token

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection


async def create_token(
    connection: AsyncConnection,
    digest: bytes,
    *,
    purpose: TokenPurpose,
    account_id: str,
    now_us: int,
    expires_at_us: int,
) -> None:
    """Store a new token."""
    row = {
        "digest": digest,
        "purpose": purpose.value,
        "account_id": account_id,
        "created_at_us": now_us,
        "expires_at_us": expires_at_us,
    }
    await connection.execute(insert(one_time_token).values(**row))


async def find_token(connection: AsyncConnection, digest: bytes, *, purpose: TokenPurpose, now_us: int) -> str | None:
    """Return the account of a token that could be used now; None when it could not."""
    found: str | None = await connection.scalar(
        select(one_time_token.c.account_id).where(*_usable(digest, purpose, now_us))
    )
    return found


async def use_token(connection: AsyncConnection, digest: bytes, *, purpose: TokenPurpose, now_us: int) -> str | None:
    """Use a token up and return its account; None when it is used, too old, for another purpose, or never was.

    Of several that try at the same time one is told the account: the update decides.
    """
    used: str | None = await connection.scalar(
        update(one_time_token)
        .where(*_usable(digest, purpose, now_us))
        .values(used_at_us=now_us)
        .returning(one_time_token.c.account_id)
    )
    return used


async def drop_tokens(connection: AsyncConnection, account_id: str) -> int:
    """Forget an account's tokens, whatever they are for; returns how many."""
    return (await connection.execute(delete(one_time_token).where(one_time_token.c.account_id == account_id))).rowcount


def _usable(digest: bytes, purpose: TokenPurpose, now_us: int) -> tuple[ColumnElement[bool], ...]:
    return (
        one_time_token.c.digest == digest,
        one_time_token.c.purpose == purpose.value,
        one_time_token.c.used_at_us.is_(None),
        one_time_token.c.expires_at_us > now_us,
    )
