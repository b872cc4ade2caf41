"""Messages to be delivered: put in with what they tell of, claimed by one sender at a time, marked with how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Select, and_, insert, or_, select, update

from tollkeeper.domain.alert import CHANNELS, Channel
from tollkeeper.store.schema_control import outbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


class MailState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"  # until its claim runs out, then it counts as pending: the sender died
    DELIVERED = "delivered"
    DEAD = "dead"  # refused for good, or too often
    UNDELIVERABLE = "undeliverable"  # nobody was there to hand it to: no mail server, or no such target any more


_DUE = (MailState.PENDING.value, MailState.SENDING.value)


class Mail(msgspec.Struct, frozen=True):
    """A message as it is put in. `organization_id` is "" for one that belongs to a person alone.

    `recipient` is an e-mail address, or for the other channels the id of an alert's target. `alert_id` is the alert that
    it tells of, "" for everything else.
    """

    id: str
    organization_id: str
    kind: str
    recipient: str
    sealed_message: bytes
    created_at_us: int
    channel: Channel = "email"
    alert_id: str = ""


class ClaimedMail(msgspec.Struct, frozen=True):
    """A message that one sender has; `attempts` counts this one too and says whose claim it is."""

    id: str
    kind: str
    recipient: str
    sealed_message: bytes
    attempts: int
    organization_id: str
    channel: Channel
    alert_id: str


class MailStatus(msgspec.Struct, frozen=True):
    """How far a message has come. `failure` is what the last attempt met."""

    id: str
    kind: str
    recipient: str
    status: MailState
    attempts: int
    created_at_us: int
    delivered_at_us: int | None
    failure: str
    channel: Channel
    alert_id: str
    next_attempt_at_us: int


async def put_mail(connection: AsyncConnection, mail: Mail) -> None:
    """Put a message in, within the transaction that makes what it tells of."""
    row = msgspec.structs.asdict(mail)
    row |= {"status": MailState.PENDING.value, "attempts": 0, "next_attempt_at_us": mail.created_at_us, "failure": ""}
    await connection.execute(insert(outbox).values(**row))


async def list_due(
    connection: AsyncConnection, *, now_us: int, limit: int, channels: tuple[Channel, ...] = CHANNELS
) -> list[str]:
    """Return the ids of messages that wait for an attempt, those first that have waited longest."""
    is_due = (outbox.c.status.in_(_DUE), outbox.c.next_attempt_at_us <= now_us)
    query = (
        select(outbox.c.id)
        .where(*is_due, outbox.c.channel.in_(channels))
        .order_by(outbox.c.next_attempt_at_us, outbox.c.id)
        .limit(limit)
    )
    return [row.id for row in await connection.execute(query)]


async def claim_mail(connection: AsyncConnection, mail_id: str, *, now_us: int, claim_us: int) -> ClaimedMail | None:
    """Claim a message for `claim_us`; None when another sender has it or it is done with.

    Of several that try at the same time one gets it: the update decides.
    """
    claimed = (
        update(outbox)
        .where(outbox.c.id == mail_id, outbox.c.status.in_(_DUE), outbox.c.next_attempt_at_us <= now_us)
        .values(status=MailState.SENDING.value, attempts=outbox.c.attempts + 1, next_attempt_at_us=now_us + claim_us)
        .returning(*(outbox.c[name] for name in ClaimedMail.__struct_fields__))
    )
    row = (await connection.execute(claimed)).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = dict(zip(ClaimedMail.__struct_fields__, row, strict=True))
    return ClaimedMail(**{**values, "sealed_message": bytes(row.sealed_message)})


async def try_again(
    connection: AsyncConnection, claimed: ClaimedMail, *, next_attempt_at_us: int, failure: str
) -> bool:
    """Let a message wait for its next attempt; False when the claim ran out and another sender has it."""
    values = {"status": MailState.PENDING.value, "next_attempt_at_us": next_attempt_at_us, "failure": failure}
    return await _mark(connection, claimed, values)


async def finish_mail(
    connection: AsyncConnection, claimed: ClaimedMail, state: MailState, *, now_us: int, failure: str = ""
) -> bool:
    """Mark a message as done with and forget what stood in it; False when another sender has it.

    One that was delivered after its claim ran out is delivered all the same, and maybe twice. What an alert says, which
    is no secret, is kept until it is delivered: somebody may have it tried once more.
    """
    assert state.value not in _DUE
    delivered_at_us = now_us if state is MailState.DELIVERED else None
    values: dict[str, Any] = {"status": state.value, "failure": failure, "delivered_at_us": delivered_at_us}
    if state is MailState.DELIVERED or not claimed.alert_id:
        values["sealed_message"] = b""
    return await _mark(connection, claimed, values)


async def list_of_alerts(
    connection: AsyncConnection, organization_id: str, *, after: str | None = None, limit: int = 100
) -> list[MailStatus]:
    """Return what was sent of an organization's alerts, newest first, behind the message `after`."""
    mine = (outbox.c.organization_id == organization_id, outbox.c.alert_id != "")
    query = _select_status().where(*mine)
    if after is not None:
        at = select(outbox.c.created_at_us).where(*mine, outbox.c.id == after).scalar_subquery()
        is_older = or_(outbox.c.created_at_us < at, and_(outbox.c.created_at_us == at, outbox.c.id < after))
        query = query.where(is_older)
    rows = await connection.execute(query.order_by(outbox.c.created_at_us.desc(), outbox.c.id.desc()).limit(limit))
    return [_to_status(row) for row in rows]


async def get_of_alert(connection: AsyncConnection, organization_id: str, mail_id: str) -> MailStatus | None:
    """Return one message about an alert; None when the organization has none of this id."""
    mine = (outbox.c.organization_id == organization_id, outbox.c.id == mail_id, outbox.c.alert_id != "")
    row = (await connection.execute(_select_status().where(*mine))).one_or_none()
    return _to_status(row) if row else None


async def revive_mail(connection: AsyncConnection, organization_id: str, mail_id: str, *, now_us: int) -> bool:
    """Let a message about an alert that was given up be tried once more, now; False when it was not given up."""
    given_up = (MailState.DEAD.value, MailState.UNDELIVERABLE.value)
    mine = (outbox.c.organization_id == organization_id, outbox.c.id == mail_id, outbox.c.alert_id != "")
    revived = update(outbox).where(*mine, outbox.c.status.in_(given_up))
    values = {"status": MailState.PENDING.value, "next_attempt_at_us": now_us}
    return (await connection.execute(revived.values(**values))).rowcount == 1


async def list_mail(connection: AsyncConnection, *, organization_id: str, limit: int = 100) -> list[MailStatus]:
    """Return an organization's latest messages, newest first, without what stands in them."""
    query = (
        _select_status()
        .where(outbox.c.organization_id == organization_id)
        .order_by(outbox.c.created_at_us.desc(), outbox.c.id.desc())
        .limit(limit)
    )
    return [_to_status(row) for row in await connection.execute(query)]


def _select_status() -> Select[Any]:
    return select(*(outbox.c[name] for name in MailStatus.__struct_fields__))


def _to_status(row: Any) -> MailStatus:  # a row of `_select_status`
    values = dict(zip(MailStatus.__struct_fields__, row, strict=True))
    return MailStatus(**{**values, "status": MailState(values["status"])})


async def _mark(connection: AsyncConnection, claimed: ClaimedMail, values: Mapping[str, object]) -> bool:
    is_mine = (
        outbox.c.id == claimed.id,
        outbox.c.status == MailState.SENDING.value,
        outbox.c.attempts == claimed.attempts,
    )
    return (await connection.execute(update(outbox).where(*is_mine).values(**values))).rowcount == 1
