"""What of accounts and their e-mails nobody needs any more, deleted a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table, and_, delete, select, tuple_

from tollkeeper.store.outbox import MailState
from tollkeeper.store.schema_control import idempotency, login_flow, one_time_token, outbox, session

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH_MAX = 1000
_DONE = (MailState.DELIVERED.value, MailState.DEAD.value, MailState.UNDELIVERABLE.value)


async def prune_sessions(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most BATCH_MAX sessions that were over before; returns how many."""
    return await _delete(connection, session, session.c.expires_at_us < before_us)


async def prune_tokens(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most BATCH_MAX tokens of e-mails, used or not, that ran out before; returns how many."""
    return await _delete(connection, one_time_token, one_time_token.c.expires_at_us < before_us)


async def prune_flows(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most BATCH_MAX logins that nobody came back from; returns how many."""
    return await _delete(connection, login_flow, login_flow.c.expires_at_us < before_us)


async def prune_results(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most BATCH_MAX older results of requests with an Idempotency-Key; returns how many."""
    return await _delete(connection, idempotency, idempotency.c.created_at_us < before_us)


async def prune_mail(connection: AsyncConnection, *, before_us: int) -> int:
    """Delete at most BATCH_MAX older e-mails that are done with; returns how many."""
    is_old = and_(outbox.c.status.in_(_DONE), outbox.c.next_attempt_at_us < before_us)
    return await _delete(connection, outbox, is_old)


async def _delete(connection: AsyncConnection, table: Table, condition: ColumnElement[bool]) -> int:
    key = tuple(table.primary_key.columns)
    batch = select(*key).where(condition).limit(BATCH_MAX)
    return (await connection.execute(delete(table).where(tuple_(*key).in_(batch)))).rowcount
