"""The simulation's store and the real one give the same answers: random asks, flushes, silences and deaths, on both databases."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update
from tests.simulation.memory_store import GRACE_US, BudgetRow, MemoryStore
from tests.store.lease_factories import Clock, add_budget, set_clock
from tests.store.store_factories import add_organization, make_record

from tollkeeper.domain.errors import Conflict, InvalidRequest
from tollkeeper.domain.lease import Ask, Draw, LeaseState
from tollkeeper.domain.window import Window, window_at
from tollkeeper.store import lease_recovery
from tollkeeper.store.engine import Store
from tollkeeper.store.leases import StoreLeases
from tollkeeper.store.schema_limits import budget, budget_node, lease, replica
from tollkeeper.store.schema_tenancy import organization

SEEDS = {"sqlite": 6, "postgresql": 2}
STEPS = 80
START_US = 1_795_000_000_000_000
ZONE = "Asia/Seoul"
HOLDERS = ("a", "b", "c")
KINDS: tuple[dict[str, Any], ...] = (
    {"unit": "usd", "period": "total", "amount": 5_000},
    {"unit": "usd", "period": "daily", "amount": 900, "is_carried_over": 1},
    {"unit": "requests", "period": "daily", "amount": 60},
    {"unit": "concurrent", "period": "total", "amount": 12},
    {"unit": "usd", "period": "weekly", "amount": 300, "is_hard": 0},
)


class Twins:
    """One organization's budgets in both stores, and what their replicas know."""

    def __init__(self, store: Store, clock: Clock, rng: random.Random, organization_id: str) -> None:
        self.store, self.clock, self.rng, self.organization_id = store, clock, rng, organization_id
        self.memory = MemoryStore(clock=lambda: clock.at_us, window=_window, longest_call_us=0)
        self.real = {name: StoreLeases(store) for name in HOLDERS}
        self.known: dict[bytes, Known] = {}
        self.last: dict[str, list[Ask]] = {}
        self.numbers = 0

    async def begin(self) -> None:
        for kind in KINDS:
            values = {**kind, "created_at_us": START_US - 40 * 86_400_000_000}
            made = await add_budget(self.store, self.organization_id, values.pop("amount"), **values)
            self.memory.write_budget(
                BudgetRow(
                    made.id,
                    "organization",
                    self.organization_id,
                    kind["unit"],
                    kind["period"],
                    kind["amount"],
                    is_hard=bool(kind.get("is_hard", 1)),
                    is_carried_over=bool(kind.get("is_carried_over", 0)),
                    created_at_us=values["created_at_us"],
                )
            )

    async def step(self) -> None:
        steps = (
            (self.exchange, 10),
            (self.flush, 6),
            (self.pulse, 3),
            (self.time_passes, 3),
            (self.reap, 1),
            (self.reclaim, 1),
            (self.settle, 1),
            (self.change_amount, 1),
        )
        await self.rng.choices([step for step, _ in steps], [weight for _, weight in steps])[0]()
        await self.compare()

    async def exchange(self) -> None:
        holder = self.rng.choice(HOLDERS)
        asks = self.last.get(holder, [])
        if not asks or self.rng.random() < 0.8:
            asks = self.last[holder] = [self._ask(holder, each) for each in self._some_budgets()]
        answers = await self.real[holder].exchange(holder, asks)
        assert answers == self.memory.exchange(holder, asks)
        for ask, answer in zip(asks, answers, strict=True):
            self.known[ask.lease_id].amount = answer.amount
            if ask.is_closing or answer.outcome in {"lost", "gone", "over"}:
                self.known[ask.lease_id].is_open = False

    def _some_budgets(self) -> list[str]:
        return [each for each in self.memory.budgets if self.rng.random() < 0.5] or [next(iter(self.memory.budgets))]

    def _ask(self, holder: str, budget_id: str) -> Ask:
        rng = self.rng
        mine = [
            known
            for known in self.known.values()
            if (known.holder, known.budget_id) == (holder, budget_id) and known.is_open
        ]
        if not mine:
            self.numbers += 1
            mine = [Known(self.numbers.to_bytes(16, "big"), holder, budget_id)]
            self.known[mine[0].id] = mine[0]
        known = mine[0]
        known.operation += 1
        ask = Ask(self.organization_id, budget_id, known.id, known.operation)
        row = self.memory.leases.get(known.id)
        idle = max(0, row.amount - row.consumed) if row is not None else 0
        kind = rng.random()
        if kind < 0.15:
            return msgspec.structs.replace(ask, is_closing=True)
        if kind < 0.35:
            return msgspec.structs.replace(ask, give_back=rng.randint(0, idle))
        need = rng.choice((0, 1, rng.randint(1, 60)))
        if rng.random() < 0.05:
            need = rng.choice((10_000, 2**62, 2**63))
        exact = rng.choice((0, need, need + rng.randint(0, 40), need + 10_000))
        return msgspec.structs.replace(ask, need=need, exact=exact, want=exact + rng.randint(0, 200))

    async def flush(self) -> None:
        held = [row for row in self.memory.leases.values() if self.memory.units[row.node[0]] != "concurrent"]
        if not held:
            return
        row = self.rng.choice(held)
        amount = self.rng.randint(0, max(1, row.amount // 3))
        draws = (Draw(row.id, amount),)
        record = make_record(
            self.clock.at_us, organization_id=self.organization_id, draws=draws, amount_nanos=amount, lines=()
        )
        for _ in range(self.rng.choice((1, 1, 2))):
            assert await self.store.insert_usage([record], slot=row.holder) == self.memory.insert_usage([record])

    async def pulse(self) -> None:
        holder, is_beating = self.rng.choice(HOLDERS), self.rng.random() < 0.7
        real = await self.real[holder].pulse(holder, is_beating=is_beating)
        memory = self.memory.pulse(holder, is_beating=is_beating)
        assert (real.replicas, sorted(real.recalled), sorted(real.lost)) == (
            memory.replicas,
            sorted(memory.recalled),
            sorted(memory.lost),
        )

    async def time_passes(self) -> None:
        self.clock.pass_(self.rng.choice((0.5, 5, 25, 40, 3_600, 50_000)))

    async def reap(self) -> None:
        await lease_recovery.reap(self.store, longest_call_us=0, grace_us=GRACE_US)
        self.memory.reap()

    async def reclaim(self) -> None:
        holder, is_exact = self.rng.choice(HOLDERS), self.rng.random() < 0.5
        assert await self.real[holder].reclaim(holder, is_exact=is_exact) == self.memory.reclaim(
            holder, is_exact=is_exact
        )

    async def settle(self) -> None:
        ended = {LeaseState.QUARANTINE, LeaseState.SUSPENSE}
        rows = [row for row in self.memory.leases.values() if row.state in ended]
        if not rows:
            return
        row = self.rng.choice(rows)
        amount = self.rng.choice((None, self.rng.randint(row.consumed, max(row.amount, row.consumed))))
        await self.store.write(
            lambda connection: lease_recovery.settle_quarantined(
                connection, self.organization_id, row.id, amount=amount, is_suspense_allowed=True
            )
        )
        self.memory.settle_quarantined(row.id, amount)

    async def change_amount(self) -> None:
        row = self.rng.choice(list(self.memory.budgets.values()))
        if self.rng.random() < 0.15 and len(self.memory.budgets) > 2:
            await self.store.write(lambda connection: connection.execute(delete(budget).where(budget.c.id == row.id)))
            self.memory.delete_budget(row.id)
            return
        amount = row.amount * self.rng.choice((500, 900, 1_200)) // 1_000
        is_hard = row.is_hard != (self.rng.random() < 0.1)
        changed = update(budget).where(budget.c.id == row.id).values(amount=amount, is_hard=int(is_hard))
        await self.store.write(lambda connection: connection.execute(changed))
        self.memory.budgets[row.id] = msgspec.structs.replace(row, amount=amount, is_hard=is_hard)

    async def compare(self) -> None:
        """Both stores hold the same."""
        columns = ("id", "holder", "state", "operation", "amount", "consumed", "converted", "booked")
        found = await self.store.read(
            lambda connection: connection.execute(select(*(lease.c[name] for name in columns)))
        )
        assert {bytes(row.id): tuple(row)[1:] for row in found} == {
            row.id: tuple(getattr(row, name) for name in columns[1:]) for row in self.memory.leases.values()
        }
        names = ("used", "opened_used", "escrow", "carried", "recalled_at_us", "overrun")
        query = select(budget_node.c.budget_id, budget_node.c.window_start_us, *(budget_node.c[name] for name in names))
        nodes = await self.store.read(lambda connection: connection.execute(query))
        assert {tuple(row)[:2]: tuple(row)[2:] for row in nodes} == {
            node.key: tuple(getattr(node, name) for name in names) for node in self.memory.nodes.values()
        }


class Known(msgspec.Struct):
    """A lease as whoever asks for it knows it."""

    id: bytes
    holder: str
    budget_id: str
    operation: int = 0
    amount: int = 0
    is_open: bool = True


def _window(row: BudgetRow, at_us: int) -> Window:
    return window_at(row.period, at_us, ZONE)


async def test_both_stores_answer_alike(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    for seed in range(SEEDS[engine]):
        clock = set_clock(monkeypatch, START_US)
        rng = random.Random(seed)
        made, _ = await add_organization(store)
        in_zone = update(organization).where(organization.c.id == made.id).values(timezone=ZONE)
        await store.write(lambda connection, in_zone=in_zone: connection.execute(in_zone))  # type: ignore[misc]
        twins = Twins(store, clock, rng, made.id)
        await twins.begin()
        for at in range(STEPS):
            try:
                await twins.step()
            except (AssertionError, Conflict, InvalidRequest) as error:
                error.add_note(f"seed {seed}, step {at}")
                raise
        await _empty(store)


async def _empty(store: Store) -> None:
    """The next seed begins with nothing."""
    for table in (lease, budget_node, budget, replica):
        await store.write(lambda connection, table=table: connection.execute(delete(table)))  # type: ignore[misc]


async def test_what_is_given_back_may_have_been_used_meanwhile(store: Store) -> None:
    """A call that comes to more than its reservation may be stored between an ask and its arrival."""
    made, _ = await add_organization(store)
    budgeted = await add_budget(store, made.id, 1_000)
    lease_id = bytes(16)
    first = Ask(made.id, budgeted.id, lease_id, 1, need=100, exact=100, want=100)
    second = Ask(made.id, budgeted.id, lease_id, 2, give_back=40)
    leases = StoreLeases(store)
    await leases.exchange("a", [first])
    record = make_record(organization_id=made.id, draws=(Draw(lease_id, 90),))
    await store.insert_usage([record], slot="a")
    [answer] = await leases.exchange("a", [second])
    assert (answer.outcome, answer.amount) == ("done", 90)
