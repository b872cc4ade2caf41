"""The audit log's rows: appended in order, read back, verified; its chain is the domain's (domain.audit)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tollkeeper.domain.audit import BEGIN, FIRST_MAC, INSTALLATION, AuditEvent, after_break, mac_of, seal_of
from tollkeeper.domain.audit_chain import SealedHead
from tollkeeper.kit.ids import new_id
from tollkeeper.store.schema_control import audit_event, audit_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

_log = logging.getLogger(__name__)
_COLUMNS = tuple(audit_event.c[name] for name in AuditEvent.__struct_fields__)


class AuditFilter(msgspec.Struct, frozen=True):
    """What is searched for; None lets everything in. Times are of the event, [from_us, to_us)."""

    actor_id: str | None = None
    action: str | None = None  # "team.create", or "team." for all that begin so
    target_id: str | None = None
    from_us: int | None = None
    to_us: int | None = None


async def append_events(
    connection: AsyncConnection, organization_id: str, events: Sequence[AuditEvent], *, key: bytes
) -> None:
    """Append events to an organization's chain. Call it last: the chain's end stays locked until the commit.

    Every transaction locks in the same order, so that none waits for another in a circle: its own rows, the number of the
    last change (`revision.record_change`), the end of its chain, and only for a chain that begins the installation's.
    """
    if not events:
        return
    head = await _lock_head(connection, organization_id, key)
    rows: list[dict[str, Any]] = []
    number, mac = head.number, head.mac
    if head.seal != seal_of(organization_id, number, mac, key):
        _log.critical("the end of the audit log of organization '%s' was changed outside Tollkeeper", organization_id)
        mac = after_break(mac, key)
    for event in events:
        number += 1
        numbered = msgspec.structs.replace(event, organization_id=organization_id, number=number)
        mac = mac_of(numbered, mac, key)
        rows.append(msgspec.structs.asdict(msgspec.structs.replace(numbered, mac=mac)))
    await connection.execute(insert(audit_event), rows)
    await connection.execute(
        update(audit_head)
        .where(audit_head.c.organization_id == organization_id)
        .values(number=number, mac=mac, seal=seal_of(organization_id, number, mac, key))
    )
    if not head.number and organization_id != INSTALLATION:
        await append_events(connection, INSTALLATION, [_beginning(organization_id, events[0])], key=key)


async def list_events(
    connection: AsyncConnection,
    organization_id: str,
    wanted: AuditFilter,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[AuditEvent]:
    """Return at most `limit` events, newest first, those older than the event of the id `after`."""
    query = select(*_COLUMNS).where(*_conditions(organization_id, wanted))
    if after is not None:
        position = select(audit_event.c.number).where(
            audit_event.c.organization_id == organization_id, audit_event.c.id == after
        )
        query = query.where(audit_event.c.number < position.scalar_subquery())
    query = query.order_by(audit_event.c.number.desc()).limit(limit)
    return [AuditEvent(*row) for row in await connection.execute(query)]


async def get_event(connection: AsyncConnection, organization_id: str, event_id: str) -> AuditEvent | None:
    """Return an event by its id; None when the organization has none of it."""
    query = select(*_COLUMNS).where(audit_event.c.organization_id == organization_id, audit_event.c.id == event_id)
    row = (await connection.execute(query)).one_or_none()
    return AuditEvent(*row) if row else None


async def events_after(
    connection: AsyncConnection,
    organization_id: str,
    number: int,
    *,
    wanted: AuditFilter | None = None,
    limit: int = 1000,
) -> list[AuditEvent]:
    """Return the events after a number, oldest first: for export and verification. Numbers may have been tampered with."""
    query = (
        select(*_COLUMNS)
        .where(*_conditions(organization_id, wanted or AuditFilter()), audit_event.c.number > number)
        .order_by(audit_event.c.number)
        .limit(limit)
    )
    return [AuditEvent(*row) for row in await connection.execute(query)]


async def macs_of(connection: AsyncConnection, organization_id: str, numbers: Sequence[int]) -> dict[int, bytes]:
    """Return the macs of the events of these numbers that there are."""
    if not numbers:
        return {}
    mine = (audit_event.c.organization_id == organization_id, audit_event.c.number.in_(numbers))
    rows = await connection.execute(select(audit_event.c.number, audit_event.c.mac).where(*mine))
    return {row.number: bytes(row.mac) for row in rows}


async def read_head(connection: AsyncConnection, organization_id: str) -> SealedHead | None:
    """Return a chain's end; None when there is no note of it."""
    columns = (audit_head.c.number, audit_head.c.mac, audit_head.c.seal)
    query = select(*columns).where(audit_head.c.organization_id == organization_id)
    row = (await connection.execute(query)).one_or_none()
    return SealedHead(row.number, bytes(row.mac), bytes(row.seal)) if row else None


async def count_beginnings(connection: AsyncConnection, organization_id: str) -> int:
    """Return how often the installation's log says that an organization's log began."""
    query = select(func.count()).where(
        audit_event.c.organization_id == INSTALLATION,
        audit_event.c.target_id == organization_id,
        audit_event.c.action == BEGIN,
    )
    return int((await connection.execute(query)).scalar_one())


async def list_begun(connection: AsyncConnection) -> list[str]:
    """Return the organizations whose log began, as the installation's log has it."""
    query = select(audit_event.c.target_id).where(
        audit_event.c.organization_id == INSTALLATION, audit_event.c.action == BEGIN
    )
    return sorted({row[0] for row in await connection.execute(query)})


async def list_chains(connection: AsyncConnection) -> list[str]:
    """Return the organizations that have a chain or events, "" among them."""
    heads = select(audit_head.c.organization_id)
    events = select(audit_event.c.organization_id).distinct()
    return sorted({row[0] for row in await connection.execute(heads.union(events))})


async def _lock_head(connection: AsyncConnection, organization_id: str, key: bytes) -> SealedHead:
    """Lock the end of a chain until the commit; begins the chain when there is none."""
    mine = audit_head.c.organization_id == organization_id
    lock = (
        update(audit_head)
        .where(mine)
        .values(number=audit_head.c.number)
        .returning(audit_head.c.number, audit_head.c.mac, audit_head.c.seal)
    )
    row = (await connection.execute(lock)).one_or_none()
    if row is None:
        first = await _first_head(connection, organization_id, key)
        try:
            async with connection.begin_nested():
                values = msgspec.structs.asdict(first)
                await connection.execute(insert(audit_head).values(organization_id=organization_id, **values))
        except IntegrityError:  # another transaction began it meanwhile
            row = (await connection.execute(lock)).one()
        else:
            return first
    return SealedHead(row.number, bytes(row.mac), bytes(row.seal))


async def _first_head(connection: AsyncConnection, organization_id: str, key: bytes) -> SealedHead:
    """Return where a chain without an end begins; behind its events, and not sealed, when somebody took its end away."""
    last = (
        select(audit_event.c.number, audit_event.c.mac)
        .where(audit_event.c.organization_id == organization_id)
        .order_by(audit_event.c.number.desc())
        .limit(1)
    )
    row = (await connection.execute(last)).one_or_none()
    if row is None:
        return SealedHead(0, FIRST_MAC, seal_of(organization_id, 0, FIRST_MAC, key))
    return SealedHead(row.number, bytes(row.mac), b"")


def _beginning(organization_id: str, cause: AuditEvent) -> AuditEvent:
    """Return the event by which the installation's log knows that an organization has a log, and who began it."""
    return msgspec.structs.replace(
        cause,
        organization_id=INSTALLATION,
        id=new_id("audit"),
        action=BEGIN,
        target_kind="organization",
        target_id=organization_id,
        target_name="",
        before="null",
        after="null",
    )


def _conditions(organization_id: str, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [audit_event.c.organization_id == organization_id]
    if wanted.actor_id is not None:
        found.append(audit_event.c.actor_id == wanted.actor_id)
    if wanted.target_id is not None:
        found.append(audit_event.c.target_id == wanted.target_id)
    if wanted.action is not None:
        is_prefix = wanted.action.endswith(".")
        found.append(
            audit_event.c.action.startswith(wanted.action, autoescape=True)
            if is_prefix
            else audit_event.c.action == wanted.action
        )
    if wanted.from_us is not None:
        found.append(audit_event.c.at_us >= wanted.from_us)
    if wanted.to_us is not None:
        found.append(audit_event.c.at_us < wanted.to_us)
    return found
