"""The numbered list of changes by which running servers learn what to forget, in the order of the commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import bindparam, insert, select, update

from tollkeeper.kit.clock import now_us
from tollkeeper.store.schema import change, revision

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

ChangeKind = Literal["api_key", "price", "project", "member", "organization", "provider", "limit"]


class Change(msgspec.Struct, frozen=True):
    """One committed change. A reader that has seen number N has seen every change up to N."""

    number: int
    kind: str
    organization_id: str
    entity_id: str


async def record_change(connection: AsyncConnection, kind: ChangeKind, *, organization_id: str, entity_id: str) -> None:
    """Number a change within the transaction that makes it.

    The row lock on the counter is held until the commit, so numbers appear in order; call it last to hold it shortly.
    """
    number = await connection.scalar(
        update(revision).where(revision.c.id == 1).values(number=revision.c.number + 1).returning(revision.c.number)
    )
    await connection.execute(
        insert(change).values(
            number=number, kind=kind, organization_id=organization_id, entity_id=entity_id, changed_at_us=now_us()
        )
    )


# Built once: every replica asks twice a second or more.
_AFTER = (
    select(change.c.number, change.c.kind, change.c.organization_id, change.c.entity_id)
    .where(change.c.number > bindparam("after"))
    .order_by(change.c.number)
    .limit(bindparam("most"))
)


async def last_number(connection: AsyncConnection) -> int:
    """Return the number of the last change; 0 when there was none."""
    return int((await connection.execute(select(revision.c.number).where(revision.c.id == 1))).scalar_one())


async def changes_after(connection: AsyncConnection, number: int, *, limit: int = 1000) -> list[Change]:
    """Return the changes after a number, oldest first."""
    found = await connection.execute(_AFTER, {"after": number, "most": limit})
    return [Change(*row) for row in found]
