"""Makes budgets, asks and usage with draws for the tests of leases, and reads back what became of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, insert, select
from tests.store.store_factories import make_record

from tollkeeper.domain.lease import Answer, Ask, Draw
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id, uuid7
from tollkeeper.store import lease_recovery
from tollkeeper.store import leases as leases_module
from tollkeeper.store.columns import Int
from tollkeeper.store.lease_rows import LeaseRow, to_lease
from tollkeeper.store.leases import StoreLeases
from tollkeeper.store.schema_limits import budget, budget_node, lease

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Row

    from tollkeeper.store.engine import Store

LONG_AGO_US = 1_600_000_000_000_000
"""A budget that was made then has nothing to count of its present window."""


class Budgeted(msgspec.Struct, frozen=True):
    """A budget in the database."""

    organization_id: str
    id: str


async def add_budget(store: Store, organization_id: str, amount: int, **changes: Any) -> Budgeted:
    """Write a hard total budget of the organization in nano-USD, or what the changes make of it."""
    budget_id = new_id("bud")
    values = {
        "organization_id": organization_id,
        "id": budget_id,
        "scope_kind": "organization",
        "scope_id": organization_id,
        "model": "",
        "unit": "usd",
        "period": "total",
        "amount": amount,
        "is_carried_over": 0,
        "is_hard": 1,
        "is_exceeding_notified": 1,
        "is_exceeding_disabling": 0,
        "created_at_us": LONG_AGO_US,
        "updated_at_us": LONG_AGO_US,
        **changes,
    }
    await store.write(lambda connection: connection.execute(insert(budget).values(**values)))
    return Budgeted(organization_id, budget_id)


class Holder:
    """A replica as the store sees it: asks with the right operation numbers, and draws that it settles."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.leases = StoreLeases(store)
        self._operations: dict[bytes, itertools.count[int]] = {}

    def ask(self, budgeted: Budgeted, lease_id: bytes | None = None, **wanted: Any) -> Ask:
        lease_id = lease_id or uuid7()
        operation = next(self._operations.setdefault(lease_id, itertools.count(1)))
        return Ask(budgeted.organization_id, budgeted.id, lease_id, operation, **wanted)

    async def exchange(self, *asks: Ask) -> list[Answer]:
        return await self.leases.exchange(self.name, asks)

    async def one(self, budgeted: Budgeted, lease_id: bytes | None = None, **wanted: Any) -> Answer:
        [answer] = await self.exchange(self.ask(budgeted, lease_id, **wanted))
        return answer

    async def use(self, lease_id: bytes, amount: int, *, organization_id: str, **changes: Any) -> int:
        """Flush a call that came to an amount on a lease."""
        draws = (Draw(lease_id, amount),)
        record = make_record(now_us(), organization_id=organization_id, draws=draws, **changes)
        return await self.store.insert_usage([record], slot=self.name)


async def read_node(store: Store, budgeted: Budgeted) -> Row[Any]:
    """Return the only node of a budget."""
    query = select(budget_node).where(budget_node.c.budget_id == budgeted.id)
    return (await store.read(lambda connection: connection.execute(query))).one()


async def count_nodes(store: Store, budgeted: Budgeted) -> int:
    query = select(func.count()).select_from(budget_node).where(budget_node.c.budget_id == budgeted.id)
    return int((await store.read(lambda connection: connection.execute(query))).scalar_one())


async def read_leases(store: Store, budgeted: Budgeted) -> list[LeaseRow]:
    columns = [lease.c[name] for name in LeaseRow.__struct_fields__]
    query = select(*columns).where(lease.c.budget_id == budgeted.id).order_by(lease.c.created_at_us, lease.c.id)
    return [to_lease(row) for row in await store.read(lambda connection: connection.execute(query))]


async def read_lease(store: Store, budgeted: Budgeted) -> LeaseRow:
    [row] = await read_leases(store, budgeted)
    return row


class Clock:
    """The database's clock, as a test sets it."""

    def __init__(self, at_us: int) -> None:
        self.at_us = at_us

    def pass_(self, seconds: float) -> None:
        self.at_us += int(seconds * 1_000_000)


def set_clock(monkeypatch: pytest.MonkeyPatch, at_us: int) -> Clock:
    """Let the database's clock stand still, for leases."""
    clock = Clock(at_us)

    async def read(_: object) -> int:
        return clock.at_us

    for module in (leases_module, lease_recovery):
        monkeypatch.setattr(module, "database_now_us", read)
    at_us: bindparam[int] = bindparam("now_us", callable_=lambda: clock.at_us, type_=Int)  # type: ignore[valid-type]
    monkeypatch.setattr(leases_module, "_PULSE", leases_module.make_pulse(at_us))
    return clock
