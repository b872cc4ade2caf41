"""A real race for the last units of a budget, on a real PostgreSQL; and the same race without the guard, which must be lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from lease_factories import Budgeted, Holder, add_budget, read_node
from sqlalchemy import true, update
from store_factories import add_organization

from tollkeeper.kit.ids import new_id
from tollkeeper.store import budget_nodes, lease_statement
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_limits import budget_node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

RACERS = 16
ROUNDS, WHOLE_ROUNDS = 200, 25
UNITS = 20
"""Each racer wants 3: six of sixteen can have them."""


@pytest.fixture
async def racers(postgres_url: str):
    stores = [Store.open(postgres_url) for _ in range(RACERS)]
    yield [Holder(store, f"replica-{number}") for number, store in enumerate(stores)]
    for store in stores:
        await store.aclose()


async def make_budgets(store: Store, count: int) -> list[Budgeted]:
    organization, _ = await add_organization(store)
    keys = [{"scope_kind": "api_key", "scope_id": new_id("key")} for _ in range(count)]
    return [await add_budget(store, organization.id, UNITS, unit="requests", **key) for key in keys]


async def race_by_exchange(racers: list[Holder], rounds: int) -> list[int]:
    """Let all ask at once for what not all can have; returns what was granted in each round, as the nodes say too."""
    granted = []
    for budgeted in await make_budgets(racers[0].store, rounds):
        answers = await asyncio.gather(*(racer.one(budgeted, need=3, exact=3, want=3) for racer in racers))
        assert {answer.outcome for answer in answers} <= {"done", "denied"}
        granted.append(sum(answer.amount for answer in answers))
        assert (await read_node(racers[0].store, budgeted)).escrow == granted[-1]
    return granted


async def race_by_change(racers: list[Holder], rounds: int) -> list[int]:
    """The same with the one statement that grants, on a node that is there; returns what the node has given away."""
    [budgeted] = await make_budgets(racers[0].store, 1)
    await racers[0].one(budgeted, give_back=0)
    key = (budgeted.organization_id, budgeted.id, 0)
    change, undo = budget_nodes.Change(escrow=3, growth=3), update(budget_node).values(escrow=0)

    async def grant(connection: AsyncConnection) -> bool:
        return await budget_nodes.change_node(connection, key, change, now_us=1) is not None

    granted = []
    for _ in range(rounds):
        won = await asyncio.gather(*(racer.store.write(grant) for racer in racers))
        granted.append((await read_node(racers[0].store, budgeted)).escrow)
        assert granted[-1] == 3 * sum(won)
        await racers[0].store.write(lambda connection: connection.execute(undo))
    return granted


@pytest.mark.parametrize(("race", "rounds"), [(race_by_change, ROUNDS), (race_by_exchange, WHOLE_ROUNDS)])
async def test_the_last_units_are_never_granted_twice(
    racers: list[Holder], race: Callable[..., Awaitable[list[int]]], rounds: int
) -> None:
    assert await race(racers, rounds) == [18] * rounds


@pytest.mark.parametrize("race", [race_by_change, race_by_exchange])
async def test_without_the_guard_the_race_is_lost(
    racers: list[Holder], monkeypatch: pytest.MonkeyPatch, race: Callable[..., Awaitable[list[int]]]
) -> None:
    monkeypatch.setattr(budget_nodes, "fits", lambda _: true())
    monkeypatch.setattr(lease_statement, "_STATEMENT", lease_statement.make_statement(true()))

    assert max(await race(racers, 5)) > UNITS
