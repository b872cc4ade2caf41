"""Logins under way at OpenID providers: kept sealed until the browser comes back, and taken away by the first who does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from tollkeeper.store.schema_control import login_flow

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def keep_flow(connection: AsyncConnection, digest: bytes, sealed_flow: bytes, *, expires_at_us: int) -> None:
    """Keep a login under way. `digest` is of the state that the browser carries."""
    row = {"digest": digest, "sealed_flow": sealed_flow, "expires_at_us": expires_at_us}
    await connection.execute(insert(login_flow).values(**row))


async def take_flow(connection: AsyncConnection, digest: bytes, *, now_us: int) -> bytes | None:
    """Take a login away and return it; None when it is too old, was taken before or never was."""
    taken = (
        delete(login_flow)
        .where(login_flow.c.digest == digest, login_flow.c.expires_at_us > now_us)
        .returning(login_flow.c.sealed_flow)
    )
    sealed = await connection.scalar(taken)
    return None if sealed is None else bytes(sealed)
