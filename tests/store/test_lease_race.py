"""A real race for the last units of a budget, on a real PostgreSQL; and the same race without the guard, which must be lost."""

from __future__ import annotations

import asyncio

import pytest
from lease_factories import Budgeted, Holder, add_budget, read_node
from sqlalchemy import true
from store_factories import add_organization

from tollkeeper.kit.ids import new_id
from tollkeeper.store import budget_nodes
from tollkeeper.store.engine import Store

RACERS = 16
ROUNDS, BUDGETS = 20, 10
"""In each round all racers ask for the last units of all budgets at once: 200 races."""
UNITS = 20
"""Each racer wants 3: six of sixteen can have them."""


@pytest.fixture
async def racers(postgres_url: str):
    stores = [Store.open(postgres_url) for _ in range(RACERS)]
    yield [Holder(store, f"replica-{number}") for number, store in enumerate(stores)]
    for store in stores:
        await store.aclose()


async def race(racers: list[Holder], budgets: list[Budgeted]) -> list[int]:
    """Let all ask at once for what not all can have; returns what was granted of each budget, as the nodes say too.

    Every racer reads all nodes before it changes the first: what it knows of them is old when its turn comes.
    """
    wanted = {"need": 3, "exact": 3, "want": 3}
    asked = [racer.exchange(*(racer.ask(budgeted, **wanted) for budgeted in budgets)) for racer in racers]
    answers = await asyncio.gather(*asked)
    assert {answer.outcome for some in answers for answer in some} <= {"done", "denied"}
    granted = [sum(some[number].amount for some in answers) for number in range(len(budgets))]
    assert [(await read_node(racers[0].store, budgeted)).escrow for budgeted in budgets] == granted
    return granted


async def run_rounds(racers: list[Holder], rounds: int) -> list[int]:
    organization, _ = await add_organization(racers[0].store)
    granted = []
    for _ in range(rounds):
        keys = [{"scope_kind": "api_key", "scope_id": new_id("key")} for _ in range(BUDGETS)]
        budgets = [await add_budget(racers[0].store, organization.id, UNITS, unit="requests", **key) for key in keys]
        granted += await race(racers, budgets)
    return granted


async def test_the_last_units_are_never_granted_twice(racers: list[Holder]) -> None:
    assert await run_rounds(racers, ROUNDS) == [18] * (ROUNDS * BUDGETS)


async def test_without_the_guard_the_race_is_lost(racers: list[Holder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_nodes, "fits", lambda _: true())

    assert max(await run_rounds(racers, 2)) > UNITS
