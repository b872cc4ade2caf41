"""The letters of reports: to whom each went, and what became of it, which stays known when the outbox forgets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, func, insert, select, update

from tollkeeper.store.outbox import MailState
from tollkeeper.store.schema_control import outbox
from tollkeeper.store.schema_reports import report_letter

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

_WAITING = (MailState.PENDING.value, MailState.SENDING.value)
_IN_OUTBOX = and_(outbox.c.id == report_letter.c.mail_id, outbox.c.organization_id == report_letter.c.organization_id)


class ReportLetter(msgspec.Struct, frozen=True):
    """A letter to a member, at the address that they had then."""

    organization_id: str
    mail_id: str
    report_id: str
    member_id: str
    recipient: str
    created_at_us: int
    status: MailState = MailState.PENDING
    failure: str = ""
    delivered_at_us: int | None = None


async def add_letter(connection: AsyncConnection, made: ReportLetter) -> None:
    """Note a letter, within the transaction that puts it into the outbox."""
    await connection.execute(
        insert(report_letter).values(**{**msgspec.structs.asdict(made), "status": made.status.value})
    )


async def list_letters(
    connection: AsyncConnection, organization_id: str, report_ids: Collection[str]
) -> dict[str, list[ReportLetter]]:
    """Return the letters of reports as they stand now, oldest first, by the reports' ids."""
    found: dict[str, list[ReportLetter]] = {each: [] for each in report_ids}
    letters = report_letter.c
    query = (
        select(
            letters.organization_id,
            letters.mail_id,
            letters.report_id,
            letters.member_id,
            letters.recipient,
            letters.created_at_us,
            func.coalesce(outbox.c.status, letters.status).label("status"),
            func.coalesce(outbox.c.failure, letters.failure).label("failure"),
            func.coalesce(outbox.c.delivered_at_us, letters.delivered_at_us).label("delivered_at_us"),
        )
        .select_from(report_letter.outerjoin(outbox, _IN_OUTBOX))
        .where(letters.organization_id == organization_id, letters.report_id.in_(list(found)))
        .order_by(letters.created_at_us, letters.recipient, letters.mail_id)
    )
    for row in await connection.execute(query):
        found[row.report_id].append(ReportLetter(*row[:6], MailState(row.status), row.failure, row.delivered_at_us))
    return found


async def count_letters(connection: AsyncConnection, organization_id: str, *, since_us: int) -> int:
    """Return how many letters an organization has sent since a moment."""
    mine = (report_letter.c.organization_id == organization_id, report_letter.c.created_at_us > since_us)
    return int((await connection.execute(select(func.count()).select_from(report_letter).where(*mine))).scalar_one())


async def note_ends(connection: AsyncConnection, *, limit: int) -> int:
    """Write down how letters ended, before the outbox forgets them; returns how many. Of every organization."""
    query = (
        select(
            report_letter.c.organization_id,
            report_letter.c.mail_id,
            outbox.c.status,
            outbox.c.failure,
            outbox.c.delivered_at_us,
        )
        .select_from(report_letter.join(outbox, _IN_OUTBOX))
        .where(report_letter.c.status.in_(_WAITING), outbox.c.status.not_in(_WAITING))
        .limit(limit)
    )
    ended = (await connection.execute(query)).all()
    for row in ended:
        mine = (report_letter.c.organization_id == row.organization_id, report_letter.c.mail_id == row.mail_id)
        values = {"status": row.status, "failure": row.failure, "delivered_at_us": row.delivered_at_us}
        await connection.execute(update(report_letter).where(*mine).values(**values))
    return len(ended)
