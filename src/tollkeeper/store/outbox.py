"""E-mails to be delivered: put in with what they tell of, claimed by one sender at a time, marked with how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import insert, select, update

from tollkeeper.store.schema_control import outbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


class MailState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"  # until its claim runs out, then it counts as pending: the sender died
    DELIVERED = "delivered"
    DEAD = "dead"  # refused for good, or too often
    UNDELIVERABLE = "undeliverable"  # there was no mail server to hand it to


_DUE = (MailState.PENDING.value, MailState.SENDING.value)


class Mail(msgspec.Struct, frozen=True):
    """An e-mail as it is put in. `organization_id` is "" for one that belongs to a person alone."""

    id: str
    organization_id: str
    kind: str
    recipient: str
    sealed_message: bytes
    created_at_us: int


class ClaimedMail(msgspec.Struct, frozen=True):
    """An e-mail that one sender has; `attempts` counts this one too and says whose claim it is."""

    id: str
    kind: str
    recipient: str
    sealed_message: bytes
    attempts: int


class MailStatus(msgspec.Struct, frozen=True):
    """How far an e-mail has come. `failure` is what the last attempt met."""

    id: str
    kind: str
    recipient: str
    status: MailState
    attempts: int
    created_at_us: int
    delivered_at_us: int | None
    failure: str


async def put_mail(connection: AsyncConnection, mail: Mail) -> None:
    """Put an e-mail in, within the transaction that makes what it tells of."""
    row = msgspec.structs.asdict(mail)
    row |= {"status": MailState.PENDING.value, "attempts": 0, "next_attempt_at_us": mail.created_at_us, "failure": ""}
    await connection.execute(insert(outbox).values(**row))


async def list_due(connection: AsyncConnection, *, now_us: int, limit: int) -> list[str]:
    """Return the ids of e-mails that wait for an attempt, those first that have waited longest."""
    query = (
        select(outbox.c.id)
        .where(outbox.c.status.in_(_DUE), outbox.c.next_attempt_at_us <= now_us)
        .order_by(outbox.c.next_attempt_at_us, outbox.c.id)
        .limit(limit)
    )
    return [row.id for row in await connection.execute(query)]


async def claim_mail(connection: AsyncConnection, mail_id: str, *, now_us: int, claim_us: int) -> ClaimedMail | None:
    """Claim an e-mail for `claim_us`; None when another sender has it or it is done with.

    Of several that try at the same time one gets it: the update decides.
    """
    claimed = (
        update(outbox)
        .where(outbox.c.id == mail_id, outbox.c.status.in_(_DUE), outbox.c.next_attempt_at_us <= now_us)
        .values(status=MailState.SENDING.value, attempts=outbox.c.attempts + 1, next_attempt_at_us=now_us + claim_us)
        .returning(outbox.c.id, outbox.c.kind, outbox.c.recipient, outbox.c.sealed_message, outbox.c.attempts)
    )
    row = (await connection.execute(claimed)).one_or_none()
    return ClaimedMail(row.id, row.kind, row.recipient, bytes(row.sealed_message), row.attempts) if row else None


async def try_again(
    connection: AsyncConnection, claimed: ClaimedMail, *, next_attempt_at_us: int, failure: str
) -> bool:
    """Let an e-mail wait for its next attempt; False when the claim ran out and another sender has it."""
    values = {"status": MailState.PENDING.value, "next_attempt_at_us": next_attempt_at_us, "failure": failure}
    return await _mark(connection, claimed, values)


async def finish_mail(
    connection: AsyncConnection, claimed: ClaimedMail, state: MailState, *, now_us: int, failure: str = ""
) -> bool:
    """Mark an e-mail as done with and forget what stood in it; False when another sender has it.

    One that was delivered after its claim ran out is delivered all the same, and maybe twice.
    """
    assert state.value not in _DUE
    delivered_at_us = now_us if state is MailState.DELIVERED else None
    values = {"status": state.value, "failure": failure, "delivered_at_us": delivered_at_us, "sealed_message": b""}
    return await _mark(connection, claimed, values)


async def list_mail(connection: AsyncConnection, *, organization_id: str, limit: int = 100) -> list[MailStatus]:
    """Return an organization's latest e-mails, newest first, without what stands in them."""
    columns = [outbox.c[name] for name in MailStatus.__struct_fields__]
    query = (
        select(*columns)
        .where(outbox.c.organization_id == organization_id)
        .order_by(outbox.c.created_at_us.desc(), outbox.c.id.desc())
        .limit(limit)
    )
    found = [MailStatus(*row) for row in await connection.execute(query)]
    return [msgspec.structs.replace(each, status=MailState(each.status)) for each in found]


async def _mark(connection: AsyncConnection, claimed: ClaimedMail, values: Mapping[str, object]) -> bool:
    is_mine = (
        outbox.c.id == claimed.id,
        outbox.c.status == MailState.SENDING.value,
        outbox.c.attempts == claimed.attempts,
    )
    return (await connection.execute(update(outbox).where(*is_mine).values(**values))).rowcount == 1
