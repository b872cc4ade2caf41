"""What becomes of the leases of replicas that died: suspense, their return after replay, quarantine and its two exits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, delete, exists, select, update

from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.lease import LeaseState
from tollkeeper.store import budget_nodes, replicas
from tollkeeper.store.budget_nodes import Change, NodeKey
from tollkeeper.store.database_clock import database_now_us
from tollkeeper.store.lease_rows import LIVING, LeaseKey, LeaseRow, lock_late, lock_leases, lock_of_holder, write_leases
from tollkeeper.store.schema_limits import budget, budget_node, lease, replica

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.engine import Store

_BATCH = 200
_FORGOTTEN_AFTER_US = 7 * 86_400_000_000
_HEARD_WITHIN_US = 60_000_000
"""Longer than any living replica goes without hearing of a recall; a budget that was deleted may be back by then."""


class Reaped(msgspec.Struct, frozen=True):
    """What one round found: leases that were suspended, calls at once that ended, closed leases with late records."""

    suspended: int = 0
    ended: int = 0
    late: int = 0


async def reclaim(store: Store, holder: str, *, is_exact: bool) -> int:
    """End or quarantine what a dead process held, some hundred leases at a time; returns how many ended.

    Raises:
        StoreUnavailable: those that came before the failure are ended; call it again for the rest.
    """
    ended = 0
    after: LeaseKey | None = ("", b"")
    while after is not None:
        some, after = await store.write(partial(_reclaim_some, holder=holder, after=after, is_exact=is_exact))
        ended += some
    return ended


async def quarantine_holder(store: Store, holder: str) -> None:
    """Put everything that a replica holds into quarantine: its journal is lost.

    Raises:
        StoreUnavailable: call it again for the rest.
    """
    await reclaim(store, holder, is_exact=False)


async def reap(store: Store, *, longest_call_us: int, grace_us: int = 10_000_000) -> Reaped:
    """Suspend the leases of replicas not heard of for longer than any of their calls can last, and book late records.

    What is suspended stays in its node's escrow: it may have been used. Only calls at once end with their replica.

    Raises:
        StoreUnavailable: call it again.
    """
    silent_us = replicas.TTL_US + longest_call_us + grace_us
    dead = await store.write(lambda connection: _suspend(connection, silent_us))
    ended = 0
    for holder in dead[1]:
        ended += await _end_calls_at_once(store, holder, silent_us)
    late = await store.write(_book_late)
    await store.write(_forget)
    return Reaped(dead[0], ended, late)


async def settle_quarantined(  # whose, which, how much, and what else is allowed
    connection: AsyncConnection,
    organization_id: str,
    lease_id: bytes,
    *,
    amount: int | None,
    is_suspense_allowed: bool = False,
) -> tuple[LeaseRow, LeaseRow]:
    """End a lease in quarantine: `amount` of it counts as used, all of it when None; the rest goes back.

    Returns it as it was and as it is.

    Raises:
        NotFound: there is no such lease.
        Conflict: it is not in quarantine.
        InvalidRequest: less than is known to have been used, or more than it holds.
    """
    key = (organization_id, lease_id)
    row = (await lock_leases(connection, {key})).get(key)
    if row is None:
        message = "There is no such lease."
        raise NotFound(message)
    allowed = {LeaseState.QUARANTINE, LeaseState.SUSPENSE} if is_suspense_allowed else {LeaseState.QUARANTINE}
    if row.state not in allowed:
        raise Conflict(f"The lease is {row.state.value}: only what is in quarantine can be released.")
    most = max(row.amount, row.consumed)
    used = most if amount is None else amount
    if not row.consumed <= used <= most:
        raise InvalidRequest(
            f"The amount must be between what is known to have been used ({row.consumed}) and all that the lease"
            f" holds ({most}).",
            param="amount",
        )
    ended, change = row.ended(booked=used - row.consumed)
    await _write(connection, [(ended, change)])
    return row, ended


async def _reclaim_some(
    connection: AsyncConnection, *, holder: str, after: LeaseKey, is_exact: bool
) -> tuple[int, LeaseKey | None]:
    await replicas.lock(connection, holder)
    rows = await lock_of_holder(connection, holder, LIVING, after=after, limit=_BATCH)
    at_once = await _calls_at_once(connection, rows)
    ended = [row for row in rows if is_exact or row.key in at_once]
    kept = [row for row in rows if not (is_exact or row.key in at_once)]
    await _write(connection, [*(row.ended() for row in ended), *(_quarantined(row) for row in kept)])
    return len(ended), rows[-1].key if len(rows) == _BATCH else None


def _quarantined(row: LeaseRow) -> tuple[LeaseRow, Change]:
    converted, change = row.converted_all()
    return msgspec.structs.replace(converted, state=LeaseState.QUARANTINE), change


async def _suspend(connection: AsyncConnection, silent_us: int) -> tuple[int, list[str]]:
    """Suspend what silent replicas hold; returns how many leases, and the holders with something living."""
    now_us = await database_now_us(connection)
    has_living = exists().where(lease.c.holder == replica.c.holder, lease.c.state.in_(LIVING))
    query = select(replica.c.holder).where(replica.c.heard_at_us < now_us - silent_us, has_living)
    holders = list(await connection.scalars(query.order_by(replica.c.holder).with_for_update()))
    if not holders:
        return 0, []
    is_open = and_(lease.c.holder.in_(holders), lease.c.state == LeaseState.OPEN.value)
    changed = update(lease).where(is_open).values(state=LeaseState.SUSPENSE.value, updated_at_us=now_us)
    return (await connection.execute(changed)).rowcount, holders


async def _end_calls_at_once(store: Store, holder: str, silent_us: int) -> int:
    """End what a silent replica held of calls at once: the calls are over, and nothing of them was used up."""

    async def some(connection: AsyncConnection) -> int:
        await replicas.lock(connection, holder)
        query = select(replica.c.heard_at_us).where(replica.c.holder == holder)
        heard_at_us = (await connection.execute(query)).scalar_one()
        if heard_at_us >= await database_now_us(connection) - silent_us:
            return 0  # it came back this moment
        is_at_once = and_(
            budget.c.organization_id == lease.c.organization_id,
            budget.c.id == lease.c.budget_id,
            budget.c.unit == "concurrent",
        )
        keys = select(lease.c.organization_id, lease.c.id).join(budget, is_at_once)
        keys = keys.where(lease.c.holder == holder, lease.c.state.in_(LIVING)).limit(_BATCH)
        found = {(row.organization_id, bytes(row.id)) for row in await connection.execute(keys)}
        rows = await lock_leases(connection, found)
        await _write(connection, [row.ended() for row in rows.values()])
        return len(rows)

    ended = 0
    while more := await store.write(some):
        ended += more
    return ended


async def _book_late(connection: AsyncConnection) -> int:
    """Count as used what records say that came after their lease had ended."""
    rows = await lock_late(connection, limit=_BATCH)
    await _write(connection, [row.converted_all() for row in rows])
    return len(rows)


async def _forget(connection: AsyncConnection) -> None:
    """Forget replicas that were silent for a week and hold nothing, and recalls in windows that are over."""
    now_us = await database_now_us(connection)
    is_living = exists().where(lease.c.holder == replica.c.holder, lease.c.state != LeaseState.CLOSED.value)
    await connection.execute(delete(replica).where(replica.c.heard_at_us < now_us - _FORGOTTEN_AFTER_US, ~is_living))
    was_us = now_us - _HEARD_WITHIN_US
    is_past = and_(budget_node.c.recalled_at_us.between(1, was_us), budget_node.c.window_end_us < was_us)
    await connection.execute(update(budget_node).where(is_past).values(recalled_at_us=0))


async def _calls_at_once(connection: AsyncConnection, rows: Iterable[LeaseRow]) -> set[LeaseKey]:
    """Return those of these leases that are on calls at once."""
    rows = list(rows)
    keys = {(row.organization_id, row.budget_id) for row in rows}
    live = await budget_nodes.read_budgets(connection, keys, at_us=0) if keys else {}
    at_once = {key for key, each in live.items() if each.unit == "concurrent"}
    return {row.key for row in rows if (row.organization_id, row.budget_id) in at_once}


async def _write(connection: AsyncConnection, changed: Iterable[tuple[LeaseRow, Change]]) -> None:
    """Write locked leases, and what becomes of their nodes, each node once and in order."""
    now_us = await database_now_us(connection)
    sums: dict[NodeKey, Change] = {}
    changed = list(changed)
    await write_leases(connection, [row for row, _ in changed], now_us=now_us)
    for row, change in changed:
        so_far = sums.get(row.node, Change())
        sums[row.node] = Change(
            used=so_far.used + change.used,
            escrow=so_far.escrow + change.escrow,
            overrun=so_far.overrun + change.overrun,
        )
    for key in sorted(sums):
        if sums[key] != Change():
            await budget_nodes.change_node(connection, key, sums[key], now_us=now_us)
