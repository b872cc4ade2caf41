"""Leases on budgets: exchanged in batches, one short transaction each, and the signs of life of who holds them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Text, and_, bindparam, literal_column, null, select, union_all, update
from sqlalchemy import cast as cast_

from tollkeeper.domain.lease import Answer, Ask, LeaseState, Pulse
from tollkeeper.store import lease_recovery, replicas
from tollkeeper.store.columns import Int
from tollkeeper.store.database_clock import POSTGRES_NOW_US, database_now_us
from tollkeeper.store.lease_exchange import Exchange
from tollkeeper.store.lease_statement import QuickExchange
from tollkeeper.store.schema_limits import budget_node, lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, CompoundSelect
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.ports.leases import LeaseStore
    from tollkeeper.store.engine import Store

_ASKS_MAX = 64
_QUICK_ATTEMPTS = 3
"""How often asks are tried without locks; near the end of a budget others may be faster each time."""


class StoreLeases:
    """Satisfies `ports.leases.LeaseStore` over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replicas: int | None = None  # how many were alive at the last sign of life

    async def exchange(self, holder: str, asks: Sequence[Ask]) -> list[Answer]:
        """See `ports.leases.LeaseStore`. More than 64 asks are done in several transactions: each repeats harmlessly."""
        # In one order for all replicas, so that none waits for another in a circle.
        order = sorted(range(len(asks)), key=lambda at: (asks[at].organization_id, asks[at].budget_id))
        answers: list[Answer | None] = [None] * len(asks)
        for start in range(0, len(order), _ASKS_MAX):
            chosen = order[start : start + _ASKS_MAX]
            some = [asks[at] for at in chosen]
            for at, answer in zip(chosen, await self._do(holder, some), strict=True):
                answers[at] = answer
        return cast("list[Answer]", answers)

    async def pulse(self, holder: str, *, is_beating: bool) -> Pulse:
        """See `ports.leases.LeaseStore`."""
        if is_beating:
            await self._store.write(lambda connection: _beat(connection, holder))
        found = await self._store.read(lambda connection: _read_pulse(connection, holder))
        self._replicas = found.replicas
        return found

    async def reclaim(self, holder: str, *, is_exact: bool) -> int:
        """See `ports.leases.LeaseStore`."""
        return await lease_recovery.reclaim(self._store, holder, is_exact=is_exact)

    async def _do(self, holder: str, asks: list[Ask]) -> list[Answer]:
        """Do asks without locks that wait for us where that is possible, and with them what is then left."""
        answers: dict[bytes, Answer] = {}
        left = asks
        for _ in range(_QUICK_ATTEMPTS if self._store.dialect == "postgresql" and self._replicas is not None else 0):
            quick = await self._store.write_each(partial(self._exchange_quickly, holder=holder, asks=left))
            answers |= {ask.lease_id: answer for ask, answer in zip(left, quick, strict=True) if answer is not None}
            left = [ask for ask in asks if ask.lease_id not in answers]
            if not left:
                break
        if left:
            done = await self._store.write(partial(self._exchange, holder=holder, asks=left))
            answers |= {answer.lease_id: answer for answer in done}
        return [answers[ask.lease_id] for ask in asks]

    async def _exchange_quickly(
        self, connection: AsyncConnection, *, holder: str, asks: list[Ask]
    ) -> list[Answer | None]:
        assert self._replicas is not None, "a replica that was never heard of has no row to lock"
        now_us = await database_now_us(connection)
        exchange = QuickExchange(connection, holder, now_us=now_us, replicas=max(self._replicas, 1))
        return await exchange.run_quickly(asks)

    async def _exchange(self, connection: AsyncConnection, *, holder: str, asks: list[Ask]) -> list[Answer]:
        now_us = await database_now_us(connection)
        await replicas.share_lock(connection, holder, now_us=now_us)
        if self._replicas is None:
            self._replicas = await replicas.count_alive(connection, now_us=now_us)
        exchange = Exchange(connection, holder, now_us=now_us, replicas=max(self._replicas, 1))
        return await exchange.run(asks)


async def _beat(connection: AsyncConnection, holder: str) -> None:
    """Note that a replica is alive; what it held is its own again."""
    await replicas.beat(connection, holder, now_us=await database_now_us(connection))
    is_suspended = and_(lease.c.holder == holder, lease.c.state == LeaseState.SUSPENSE.value)
    await connection.execute(update(lease).where(is_suspended).values(state=LeaseState.OPEN.value))


async def _read_pulse(connection: AsyncConnection, holder: str) -> Pulse:
    found: dict[str, list[bytes]] = {"recalled": [], "lost": []}
    alive = 1
    query, values = _PULSE, dict[str, Any](holder=holder)
    if connection.dialect.name == "sqlite":
        query, values["now_us"] = _SQLITE_PULSE, await database_now_us(connection)
    for row in await connection.execute(query, values):
        if row[0] == "alive":
            alive = max(alive, row[2])
        else:
            found[row[0]].append(bytes(row[1]))
    return Pulse(alive, tuple(found["recalled"]), tuple(found["lost"]))


def make_pulse(now_us: ColumnElement[int]) -> CompoundSelect[Any]:
    """Make the one statement of a pulse: it runs twice a second at every replica, so it is built once."""
    is_of_node = and_(
        lease.c.organization_id == budget_node.c.organization_id,
        lease.c.budget_id == budget_node.c.budget_id,
        lease.c.window_start_us == budget_node.c.window_start_us,
    )
    is_mine = lease.c.holder == bindparam("holder")
    no_id, nothing = cast_(null(), lease.c.id.type), literal_column("0", Int)
    alive = select(literal_column("'alive'", Text), no_id, replicas.counting_alive(now_us).scalar_subquery())
    recalled = (
        select(literal_column("'recalled'", Text), lease.c.id, nothing)
        .join(budget_node, is_of_node)
        .where(
            budget_node.c.recalled_at_us > 0,
            is_mine,
            lease.c.state == LeaseState.OPEN.value,
            lease.c.amount > lease.c.consumed,
        )
    )
    lost = select(literal_column("'lost'", Text), lease.c.id, nothing).where(
        is_mine, lease.c.state == LeaseState.QUARANTINE.value
    )
    return union_all(alive, recalled, lost)


_PULSE, _SQLITE_PULSE = make_pulse(POSTGRES_NOW_US), make_pulse(bindparam("now_us", type_=Int))


if TYPE_CHECKING:

    def _is_lease_store(leases: StoreLeases) -> LeaseStore:
        return leases
