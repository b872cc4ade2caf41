"""Random lives of replicas against a small model: after every step the books say what the model says. SQLite only, for speed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from lease_factories import Budgeted, Clock, Holder, add_budget, read_leases, read_node, set_clock
from sqlalchemy import update
from store_factories import add_organization

from tollkeeper.store.engine import Store
from tollkeeper.store.lease_recovery import reap, settle_quarantined
from tollkeeper.store.schema_limits import budget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tollkeeper.domain.lease import Answer, Ask

SEEDS = range(8)
STEPS = 90
LIMIT = 600


class Held:
    """One lease as the model knows it."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.amount = self.consumed = self.converted = self.booked = 0
        self.state = "open"

    def convert(self) -> None:
        fresh = self.consumed - self.converted
        self.booked -= min(fresh, self.booked)
        self.amount = max(self.amount, self.consumed)
        self.converted = self.consumed

    def close(self, booked: int = 0) -> None:
        self.convert()
        self.amount, self.booked, self.state = self.converted + booked, self.booked + booked, "closed"

    @property
    def escrow(self) -> int:
        return 0 if self.state == "closed" else self.amount - self.converted


class World:
    """A budget, three replicas, and the model of what they hold. `allowed` is the most that may ever be used or held."""

    def __init__(self, store: Store, budgeted: Budgeted, clock: Clock, seed: int) -> None:
        self.store, self.budgeted, self.clock = store, budgeted, clock
        self.random = random.Random(seed)
        self.holders = {name: Holder(store, name) for name in "abc"}
        self.held: dict[bytes, Held] = {}
        self.limit = self.allowed = LIMIT
        self.last: tuple[str, Ask] | None = None

    def choose(self, *states: str) -> tuple[bytes, Held] | None:
        some = [(key, each) for key, each in self.held.items() if each.state in states]
        return self.random.choice(some) if some else None

    async def step(self) -> str:
        actions = (
            self.grow,
            self.grow,
            self.grow,
            self.use,
            self.use,
            self.give_back,
            self.close,
            self.repeat,
            self.die,
            self.fall_silent,
            self.release,
            self.change_limit,
        )
        action = self.random.choice(actions)
        await action()
        return action.__name__

    async def ask(self, name: str, lease_id: bytes | None, **wanted: int | bool) -> Answer:
        holder = self.holders[name]
        ask = holder.ask(self.budgeted, lease_id, **wanted)
        self.last = (name, ask)
        [answer] = await holder.exchange(ask)
        held = self.held.setdefault(ask.lease_id, Held(name))
        if answer.outcome == "lost":
            assert held.state in {"quarantine", "closed"}
            return answer
        assert held.state in {"open", "suspense"}
        held.state = "open"
        if ask.is_closing:
            held.close()
            return answer
        held.convert()
        held.amount -= ask.give_back
        assert answer.amount >= held.amount
        if answer.outcome == "denied":
            assert answer.amount == held.amount
        elif ask.need:
            assert answer.amount >= held.amount + ask.need
        held.amount = answer.amount
        return answer

    async def grow(self) -> None:
        found = self.choose("open", "suspense", "quarantine") if self.random.random() < 0.7 else None
        name = found[1].holder if found else self.random.choice("abc")
        need = self.random.randint(0, 60)
        exact = need + self.random.choice([0, 0, 30])
        await self.ask(name, found and found[0], need=need, exact=exact, want=exact + self.random.randint(0, 200))

    async def use(self) -> None:
        """Flush a call; now and then it came to more than was reserved."""
        found = self.choose("open", "suspense", "quarantine")
        if found:
            lease_id, held = found
            free = max(held.amount - held.consumed, 0)
            is_overrun = self.random.random() < 0.1
            amount = free + 7 if is_overrun else self.random.randint(0, free)
            if is_overrun:
                self.allowed += 7
            await self.holders[held.holder].use(lease_id, amount, organization_id=self.budgeted.organization_id)
            held.consumed += amount

    async def give_back(self) -> None:
        found = self.choose("open", "suspense")
        if found and found[1].amount > found[1].consumed:
            lease_id, held = found
            await self.ask(held.holder, lease_id, give_back=self.random.randint(1, held.amount - held.consumed))

    async def close(self) -> None:
        found = self.choose("open", "suspense")
        if found:
            await self.ask(found[1].holder, found[0], is_closing=True)

    async def repeat(self) -> None:
        if self.last:
            name, ask = self.last
            await self.holders[name].exchange(ask)

    async def die(self) -> None:
        name, is_exact = self.random.choice("abc"), self.random.random() < 0.6
        mine = [each for each in self.held.values() if each.holder == name and each.state in {"open", "suspense"}]
        ended = await self.holders[name].leases.reclaim(name, is_exact=is_exact)
        assert ended == (len(mine) if is_exact else 0)
        for held in mine:
            held.convert()
            if is_exact:
                held.close()
            else:
                held.state = "quarantine"

    async def fall_silent(self) -> None:
        """All but one replica are not heard of for long; the one that spoke last keeps its leases open."""
        alive = self.random.choice("abc")
        self.clock.pass_(1000)
        await self.holders[alive].leases.pulse(alive, is_beating=True)
        await reap(self.store, longest_call_us=100_000_000)
        for held in self.held.values():
            if held.state in {"open", "suspense"}:
                held.state = "open" if held.holder == alive else "suspense"

    async def release(self) -> None:
        found = self.choose("quarantine")
        if found:
            lease_id, held = found
            held.convert()
            booked = self.random.randint(0, held.amount - held.converted)
            organization_id, amount = self.budgeted.organization_id, held.consumed + booked
            await self.store.write(lambda c: settle_quarantined(c, organization_id, lease_id, amount=amount))
            held.close(booked)

    async def change_limit(self) -> None:
        self.limit = self.random.randint(LIMIT // 2, LIMIT)
        changed = update(budget).where(budget.c.id == self.budgeted.id).values(amount=self.limit)
        await self.store.write(lambda connection: connection.execute(changed))

    async def check(self) -> None:
        """Compare every lease and the node with the model."""
        rows = {row.id: row for row in await read_leases(self.store, self.budgeted)}
        assert {key: (each.state, each.amount, each.consumed, each.booked) for key, each in self.held.items()} == {
            key: (row.state.value, row.amount, row.consumed, row.booked) for key, row in rows.items()
        }
        node = await read_node(self.store, self.budgeted)
        assert node.used == sum(each.converted + each.booked for each in self.held.values())
        assert node.escrow == sum(each.escrow for each in self.held.values())
        assert node.used + node.escrow <= self.allowed


@pytest.fixture
async def sqlite_store(sqlite_url: str) -> AsyncIterator[Store]:
    opened = Store.open(sqlite_url)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_books_are_what_the_model_says_after_every_step(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    acme, _ = await add_organization(sqlite_store)
    budgeted = await add_budget(sqlite_store, acme.id, LIMIT)
    world = World(sqlite_store, budgeted, set_clock(monkeypatch, 1_700_000_000_000_000), seed)
    await world.ask("a", None, need=1)
    for number in range(STEPS):
        name = await world.step()
        try:
            await world.check()
        except AssertionError as error:
            error.add_note(f"seed {seed}, step {number}: {name}")
            raise
