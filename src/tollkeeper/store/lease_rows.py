"""Leases as rows, and what an operation makes of one: conversion, growth, giving back, the end. Whoever writes holds its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, func, select, tuple_, update

from tollkeeper.domain.lease import LeaseState
from tollkeeper.store.budget_nodes import Change, NodeKey
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.schema_limits import lease

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

LeaseKey = tuple[str, bytes]
"""An organization's and a lease's id."""
LIVING = (LeaseState.OPEN.value, LeaseState.SUSPENSE.value)


class LeaseRow(msgspec.Struct, frozen=True):
    """A lease as it is in the database."""

    organization_id: str
    id: bytes
    budget_id: str
    window_start_us: int
    holder: str
    state: LeaseState
    operation: int
    amount: int
    consumed: int
    converted: int
    booked: int

    @property
    def key(self) -> LeaseKey:
        return self.organization_id, self.id

    @property
    def node(self) -> NodeKey:
        return self.organization_id, self.budget_id, self.window_start_us

    def converted_all(self) -> tuple[LeaseRow, Change]:
        """Move what is settled from the node's escrow to what is used, overruns in full.

        What was booked for lost records is replaced by the records when they come after all.
        """
        fresh = self.consumed - self.converted
        of_booked = min(fresh, self.booked)
        amount = max(self.amount, self.consumed)
        from_escrow = min(self.consumed, self.amount) - self.converted if self.state is not LeaseState.CLOSED else 0
        row = msgspec.structs.replace(self, amount=amount, converted=self.consumed, booked=self.booked - of_booked)
        used = fresh - of_booked
        return row, Change(used=used, escrow=-from_escrow, overrun=used - from_escrow)

    def grown(self, by: int) -> LeaseRow:
        """Return the lease with more, or less when `by` is negative: never less than what is used of it."""
        assert self.amount + by >= self.consumed, "what is used was given back"
        return msgspec.structs.replace(self, amount=self.amount + by)

    def ended(self, *, booked: int = 0) -> tuple[LeaseRow, Change]:
        """Close it: everything settled is used, and `booked` more of the rest; what remains goes back."""
        row, change = self.converted_all()
        rest = row.amount - row.converted
        assert 0 <= booked <= rest
        closed = msgspec.structs.replace(
            row, state=LeaseState.CLOSED, amount=row.converted + booked, booked=row.booked + booked
        )
        return closed, Change(used=change.used + booked, escrow=change.escrow - rest, overrun=change.overrun)


LEASE_COLUMNS = tuple(lease.c[name] for name in LeaseRow.__struct_fields__)
"""Of a query whose rows `to_lease` reads."""
_LOCK = select(*LEASE_COLUMNS).order_by(lease.c.organization_id, lease.c.id).with_for_update()
_THESE = ByKeys(select(*LEASE_COLUMNS).where, lease.c.organization_id, lease.c.id)
_LOCK_THESE = ByKeys(_LOCK.where, lease.c.organization_id, lease.c.id)
_OF_NODE = (lease.c.organization_id, lease.c.budget_id, lease.c.window_start_us)
_HELD_BY_OTHERS = ByKeys(
    select(*_OF_NODE, func.sum(lease.c.amount - lease.c.consumed))
    .where(
        lease.c.holder != bindparam("holder"),
        lease.c.state == LeaseState.OPEN.value,
        lease.c.amount > lease.c.consumed,
    )
    .group_by(*_OF_NODE)
    .where,
    *_OF_NODE,
)
# Built once: building statements takes longer than running them.
_WRITE = (
    update(lease)
    .where(lease.c.organization_id == bindparam("of_organization"), lease.c.id == bindparam("of_lease"))
    .values(
        {name: bindparam(name) for name in ("state", "operation", "amount", "converted", "booked", "updated_at_us")}
    )
)


async def read_held_by_others(
    connection: AsyncConnection, nodes: Collection[NodeKey], *, holder: str
) -> dict[NodeKey, int]:
    """Return what leases of other replicas hold of nodes and have not used, where it is any; the dead give nothing back."""
    if not nodes:
        return {}
    rows = await connection.execute(*_HELD_BY_OTHERS.of(connection, nodes, holder=holder))
    return {(row[0], row[1], row[2]): int(row[3]) for row in rows}


async def lock_leases(connection: AsyncConnection, keys: Collection[LeaseKey]) -> dict[LeaseKey, LeaseRow]:
    """Return those that there are of these leases; nobody else changes them until this transaction ends.

    Leases are locked before nodes and in the order of their keys, by everybody: so nobody waits in a circle.
    """
    if not keys:
        return {}
    rows = map(to_lease, await connection.execute(*_LOCK_THESE.of(connection, keys)))
    return {row.key: row for row in rows}


async def read_leases(connection: AsyncConnection, keys: Collection[LeaseKey]) -> dict[LeaseKey, LeaseRow]:
    """Return those that there are of these leases, as they are at this moment."""
    if not keys:
        return {}
    return {row.key: row for row in map(to_lease, await connection.execute(*_THESE.of(connection, keys)))}


async def lock_of_holder(
    connection: AsyncConnection, holder: str, states: Collection[str], *, after: LeaseKey, limit: int
) -> list[LeaseRow]:
    """Return a holder's leases in these states that come behind one in the order of keys, locked; at most `limit`."""
    behind = tuple_(lease.c.organization_id, lease.c.id) > after
    return await _lock(connection, and_(lease.c.holder == holder, lease.c.state.in_(states), behind), limit=limit)


async def lock_late(connection: AsyncConnection, *, limit: int) -> list[LeaseRow]:
    """Return closed leases whose records came later, locked."""
    is_late = and_(lease.c.state == LeaseState.CLOSED.value, lease.c.consumed > lease.c.converted)
    return await _lock(connection, is_late, limit=limit)


async def write_leases(connection: AsyncConnection, rows: Iterable[LeaseRow], *, now_us: int) -> None:
    """Write locked leases; `consumed` is the flush's to write."""
    values = [
        {
            "of_organization": row.organization_id,
            "of_lease": row.id,
            "state": row.state.value,
            "operation": row.operation,
            "amount": row.amount,
            "converted": row.converted,
            "booked": row.booked,
            "updated_at_us": now_us,
        }
        for row in rows
    ]
    if values:
        await connection.execute(_WRITE, values)


async def _lock(connection: AsyncConnection, condition: ColumnElement[bool], *, limit: int) -> list[LeaseRow]:
    return [to_lease(row) for row in await connection.execute(_LOCK.where(condition).limit(limit))]


def to_lease(row: Any) -> LeaseRow:  # a row of LEASE_COLUMNS
    organization_id, lease_id, budget_id, window_start_us, holder, state, *numbers = row
    return LeaseRow(organization_id, bytes(lease_id), budget_id, window_start_us, holder, LeaseState(state), *numbers)
