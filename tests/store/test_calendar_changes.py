"""A budget after its organization's calendar changed: the new windows overlap the old ones, and hand out nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from lease_factories import Clock, Holder, add_budget, set_clock
from sqlalchemy import select, update
from store_factories import add_organization, make_record

from tollkeeper.domain.lease import Draw
from tollkeeper.store import budget_status
from tollkeeper.store.budgets import get_budget_by_id
from tollkeeper.store.schema_limits import budget_node
from tollkeeper.store.schema_tenancy import organization
from tollkeeper.store.verify_leases import verify_budgets

if TYPE_CHECKING:
    from lease_factories import Budgeted
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.tenancy import Organization
    from tollkeeper.store.engine import Store

MODEL = "gpt-4o-mini"


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000


@pytest.fixture
async def acme(store: Store) -> Organization:
    made, _ = await add_organization(store)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch, us("2026-11-22T12:00:00+00:00"))


async def move_to(store: Store, acme: Organization, timezone: str, fiscal_month_start: int = 1) -> None:
    values: dict[str, Any] = {"timezone": timezone, "fiscal_month_start": fiscal_month_start}
    changed = update(organization).where(organization.c.id == acme.id).values(**values)
    await store.write(lambda connection: connection.execute(changed))


async def use(store: Store, budgeted: Budgeted, amount: int, *, at: str = "2026-11-22T11:00:00+00:00") -> None:
    """A call comes to an amount, and its lease ends."""
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=amount, exact=amount)
    assert granted.outcome == "done"
    draws = (Draw(granted.lease_id, amount),)
    of = {"organization_id": budgeted.organization_id, "model_asked": MODEL, "model_served": MODEL, "lines": ()}
    await store.insert_usage([make_record(us(at), **of, amount_nanos=amount, draws=draws)], slot="a")
    await holder.one(budgeted, granted.lease_id, is_closing=True)


async def verified(store: Store) -> bool:
    return [each.differences async for each in verify_budgets(store)] == [[]]


@pytest.mark.parametrize("calendar", [("Asia/Seoul", 1), ("UTC", 15)], ids=["timezone", "fiscal month"])
@pytest.mark.parametrize("model", ["", MODEL])
@pytest.mark.usefixtures("clock")
async def test_what_was_used_counts_in_the_new_window(
    store: Store, acme: Organization, model: str, calendar: tuple[str, int]
) -> None:
    budgeted = await add_budget(store, acme.id, 1000, period="monthly", model=model)
    await use(store, budgeted, 990)

    await move_to(store, acme, *calendar)

    answer = await Holder(store, "b").one(budgeted, need=11, exact=11)
    assert answer.outcome == "denied"
    assert answer.figures is not None
    assert (answer.figures.used, answer.figures.limit) == (990, 1000)
    assert await verified(store)


@pytest.mark.usefixtures("clock")
async def test_what_leases_of_the_old_window_hold_is_not_handed_out_again(store: Store, acme: Organization) -> None:
    budgeted = await add_budget(store, acme.id, 1000, period="daily")
    first, second = Holder(store, "a"), Holder(store, "b")
    under_way = await first.one(budgeted, need=900, exact=900)
    await first.use(under_way.lease_id, 300, organization_id=acme.id, amount_nanos=0, lines=())

    await move_to(store, acme, "Asia/Seoul")

    denied = await second.one(budgeted, need=401, exact=401)
    granted = await second.one(budgeted, need=400, exact=400)
    assert denied.figures is not None
    assert (denied.outcome, denied.figures.used) == ("denied", 600), (
        "300 are with the records, which say what they cost"
    )
    assert granted.outcome == "done"
    assert (await first.one(budgeted, under_way.lease_id, need=1)).outcome == "over"
    assert await verified(store)


@pytest.mark.parametrize("model", ["", MODEL])
async def test_a_calendar_that_comes_back_finds_what_was_used_meanwhile(
    store: Store, acme: Organization, clock: Clock, model: str
) -> None:
    budgeted = await add_budget(store, acme.id, 1000, period="daily", model=model)
    await use(store, budgeted, 300)
    await move_to(store, acme, "America/New_York")
    clock.pass_(1)
    await use(store, budgeted, 500)
    held = await Holder(store, "b").one(budgeted, need=50, exact=50)
    clock.pass_(1)

    await move_to(store, acme, "UTC")

    answer = await Holder(store, "c").one(budgeted, need=151, exact=151)
    assert answer.figures is not None
    assert (answer.outcome, answer.figures.used) == ("denied", 850)
    assert answer.ends_in_us is not None
    assert answer.ends_in_us == us("2026-11-23T00:00:00+00:00") - clock.at_us
    assert (await Holder(store, "c").one(budgeted, need=150, exact=150)).amount == 150
    assert (await Holder(store, "b").one(budgeted, held.lease_id, is_closing=True)).outcome == "done"
    assert await verified(store)
    ends = select(budget_node.c.window_end_us).order_by(budget_node.c.window_start_us)
    found = (await store.read(lambda connection: connection.scalars(ends))).all()
    assert found == [us("2026-11-23T00:00:00+00:00"), clock.at_us], "the other window has ended"


@pytest.mark.parametrize("model", ["", MODEL])
async def test_what_was_used_is_shown_before_anybody_asks_in_the_new_window(
    store: Store, acme: Organization, clock: Clock, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(budget_status, "now_us", lambda: clock.at_us)
    budgeted = await add_budget(store, acme.id, 1000, period="daily", model=model)
    await use(store, budgeted, 300)
    await Holder(store, "a").one(budgeted, need=50, exact=50)

    await move_to(store, acme, "America/New_York")
    shown = await used(store, budgeted)
    clock.pass_(1)
    await use(store, budgeted, 500)
    assert (shown, await used(store, budgeted)) == (350, 850)

    clock.pass_(1)
    await move_to(store, acme, "UTC")
    assert await used(store, budgeted) == 800, "the lease of 50 is this window's own, and reserved"


async def used(store: Store, budgeted: Budgeted) -> int:
    async def read(connection: AsyncConnection) -> int:
        found = await get_budget_by_id(connection, budgeted.organization_id, budgeted.id)
        assert found is not None
        return (await budget_status.read_standings(connection, budgeted.organization_id, [found]))[budgeted.id].used

    return await store.read(read)


@pytest.mark.usefixtures("clock")
async def test_nothing_is_carried_over_from_days_that_another_calendar_used_up(
    store: Store, acme: Organization, clock: Clock
) -> None:
    budgeted = await add_budget(store, acme.id, 1000, period="daily", is_carried_over=1)
    await use(store, budgeted, 990)
    clock.pass_(86_400)

    await move_to(store, acme, "Asia/Seoul")

    answer = await Holder(store, "b").one(budgeted, need=1, exact=1)
    assert answer.figures is not None
    assert answer.figures.limit == 1000
