"""What replicas ask of budgets and get: within what is left, once for each operation, in the right window."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from lease_factories import Budgeted, Holder, add_budget, count_nodes, read_lease, read_leases, read_node, set_clock
from sqlalchemy import delete, insert, select, update
from store_factories import add_key, add_organization, make_key, make_record

from tollkeeper.domain.api_key import KeyKind
from tollkeeper.domain.lease import Draw, LeaseState
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.projects import create_project
from tollkeeper.store.schema import usage_record
from tollkeeper.store.schema_limits import budget, budget_increase, budget_node, lease
from tollkeeper.store.schema_tenancy import organization
from tollkeeper.store.teams import create_team
from tollkeeper.store.usage_rows import DRAWS_MAX, NUMBER_MAX, from_row

if TYPE_CHECKING:
    from tollkeeper.domain.tenancy import Organization
    from tollkeeper.store.engine import Store


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000


@pytest.fixture
async def acme(store: Store) -> Organization:
    made, _ = await add_organization(store)
    return made


@pytest.fixture
async def budgeted(store: Store, acme: Organization) -> Budgeted:
    return await add_budget(store, acme.id, 1000)


async def execute(store: Store, statement: Any) -> None:
    await store.write(lambda connection: connection.execute(statement))


def is_node(budgeted: Budgeted) -> Any:
    return budget_node.c.budget_id == budgeted.id


async def test_the_first_ask_opens_the_node_and_gets_a_share(store: Store, budgeted: Budgeted) -> None:
    answer = await Holder(store, "a").one(budgeted, need=5, exact=5, want=500)

    assert answer.outcome == "done"
    assert answer.amount == 5, "a two-hundredth of the limit, more than what is needed"
    assert answer.figures is not None
    assert (answer.figures.limit, answer.figures.used, answer.figures.escrow) == (1000, 0, 5)
    assert answer.ends_in_us is None
    assert not answer.is_exact
    node = await read_node(store, budgeted)
    assert (node.limit_amount, node.used, node.opened_used, node.escrow) == (1000, 0, 0, 5)


async def test_a_call_that_needs_more_than_a_share_gets_what_it_needs(store: Store, budgeted: Budgeted) -> None:
    assert (await Holder(store, "a").one(budgeted, need=100, exact=100, want=500)).amount == 100


async def test_a_repeated_operation_changes_nothing(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    ask = holder.ask(budgeted, need=100, exact=100, want=500)

    first, again = [await holder.exchange(ask) for _ in range(2)]
    assert (first[0].outcome, first[0].amount) == (again[0].outcome, again[0].amount) == ("done", 100)
    give_back = holder.ask(budgeted, ask.lease_id, give_back=40)
    await holder.exchange(give_back)
    [repeated] = await holder.exchange(give_back)

    assert repeated.amount == 60
    assert (await read_node(store, budgeted)).escrow == 60


async def test_a_repeated_end_changes_nothing(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await holder.use(granted.lease_id, 70, organization_id=budgeted.organization_id)
    closing = holder.ask(budgeted, granted.lease_id, is_closing=True)

    for _ in range(2):
        [answer] = await holder.exchange(closing)
        assert answer.outcome == "done"
        node = await read_node(store, budgeted)
        assert (node.used, node.escrow) == (70, 0)
    row = await read_lease(store, budgeted)
    assert (row.state, row.amount, row.consumed, row.converted) == (LeaseState.CLOSED, 70, 70, 70)


async def test_what_was_settled_is_converted_at_the_next_ask(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await holder.use(granted.lease_id, 30, organization_id=budgeted.organization_id)

    answer = await holder.one(budgeted, granted.lease_id, give_back=20)

    assert answer.amount == 80
    node = await read_node(store, budgeted)
    assert (node.used, node.escrow) == (30, 50)


async def test_an_overrun_is_booked_in_full(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await holder.use(granted.lease_id, 130, organization_id=budgeted.organization_id)

    answer = await holder.one(budgeted, granted.lease_id, want=1)

    assert answer.amount == 131
    node = await read_node(store, budgeted)
    assert (node.used, node.escrow) == (130, 1)


async def test_nothing_is_granted_beyond_what_is_left(store: Store, budgeted: Budgeted) -> None:
    first, second = Holder(store, "a"), Holder(store, "b")
    assert (await first.one(budgeted, need=995, exact=995)).amount == 995

    denied = await second.one(budgeted, need=6, exact=6)
    granted = await second.one(budgeted, need=5, exact=9)

    assert (denied.outcome, denied.amount) == ("denied", 0)
    assert denied.others == 995
    assert (granted.outcome, granted.amount, granted.is_exact) == ("done", 5, True)


async def test_near_the_limit_just_what_is_needed_is_granted(store: Store, acme: Organization) -> None:
    budgeted = await add_budget(store, acme.id, 70, unit="requests")
    answer = await Holder(store, "a").one(budgeted, need=10, exact=20, want=70)
    assert (answer.amount, answer.is_exact) == (20, True), "70 are less than 8 calls of 10"


async def test_a_denial_asks_others_for_what_lies_idle(
    store: Store, budgeted: Budgeted, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = set_clock(monkeypatch, us("2026-11-22T10:00:00+00:00"))
    first, second = Holder(store, "a"), Holder(store, "b")
    granted = await first.one(budgeted, need=1000, exact=1000)
    assert (await first.leases.pulse("a", is_beating=True)).recalled == ()
    first_denial = await second.one(budgeted, need=10, exact=10)
    assert (first_denial.others, first_denial.recalled_us) == (1000, 0)

    assert (await first.leases.pulse("a", is_beating=True)).recalled == (granted.lease_id,)
    clock.pass_(0.5)
    assert (await second.one(budgeted, need=10, exact=10)).recalled_us == 500_000
    back = await first.one(budgeted, granted.lease_id, give_back=900)
    assert (back.amount, back.is_exact) == (100, True)

    got = await second.one(budgeted, need=10, exact=10, want=500)
    assert (got.outcome, got.amount) == ("done", 10), "nothing lies idle while others want it"
    assert (await read_node(store, budgeted)).recalled_at_us == 0, "900 are ample again for calls of 10"


async def test_a_denial_recalls_nothing_when_nobody_holds_any(store: Store, budgeted: Budgeted) -> None:
    denied = await Holder(store, "a").one(budgeted, need=1001, exact=1001)
    assert (denied.outcome, denied.others) == ("denied", 0)
    assert (await read_node(store, budgeted)).recalled_at_us == 0


async def test_a_denied_ask_still_gives_back(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    answer = await holder.one(budgeted, granted.lease_id, give_back=50, need=2000)
    assert (answer.outcome, answer.amount) == ("denied", 50)
    assert (await read_node(store, budgeted)).escrow == 50


async def test_a_soft_budget_lets_more_in_and_counts_it(store: Store, acme: Organization) -> None:
    budgeted = await add_budget(store, acme.id, 100, is_hard=0)
    holder = Holder(store, "a")
    assert (await holder.one(budgeted, need=90, exact=90)).amount == 90
    assert (await holder.one(budgeted, need=90, exact=90)).amount == 90
    assert (await read_node(store, budgeted)).escrow == 180


@pytest.mark.parametrize(("now", "left"), [(50, "denied"), (200, "done")])
async def test_a_limit_that_changed_holds_from_the_next_ask_on(
    store: Store, budgeted: Budgeted, now: int, left: str
) -> None:
    holder = Holder(store, "a")
    await execute(store, update(budget).where(budget.c.id == budgeted.id).values(amount=100))
    assert (await holder.one(budgeted, need=40, exact=40)).amount == 40

    await execute(store, update(budget).where(budget.c.id == budgeted.id).values(amount=now))

    answer = await holder.one(budgeted, need=20, exact=20)
    assert answer.outcome == left
    assert answer.figures is not None
    assert answer.figures.limit == now


async def test_an_increase_counts_while_it_lasts(
    store: Store, budgeted: Budgeted, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = set_clock(monkeypatch, us("2026-11-22T10:00:00+00:00"))
    row = {
        "organization_id": budgeted.organization_id,
        "id": "inc_1",
        "budget_id": budgeted.id,
        "amount": 500,
        "from_us": clock.at_us + 60_000_000,
        "until_us": clock.at_us + 120_000_000,
        "note": "",
        "created_by": "",
        "created_at_us": 0,
    }
    await execute(store, insert(budget_increase).values(**row))
    holder = Holder(store, "a")
    limits = []
    for _ in range(3):
        answer = await holder.one(budgeted, need=1, exact=1)
        assert answer.figures is not None
        limits.append(answer.figures.limit)
        clock.pass_(60)

    assert limits == [1000, 1500, 1000]


async def test_a_stopped_node_grants_nothing_more(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await execute(store, update(budget_node).where(is_node(budgeted)).values(stopped_at_us=1))

    assert (await holder.one(budgeted, granted.lease_id, need=1, exact=1)).outcome == "stopped"
    assert (await holder.one(budgeted, granted.lease_id, give_back=90)).outcome == "done"
    assert (await read_node(store, budgeted)).escrow == 10


async def test_a_deleted_budget_is_gone_and_its_leases_still_end(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    granted = await holder.one(budgeted, need=100, exact=100)
    await execute(store, delete(budget).where(budget.c.id == budgeted.id))

    assert (await holder.one(budgeted, granted.lease_id, need=1)).outcome == "gone"
    assert (await holder.one(budgeted, need=1)).outcome == "gone"
    assert (await holder.one(budgeted, granted.lease_id, is_closing=True)).outcome == "done"
    node = await read_node(store, budgeted)
    assert (node.used, node.escrow) == (0, 0)


async def test_a_lease_of_another_replica_is_lost(store: Store, budgeted: Budgeted) -> None:
    granted = await Holder(store, "a").one(budgeted, need=100, exact=100)
    answer = await Holder(store, "b").one(budgeted, granted.lease_id, give_back=50)
    assert answer.outcome == "lost"
    assert (await read_node(store, budgeted)).escrow == 100


async def test_a_lease_ends_with_its_window(store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    await execute(store, update(organization).where(organization.c.id == acme.id).values(timezone="Asia/Seoul"))
    clock = set_clock(monkeypatch, us("2026-11-22T23:59:50+09:00"))
    budgeted = await add_budget(store, acme.id, 1000, period="daily")
    holder = Holder(store, "a")
    today = await holder.one(budgeted, need=100, exact=100)
    assert today.ends_in_us == 10_000_000

    clock.pass_(10)
    assert (await holder.one(budgeted, today.lease_id, need=1)).outcome == "over"
    tomorrow = await holder.one(budgeted, need=1000, exact=1000)

    assert tomorrow.amount == 1000
    assert tomorrow.figures is not None
    assert tomorrow.figures.window_start_us == us("2026-11-23T00:00:00+09:00")
    assert await count_nodes(store, budgeted) == 2
    assert (await holder.one(budgeted, today.lease_id, is_closing=True)).outcome == "done"


async def test_a_changed_timezone_ends_leases_of_the_window_that_was(
    store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, us("2026-11-22T12:00:00+09:00"))
    budgeted = await add_budget(store, acme.id, 1000, period="daily")
    holder = Holder(store, "a")
    before = await holder.one(budgeted, need=100, exact=100)

    await execute(store, update(organization).where(organization.c.id == acme.id).values(timezone="Asia/Seoul"))

    assert (await holder.one(budgeted, before.lease_id, need=1)).outcome == "over"


@pytest.mark.parametrize(
    ("used", "held", "carried"),
    [(300, 200, 500), (0, 0, 1000), (900, 100, 0)],
    ids=["what is left", "all of it", "nothing"],
)
async def test_what_is_left_of_a_window_is_carried_into_the_next(  # a case and its database
    store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch, used: int, held: int, carried: int
) -> None:
    clock = set_clock(monkeypatch, us("2026-11-22T12:00:00+00:00"))
    budgeted = await add_budget(store, acme.id, 1000, period="daily", is_carried_over=1)
    day = {"window_start_us": us("2026-11-22T00:00:00+00:00"), "window_end_us": us("2026-11-23T00:00:00+00:00")}
    sums = {"limit_amount": 1000, "carried": 0, "used": used, "opened_used": 0, "escrow": held}
    rest = {"is_hard": 1, "recalled_at_us": 0, "updated_at_us": 0}
    row = {"organization_id": acme.id, "budget_id": budgeted.id, **day, **sums, **rest}
    await execute(store, insert(budget_node).values(**row))

    clock.pass_(86_400)
    answer = await Holder(store, "a").one(budgeted, need=1, exact=1)

    assert answer.figures is not None
    assert answer.figures.limit == 1000 + carried


async def test_a_budget_that_was_never_drawn_on_carries_once_its_amount(
    store: Store, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = set_clock(monkeypatch, us("2026-11-22T12:00:00+00:00"))
    old = await add_budget(store, acme.id, 1000, period="daily", is_carried_over=1)
    new = await add_budget(
        store, acme.id, 1000, period="daily", is_carried_over=1, unit="requests", created_at_us=clock.at_us
    )
    limits = []
    for budgeted in (old, new):
        answer = await Holder(store, "a").one(budgeted, need=1, exact=1)
        assert answer.figures is not None
        limits.append(answer.figures.limit)

    assert limits == [2000, 1000]


@pytest.mark.parametrize(
    ("unit", "kind", "model", "expected"),
    [
        ("usd", "organization", "", 4 * 352_500),
        ("usd", "team", "", 3 * 352_500),
        ("usd", "project", "", 3 * 352_500),
        ("requests", "api_key", "", 2),
        ("tokens", "member", "", 2 * 1750),
        ("usd", "organization", "gpt-4o-mini", 3 * 352_500),
        ("tokens", "organization", "gpt-4o", 1750),
        ("requests", "project", "gpt-4o-mini", 3),
        ("concurrent", "organization", "", 0),
    ],
)
async def test_a_new_budget_counts_what_was_used_in_its_window(  # a case and its database
    store: Store, monkeypatch: pytest.MonkeyPatch, unit: str, kind: str, model: str, expected: int
) -> None:
    acme, _ = await add_organization(store)
    zone = update(organization).where(organization.c.id == acme.id).values(timezone="Asia/Kolkata")
    await execute(store, zone)  # its days begin half an hour after a UTC hour
    clock = set_clock(monkeypatch, us("2026-11-22T12:00:00+05:30"))
    team = await store.write(lambda connection: create_team(connection, acme.id, name="Research"))
    project = await store.write(lambda c: create_project(c, acme.id, name="ml-pipeline", team_id=team.id))
    key = make_key(acme.id, project.id, kind=KeyKind.MEMBER, member_id="mem_1")
    await add_key(store, key)
    of = {"organization_id": acme.id, "project_id": project.id, "model_asked": "gpt-4o-mini"}
    records = [
        make_record(us("2026-11-21T23:59:59+05:30"), **of),  # of the day before, within the same UTC hour
        make_record(us("2026-11-22T00:00:00+05:30"), **of, api_key_id=key.id),
        make_record(us("2026-11-22T00:29:59+05:30"), **of, api_key_id=key.id),
        make_record(us("2026-11-22T09:00:00+05:30"), **of),
        make_record(
            us("2026-11-22T09:00:00+05:30"),
            **{**of, "project_id": "proj_x", "model_asked": "gpt-4o"},
            quantities={"input": 1000, "input@o3": 500, "output": 250, "web_search": 7, "image:high:1024x1024": 9},
        ),
    ]
    await store.insert_usage(records, slot="a")
    scope_id = {"organization": acme.id, "team": team.id, "project": project.id, "api_key": key.id, "member": "mem_1"}
    scope = {"scope_kind": kind, "scope_id": scope_id[kind], "created_at_us": clock.at_us}
    budgeted = await add_budget(store, acme.id, 10**9, period="daily", unit=unit, model=model, **scope)

    await Holder(store, "a").one(budgeted, need=1, exact=1)

    node = await read_node(store, budgeted)
    assert (node.used, node.opened_used) == (expected, expected)


async def test_new_records_count_once_and_repeated_ones_not_at_all(store: Store, budgeted: Budgeted) -> None:
    holder = Holder(store, "a")
    leases = [(await holder.one(budgeted, need=100, exact=100)).lease_id for _ in range(2)]
    draws = [(Draw(leases[0], 3), Draw(leases[1], 5)), (Draw(leases[0], 4),), (Draw(leases[1], 0),)]
    records = [make_record(organization_id=budgeted.organization_id, draws=each) for each in draws]

    await store.insert_usage(records[:2], slot="a")
    await store.insert_usage(records, slot="a")

    assert {row.id: row.consumed for row in await read_leases(store, budgeted)} == {leases[0]: 7, leases[1]: 5}


async def test_a_lease_of_another_organization_is_not_drawn_on(store: Store, budgeted: Budgeted) -> None:
    granted = await Holder(store, "a").one(budgeted, need=100, exact=100)
    record = make_record(organization_id="org_other", draws=(Draw(granted.lease_id, 9),))
    await store.insert_usage([record], slot="a")
    assert (await read_lease(store, budgeted)).consumed == 0


async def test_draws_on_leases_that_are_not_there_are_said_once(
    store: Store, budgeted: Budgeted, caplog: pytest.LogCaptureFixture
) -> None:
    granted = await Holder(store, "a").one(budgeted, need=100, exact=100)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            draws = (Draw(uuid7(), 9), Draw(granted.lease_id, 2))
            await store.insert_usage([make_record(organization_id=budgeted.organization_id, draws=draws)], slot="a")

    assert [record.message.partition(" ")[0] for record in caplog.records] == ["1"]
    assert (await read_lease(store, budgeted)).consumed == 4


async def test_draws_that_no_call_can_have_are_cut(store: Store, budgeted: Budgeted) -> None:
    granted = await Holder(store, "a").one(budgeted, need=100, exact=100)
    draws = (
        Draw(granted.lease_id, 2**80, left=-(2**80)),
        Draw(b"x" * 99, -5),
        *(Draw(uuid7(), 1) for _ in range(DRAWS_MAX)),
    )
    await store.insert_usage([make_record(organization_id=budgeted.organization_id, draws=draws)], slot="a")

    assert (await read_lease(store, budgeted)).consumed == NUMBER_MAX
    rows = await store.read(lambda connection: connection.execute(select(usage_record)))
    kept = from_row(rows.one()).draws
    assert len(kept) == DRAWS_MAX
    assert (len(kept[1].lease_id), kept[1].amount) == (16, 0)


async def test_many_asks_are_answered_in_their_order(store: Store, acme: Organization) -> None:
    keys = [{"scope_kind": "api_key", "scope_id": f"key_{number}"} for number in range(70)]
    budgets = [await add_budget(store, acme.id, 1000 + number, **key) for number, key in enumerate(keys)]
    holder = Holder(store, "a")
    asks = [holder.ask(budgeted, need=number + 1, exact=number + 1) for number, budgeted in enumerate(budgets)]

    answers = await holder.exchange(*asks)

    assert [answer.lease_id for answer in answers] == [ask.lease_id for ask in asks]
    assert all(answer.amount >= ask.need for ask, answer in zip(asks, answers, strict=True))
    rows = await store.read(lambda connection: connection.execute(select(lease.c.id)))
    assert len(rows.all()) == 70
