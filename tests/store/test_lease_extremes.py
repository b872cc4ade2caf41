"""Asks and records at the edge of what can be: amounts near 64 bits, hundreds of budgets, limits that fell by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lease_factories import Holder, add_budget, read_lease, read_node, set_clock
from sqlalchemy import insert, select, update
from store_factories import add_organization, make_record

from tollkeeper.domain.lease import Draw
from tollkeeper.store.budget_nodes import TAKEN_MAX
from tollkeeper.store.schema import usage_record
from tollkeeper.store.schema_limits import budget, budget_increase
from tollkeeper.store.usage_rows import DRAWS_MAX, from_row
from tollkeeper.store.verify_leases import verify_budgets

if TYPE_CHECKING:
    from lease_factories import Budgeted

    from tollkeeper.domain.tenancy import Organization
    from tollkeeper.store.engine import Store

NOON_US = 1_795_348_800_000_000
DAY_S = 86_400


@pytest.fixture
async def acme(store: Store) -> Organization:
    made, _ = await add_organization(store)
    return made


async def execute(store: Store, statement: Any) -> None:
    await store.write(lambda connection: connection.execute(statement))


async def use(holder: Holder, budgeted: Budgeted, amount: int) -> None:
    granted = await holder.one(budgeted, need=amount, exact=amount)
    assert granted.outcome == "done"
    await holder.use(granted.lease_id, amount, organization_id=budgeted.organization_id)
    await holder.one(budgeted, granted.lease_id, is_closing=True)


@pytest.mark.parametrize("is_quick", [False, True])
async def test_a_soft_budget_is_never_taken_beyond_what_fits_64_bits(
    store: Store, acme: Organization, *, is_quick: bool
) -> None:
    budgeted = await add_budget(store, acme.id, 1000, is_hard=0)
    holder = Holder(store, "a")
    if is_quick:
        await holder.leases.pulse("a", is_beating=True)
    outcomes = []
    for need in (2**63 - 1, TAKEN_MAX - 100, TAKEN_MAX, 2**80, 60, 60):
        answer = await holder.one(budgeted, need=need, exact=2 * need, want=3 * need)
        outcomes.append(answer.outcome)
    assert outcomes == ["denied", "done", "denied", "denied", "denied", "denied"], "the second got as much as fits"
    assert (await read_node(store, budgeted)).escrow == TAKEN_MAX


async def test_a_call_that_is_far_too_large_recalls_nothing_and_leaves_ahead_parts_alone(
    store: Store, acme: Organization
) -> None:
    budgeted = await add_budget(store, acme.id, 100_000)
    await Holder(store, "a").one(budgeted, need=400, exact=400)
    denied = await Holder(store, "b").one(budgeted, need=10**13, exact=10**13)
    assert (denied.outcome, denied.is_exact) == ("denied", False)
    assert (await read_node(store, budgeted)).recalled_at_us == 0
    assert (await Holder(store, "c").one(budgeted, need=5, exact=5, want=500)).amount == 500


async def test_every_budget_of_a_call_counts_however_many_there_are(store: Store, acme: Organization) -> None:
    holder = Holder(store, "a")
    last = await add_budget(store, acme.id, 1000)
    granted = await holder.one(last, need=100, exact=100)
    many = tuple(Draw(index.to_bytes(16, "big"), 0) for index in range(100))
    for draws in ((*many, Draw(granted.lease_id, 7)), (*many * 6, Draw(granted.lease_id, 20))):
        await store.insert_usage([make_record(organization_id=acme.id, draws=draws)], slot="a")

    assert (await read_lease(store, last)).consumed == 27
    rows = await store.read(lambda c: c.execute(select(usage_record).order_by(usage_record.c.call_id)))
    assert [len(from_row(row).draws) for row in rows] == [101, DRAWS_MAX]
    [verified] = [each async for each in verify_budgets(store)]
    assert [(each.column, each.expected, each.found) for each in verified.differences] == [
        ("draws", 601, DRAWS_MAX),
        ("consumed", 7, 27),
    ]


async def test_an_increase_that_ended_is_not_carried_over(
    store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = set_clock(monkeypatch, NOON_US)
    budgeted = await add_budget(store, acme.id, 1000, period="daily", is_carried_over=1, created_at_us=NOON_US)
    await execute(store, insert(budget_increase).values(**increase_of(budgeted, 5000)))
    await use(Holder(store, "a"), budgeted, 700)

    clock.pass_(DAY_S)

    answer = await Holder(store, "a").one(budgeted, need=1)
    assert answer.figures is not None
    assert answer.figures.limit == 1000 + 300


async def test_a_lowered_budget_carries_what_is_left_of_the_new_amount(
    store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = set_clock(monkeypatch, NOON_US)
    budgeted = await add_budget(store, acme.id, 1000, period="daily", is_carried_over=1, created_at_us=NOON_US)
    await use(Holder(store, "a"), budgeted, 500)
    await execute(store, update(budget).where(budget.c.id == budgeted.id).values(amount=600))

    clock.pass_(DAY_S)

    answer = await Holder(store, "a").one(budgeted, need=1)
    assert answer.figures is not None
    assert answer.figures.limit == 600 + 100


async def test_leases_of_an_increase_that_ended_by_itself_are_recalled(
    store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = set_clock(monkeypatch, NOON_US)
    budgeted = await add_budget(store, acme.id, 1000)
    await execute(store, insert(budget_increase).values(**increase_of(budgeted, 5000)))
    holder = Holder(store, "a")
    held = await holder.one(budgeted, need=3000, exact=3000)
    assert (await holder.leases.pulse("a", is_beating=True)).recalled == ()

    clock.pass_(3600)
    assert (await Holder(store, "b").one(budgeted, give_back=0)).figures is not None

    assert (await holder.leases.pulse("a", is_beating=True)).recalled == (held.lease_id,)


def increase_of(budgeted: Budgeted, amount: int) -> dict[str, Any]:
    """Return an increase for the hour after noon."""
    times = {"from_us": NOON_US, "until_us": NOON_US + 3_600_000_000, "created_at_us": NOON_US}
    whose = {"organization_id": budgeted.organization_id, "budget_id": budgeted.id, "created_by": "x"}
    return {**whose, **times, "id": "inc_1", "amount": amount, "note": ""}
