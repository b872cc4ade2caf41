"""The verification of budgets: silent about books that are right, known overruns included, and blind to no corruption."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from lease_factories import Budgeted, Holder, add_budget, read_node
from sqlalchemy import text, update
from store_factories import add_organization

from tollkeeper.kit.clock import now_us
from tollkeeper.store import verify_leases
from tollkeeper.store.engine import Store
from tollkeeper.store.lease_pruning import KEPT_US, prune_leases
from tollkeeper.store.lease_recovery import quarantine_holder, settle_quarantined
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.verify_leases import VerifiedBudgets, verify_budgets

if TYPE_CHECKING:
    from pathlib import Path

OPEN, QUARANTINE, CLOSED = "state = 'open'", "state = 'quarantine'", "state = 'closed' AND booked > 0"
CORRUPTIONS = (
    "UPDATE budget_node SET used = used + 1",
    "UPDATE budget_node SET used = used - 1",
    "UPDATE budget_node SET escrow = escrow + 1",
    "UPDATE budget_node SET escrow = escrow - 1",
    "UPDATE budget_node SET opened_used = opened_used + 1",
    "UPDATE budget_node SET opened_used = -1, used = used - 1",
    "UPDATE budget_node SET overrun = -1",
    "UPDATE budget_node SET overrun = 1000000",
    "UPDATE budget_node SET carried = -1",
    "UPDATE budget_node SET limit_amount = 200",
    "UPDATE budget_node SET window_start_us = 5",
    "DELETE FROM budget_node",
    f"UPDATE lease SET amount = amount + 1 WHERE {OPEN}",
    f"UPDATE lease SET amount = amount - 1 WHERE {OPEN}",
    f"UPDATE lease SET amount = amount - 1 WHERE {CLOSED}",
    f"UPDATE lease SET consumed = consumed + 1 WHERE {OPEN}",
    f"UPDATE lease SET consumed = consumed - 1 WHERE {OPEN}",
    f"UPDATE lease SET converted = converted + 1 WHERE {OPEN}",
    f"UPDATE lease SET converted = converted - 1 WHERE {CLOSED}",
    f"UPDATE lease SET booked = booked + 1 WHERE {CLOSED}",
    f"UPDATE lease SET booked = 1 WHERE {OPEN}",
    f"UPDATE lease SET state = 'closed' WHERE {OPEN}",
    f"UPDATE lease SET state = 'closed' WHERE {QUARANTINE}",
    f"UPDATE lease SET state = 'open' WHERE {CLOSED}",
    f"UPDATE lease SET state = 'free' WHERE {OPEN}",
    f"UPDATE lease SET window_start_us = 7 WHERE {QUARANTINE}",
    f"UPDATE lease SET budget_id = 'bud_other' WHERE {OPEN}",
    f"UPDATE lease SET operation = -1 WHERE {OPEN}",
    f"DELETE FROM lease WHERE {OPEN}",
    f"DELETE FROM lease WHERE {QUARANTINE}",
    f"DELETE FROM lease WHERE {CLOSED}",
    "UPDATE usage_record SET detail = replace(detail, '\"draws\"', '\"drawn\"')",
    "DELETE FROM usage_record",
)


async def make_books(store: Store) -> Budgeted:
    """One node with an open lease, one in quarantine, one that a person ended, and one that was closed."""
    acme, _ = await add_organization(store)
    budgeted = await add_budget(store, acme.id, 1000)
    for name, used in (("a", 30), ("b", 20), ("c", 10), ("d", 40)):
        holder = Holder(store, name)
        granted = await holder.one(budgeted, need=100, exact=100)
        await holder.use(granted.lease_id, used, organization_id=acme.id)
        if name == "a":
            await holder.one(budgeted, granted.lease_id, give_back=5)
        elif name == "d":
            await holder.one(budgeted, granted.lease_id, is_closing=True)
        else:
            await quarantine_holder(store, name)
        if name == "c":
            lease_id = granted.lease_id
            await store.write(lambda c, lease_id=lease_id: settle_quarantined(c, acme.id, lease_id, amount=60))
    return budgeted


async def verify(store: Store) -> VerifiedBudgets:
    [verified] = [each async for each in verify_budgets(store)]
    return verified


async def test_right_books_are_right(store: Store) -> None:
    await make_books(store)
    verified = await verify(store)
    assert verified.differences == []
    assert (verified.nodes, verified.leases, verified.overrun_nodes) == (1, 4, 0)


async def test_an_overrun_is_known_and_told_apart(store: Store) -> None:
    budgeted = await make_books(store)
    holder = Holder(store, "e")
    granted = await holder.one(budgeted, need=700, exact=700)
    await holder.use(granted.lease_id, 900, organization_id=budgeted.organization_id)
    await holder.one(budgeted, granted.lease_id, give_back=0)

    verified = await verify(store)

    assert verified.differences == []
    assert verified.overrun_nodes == 1


async def test_a_limit_that_was_lowered_below_what_is_used_is_no_difference(store: Store) -> None:
    budgeted = await make_books(store)
    lowered = update(budget).where(budget.c.id == budgeted.id).values(amount=50)
    await store.write(lambda connection: connection.execute(lowered))
    assert (await Holder(store, "e").one(budgeted, need=1)).outcome == "denied"

    verified = await verify(store)

    assert verified.differences == []
    assert verified.overrun_nodes == 1


async def test_leases_that_ended_long_ago_are_forgotten_and_the_books_stay_right(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgeted = await make_books(store)
    before = await read_node(store, budgeted)
    later_us = now_us() + KEPT_US + 60_000_000
    monkeypatch.setattr(verify_leases, "now_us", lambda: later_us)

    assert await store.write(lambda c: prune_leases(c, before_us=1)) == 0
    assert await store.write(lambda c: prune_leases(c, before_us=later_us)) == 2, "both that have ended"

    after = await read_node(store, budgeted)
    assert (after.used, after.escrow, after.opened_used) == (before.used, before.escrow, 100)
    verified = await verify(store)
    assert verified.differences == []
    assert verified.leases == 2


async def test_records_that_drew_on_a_lease_older_than_leases_are_kept_are_read_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_books(store)
    later_us = now_us() + KEPT_US + 10 * 86_400_000_000
    monkeypatch.setattr(verify_leases, "now_us", lambda: later_us)
    verified = await verify(store)
    assert (verified.differences, verified.leases) == ([], 4)


@pytest.fixture(scope="module")
def books(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copyfile(sqlite_template, tmp_path_factory.mktemp("books") / "books.db")


async def test_every_corruption_is_found(books: Path, tmp_path: Path) -> None:
    made = Store.open(f"sqlite:///{books}")
    await make_books(made)
    await made.aclose()
    missed = []
    for number, corruption in enumerate(CORRUPTIONS):
        store = Store.open(f"sqlite:///{shutil.copyfile(books, tmp_path / f'{number}.db')}")
        changed: Any = await store.write(lambda connection, what=corruption: connection.execute(text(what)))
        assert changed.rowcount, f"changes nothing: {corruption}"
        if not (await verify(store)).differences:
            missed.append(corruption)
        await store.aclose()

    assert missed == []
    assert len(CORRUPTIONS) >= 20
