"""The installation's single row: which pepper the key digests of this database were made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import insert, select

from tollkeeper.kit.clock import now_us
from tollkeeper.store.schema import installation

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class Installation(msgspec.Struct, frozen=True):
    """`pepper_fingerprint` is `kit.secrets.fingerprint` of the pepper, so that a wrong pepper file is noticed."""

    pepper_version: int
    pepper_fingerprint: str
    created_at_us: int


async def get_installation(connection: AsyncConnection) -> Installation | None:
    """Return the row; None before `tollkeeper init`."""
    columns = (installation.c.pepper_version, installation.c.pepper_fingerprint, installation.c.created_at_us)
    row = (await connection.execute(select(*columns).where(installation.c.id == 1))).one_or_none()
    return Installation(*row) if row else None


async def lock_installation(connection: AsyncConnection) -> None:
    """Keep out, until this transaction ends, all others that lock it: what may happen once in an installation's life."""
    await connection.execute(select(installation.c.id).where(installation.c.id == 1).with_for_update())


async def create_installation(
    connection: AsyncConnection, *, pepper_fingerprint: str, pepper_version: int = 1
) -> Installation:
    """Write the row; there must be none."""
    made = Installation(pepper_version, pepper_fingerprint, now_us())
    await connection.execute(insert(installation).values(id=1, **msgspec.structs.asdict(made)))
    return made
