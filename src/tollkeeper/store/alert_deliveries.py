"""What is particular to messages about alerts in the outbox: fair turns, what nobody may receive, how many tests there were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import func, insert, select

from tollkeeper.domain.alert import TargetKind
from tollkeeper.store.outbox import Mail, MailState
from tollkeeper.store.schema_control import outbox

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

HOOK_CHANNELS: tuple[TargetKind, ...] = ("slack", "webhook")
_WAITING = (MailState.PENDING.value, MailState.SENDING.value)


async def list_due_fairly(connection: AsyncConnection, *, now_us: int, limit: int, share: int) -> list[str]:
    """Return the ids of messages to targets that wait for an attempt, at most `share` of any organization.

    First comes what waits longest of each organization, then the second of each, and so on: however many messages one has
    waiting, everybody else's first ones stand before its second.
    """
    is_due = (outbox.c.status.in_(_WAITING), outbox.c.next_attempt_at_us <= now_us)
    in_turn = (outbox.c.next_attempt_at_us, outbox.c.id)
    place = func.row_number().over(partition_by=outbox.c.organization_id, order_by=in_turn).label("place")
    due = select(*in_turn, place).where(*is_due, outbox.c.channel.in_(HOOK_CHANNELS)).subquery()
    query = select(due.c.id).where(due.c.place <= share)
    rows = await connection.execute(query.order_by(due.c.place, due.c.next_attempt_at_us, due.c.id).limit(limit))
    return [row.id for row in rows]


async def put_undeliverable(connection: AsyncConnection, mail: Mail, *, failure: str) -> None:
    """Note a message that was not even tried, so that whoever looks for it finds out why."""
    row = msgspec.structs.asdict(mail) | {"status": MailState.UNDELIVERABLE.value, "attempts": 0}
    row |= {"next_attempt_at_us": mail.created_at_us, "failure": failure}
    await connection.execute(insert(outbox).values(**row))


async def list_times(
    connection: AsyncConnection, organization_id: str, alert_id: str, *, since_us: int, limit: int
) -> list[int]:
    """Return when messages about something were put into the outbox, the latest first."""
    mine = (outbox.c.organization_id == organization_id, outbox.c.alert_id == alert_id)
    query = select(outbox.c.created_at_us).where(*mine, outbox.c.created_at_us > since_us)
    return list(await connection.scalars(query.order_by(outbox.c.created_at_us.desc()).limit(limit)))
