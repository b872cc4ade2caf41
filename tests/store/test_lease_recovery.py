"""What dead replicas held: it stays until their journal is replayed, or until a person decides; never does it come back by time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from lease_factories import Budgeted, Clock, Holder, add_budget, read_lease, read_leases, read_node, set_clock
from sqlalchemy import select, update
from store_factories import add_organization

from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.lease import LeaseState
from tollkeeper.kit.ids import uuid7
from tollkeeper.store import lease_recovery
from tollkeeper.store.engine import Store
from tollkeeper.store.lease_recovery import Reaped, quarantine_holder, reap, settle_quarantined
from tollkeeper.store.schema_limits import budget_node, replica

if TYPE_CHECKING:
    from tollkeeper.store.lease_rows import LeaseRow

LONGEST_CALL_US = 600_000_000
SILENT_S = 30 + 600 + 10


@pytest.fixture
async def budgeted(store: Store) -> Budgeted:
    acme, _ = await add_organization(store)
    return await add_budget(store, acme.id, 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch, 1_700_000_000_000_000)


async def state_of(store: Store, budgeted: Budgeted) -> LeaseState:
    return (await read_lease(store, budgeted)).state


async def release(store: Store, lease_id: bytes, budgeted: Budgeted, **how: int | bool | None) -> LeaseRow:
    _, after = await store.write(
        lambda connection: settle_quarantined(connection, budgeted.organization_id, lease_id, **{"amount": None, **how})
    )
    return after


async def test_a_pulse_tells_how_many_are_alive(store: Store, clock: Clock) -> None:
    first, second = Holder(store, "a"), Holder(store, "b")
    assert (await first.leases.pulse("a", is_beating=True)).replicas == 1
    assert (await second.leases.pulse("b", is_beating=True)).replicas == 2
    clock.pass_(31)
    assert (await first.leases.pulse("a", is_beating=False)).replicas == 1, "at least itself"
    assert (await second.leases.pulse("b", is_beating=True)).replicas == 1


async def test_a_silent_replicas_lease_is_suspended_and_keeps_what_it_holds(
    store: Store, budgeted: Budgeted, clock: Clock
) -> None:
    holder = Holder(store, "a")
    await holder.leases.pulse("a", is_beating=True)
    await holder.one(budgeted, need=100, exact=100)
    clock.pass_(SILENT_S)
    assert await reap(store, longest_call_us=LONGEST_CALL_US) == Reaped()
    clock.pass_(0.1)

    assert await reap(store, longest_call_us=LONGEST_CALL_US) == Reaped(suspended=1)

    assert await state_of(store, budgeted) is LeaseState.SUSPENSE
    assert (await read_node(store, budgeted)).escrow == 100
    denied = await Holder(store, "b").one(budgeted, need=901, exact=901)
    assert (denied.outcome, denied.others) == ("denied", 0), "the dead give nothing back: nobody waits for them"


async def test_a_replica_that_comes_back_to_life_goes_on_with_its_lease(
    store: Store, budgeted: Budgeted, clock: Clock
) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    clock.pass_(SILENT_S + 1)
    await reap(store, longest_call_us=LONGEST_CALL_US)

    await holder.leases.pulse("a", is_beating=True)

    assert await state_of(store, budgeted) is LeaseState.OPEN
    assert (await holder.one(budgeted, granted.lease_id, need=5, exact=5)).amount == 105


async def test_what_a_dead_process_held_comes_back_after_its_journal_was_replayed(
    store: Store, budgeted: Budgeted, clock: Clock
) -> None:
    holder = Holder(store, "a")
    open_lease = await holder.one(budgeted, need=100, exact=100)
    await holder.one(budgeted, need=200, exact=200)
    await Holder(store, "b").one(budgeted, need=50, exact=50)
    clock.pass_(SILENT_S + 1)
    await Holder(store, "b").leases.pulse("b", is_beating=True)
    await reap(store, longest_call_us=LONGEST_CALL_US)
    await holder.use(open_lease.lease_id, 60, organization_id=budgeted.organization_id)  # replayed

    assert await holder.leases.reclaim("a", is_exact=True) == 2

    node = await read_node(store, budgeted)
    assert (node.used, node.escrow) == (60, 50)
    assert await holder.leases.reclaim("a", is_exact=True) == 0


async def test_a_journal_that_is_not_whole_quarantines_for_good(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await holder.use(granted.lease_id, 60, organization_id=budgeted.organization_id)

    assert await holder.leases.reclaim("a", is_exact=False) == 0

    for _ in range(2):
        await holder.leases.reclaim("a", is_exact=True)
        await reap(store, longest_call_us=0)
        await holder.leases.pulse("a", is_beating=True)
        node = await read_node(store, budgeted)
        assert (node.used, node.escrow) == (60, 40)
        assert await state_of(store, budgeted) is LeaseState.QUARANTINE
    assert (await holder.leases.pulse("a", is_beating=True)).lost == (granted.lease_id,)
    for wanted in ({"need": 1}, {"is_closing": True}):
        assert (await holder.one(budgeted, granted.lease_id, **wanted)).outcome == "lost"


async def test_calls_at_once_end_with_their_replica(store: Store, budgeted: Budgeted, clock: Clock) -> None:
    at_once = await add_budget(store, budgeted.organization_id, 10, unit="concurrent")
    holders = [Holder(store, name) for name in "ab"]
    for holder in holders:
        await holder.one(at_once, need=3, exact=3)
        await holder.one(budgeted, need=100, exact=100)
    assert await holders[0].leases.reclaim("a", is_exact=False) == 1
    assert (await read_node(store, at_once)).escrow == 3

    clock.pass_(SILENT_S + 1)
    assert await reap(store, longest_call_us=LONGEST_CALL_US) == Reaped(suspended=2, ended=1)

    assert (await read_node(store, at_once)).escrow == 0
    assert (await read_node(store, budgeted)).escrow == 200


async def test_more_leases_than_a_batch_are_reclaimed(
    store: Store, budgeted: Budgeted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_recovery, "_BATCH", 3)
    holder = Holder(store, "a")
    await holder.exchange(*[holder.ask(budgeted, need=5, exact=5) for _ in range(9)])
    assert await holder.leases.reclaim("a", is_exact=True) == 9
    assert (await read_node(store, budgeted)).escrow == 0


@pytest.mark.parametrize(("amount", "used"), [(None, 100), (60, 60), (75, 75), (100, 100)])
async def test_a_person_ends_a_quarantine_by_saying_what_was_used(
    store: Store, budgeted: Budgeted, amount: int | None, used: int
) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await holder.use(granted.lease_id, 60, organization_id=budgeted.organization_id)
    await quarantine_holder(store, "a")

    after = await release(store, granted.lease_id, budgeted, amount=amount)

    assert (after.state, after.converted, after.booked) == (LeaseState.CLOSED, 60, used - 60)
    node = await read_node(store, budgeted)
    assert (node.used, node.escrow) == (used, 0)


@pytest.mark.parametrize("amount", [59, 101])
async def test_less_than_is_known_or_more_than_was_held_is_refused(
    store: Store, budgeted: Budgeted, amount: int
) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await holder.use(granted.lease_id, 60, organization_id=budgeted.organization_id)
    await quarantine_holder(store, "a")
    with pytest.raises(InvalidRequest):
        await release(store, granted.lease_id, budgeted, amount=amount)


async def test_what_is_not_in_quarantine_is_not_released(store: Store, budgeted: Budgeted, clock: Clock) -> None:
    granted = await Holder(store, "a").one(budgeted, need=100, exact=100)
    for allowed in (False, True):
        with pytest.raises(Conflict):
            await release(store, granted.lease_id, budgeted, is_suspense_allowed=allowed)
    clock.pass_(SILENT_S + 1)
    await reap(store, longest_call_us=LONGEST_CALL_US)
    with pytest.raises(Conflict):
        await release(store, granted.lease_id, budgeted)
    await release(store, granted.lease_id, budgeted, is_suspense_allowed=True)
    with pytest.raises(Conflict):
        await release(store, granted.lease_id, budgeted, is_suspense_allowed=True)
    with pytest.raises(NotFound):
        await release(store, uuid7(), budgeted)


async def test_records_that_come_after_a_release_replace_what_was_booked_for_them(
    store: Store, budgeted: Budgeted
) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await quarantine_holder(store, "a")
    await release(store, granted.lease_id, budgeted, amount=70)

    for amount, used in ((50, 70), (40, 90)):
        await holder.use(granted.lease_id, amount, organization_id=budgeted.organization_id)
        assert (await reap(store, longest_call_us=0)).late == 1
        node = await read_node(store, budgeted)
        assert (node.used, node.escrow) == (used, 0)
    assert (await reap(store, longest_call_us=0)).late == 0


async def test_replicas_long_gone_are_forgotten_unless_they_hold_something(
    store: Store, budgeted: Budgeted, clock: Clock
) -> None:
    for name in "ab":
        await Holder(store, name).leases.pulse(name, is_beating=True)
    await Holder(store, "b").one(budgeted, need=1, exact=1)
    clock.pass_(8 * 86_400)
    await reap(store, longest_call_us=LONGEST_CALL_US)
    names = await store.read(lambda connection: connection.scalars(select(replica.c.holder)))
    assert list(names) == ["b"]


async def test_recalls_end_with_their_window(store: Store, budgeted: Budgeted) -> None:
    await Holder(store, "a").one(budgeted, need=1, exact=1)
    past = update(budget_node).values(recalled_at_us=5, window_end_us=6)
    await store.write(lambda connection: connection.execute(past))
    await reap(store, longest_call_us=0)
    assert (await read_node(store, budgeted)).recalled_at_us == 0


async def test_the_end_of_a_replica_waits_for_what_it_had_begun(postgres_url: str) -> None:
    """A process that dies may have sent a commit: its lease must be seen by who ends what it held."""
    store, other = Store.open(postgres_url), Store.open(postgres_url)
    acme, _ = await add_organization(store)
    budgeted = await add_budget(store, acme.id, 1000)
    holder = Holder(store, "a")
    held, may_commit = asyncio.Event(), asyncio.Event()

    async def exchange_slowly(connection) -> None:
        await holder.leases._exchange(connection, holder="a", asks=[holder.ask(budgeted, need=100, exact=100)])
        held.set()
        await may_commit.wait()

    dying = asyncio.ensure_future(store.write(exchange_slowly))
    await held.wait()
    reclaiming = asyncio.ensure_future(Holder(other, "a").leases.reclaim("a", is_exact=True))
    await asyncio.sleep(0.1)
    assert not reclaiming.done()
    may_commit.set()
    await dying

    assert await reclaiming == 1
    assert (await read_node(store, budgeted)).escrow == 0
    await store.aclose()
    await other.aclose()


async def test_flushes_and_exchanges_of_one_replica_lose_nothing_between_them(postgres_url: str) -> None:
    store = Store.open(postgres_url)
    acme, _ = await add_organization(store)
    budgeted = await add_budget(store, acme.id, 10**6)
    holder = Holder(store, "a")
    ids = [(await holder.one(budgeted, need=2000, exact=2000)).lease_id for _ in range(4)]

    async def flush() -> None:
        for _ in range(40):
            for lease_id in reversed(ids):
                await holder.use(lease_id, 1, organization_id=acme.id)

    async def exchange() -> None:
        for _ in range(40):
            await holder.exchange(*(holder.ask(budgeted, lease_id, give_back=1) for lease_id in ids))

    await asyncio.gather(flush(), exchange())

    rows = await read_leases(store, budgeted)
    assert [row.consumed for row in rows] == [40] * 4
    node = await read_node(store, budgeted)
    assert node.used == sum(row.converted for row in rows)
    assert node.escrow == sum(row.amount - row.converted for row in rows)
    await store.aclose()
