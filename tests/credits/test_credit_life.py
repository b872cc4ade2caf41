"""What becomes of credit: granted, used in order, taken back, expired, voided, and the wallet that calls are held to."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from credit_factories import USD, Purse, open_purse
from sqlalchemy import func, select

from tollkeeper.control.administration import Repetition, server_job
from tollkeeper.control.credit_attribution import settle_credit, settle_organization
from tollkeeper.control.credits import PrepaidChoice, set_prepaid, void_grant
from tollkeeper.domain.credit import GrantKind, GrantStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.ledger import Account, AccountKind, balances
from tollkeeper.kit.clock import now_us
from tollkeeper.store import audit
from tollkeeper.store.engine import Store
from tollkeeper.store.ledger import list_transactions, read_balances
from tollkeeper.store.revision import changes_after, last_number
from tollkeeper.store.schema_ledger import credit_grant, credit_use
from tollkeeper.store.schema_limits import budget, budget_node

DAY_US = 86_400_000_000


async def count(store: Store, table: Any) -> int:
    return await store.read(lambda c: c.scalar(select(func.count()).select_from(table)))


async def balance_of(purse: Purse, kind: AccountKind) -> int:
    found = await purse.store.read(lambda c: read_balances(c, purse.id))
    transactions = await purse.store.read(lambda c: list_transactions(c, purse.id, limit=1000))
    assert found == balances(transactions), "balances equal a replay from nothing"
    return found.get(Account(kind), 0)


async def settle_again(purse: Purse) -> None:
    await purse.administration.change(server_job(purse.id, name="a test"), settle_organization)


async def test_the_first_grant_makes_the_organization_prepaid_and_a_budget_of_its_wallet(purse: Purse):
    assert not (await purse.balance()).is_prepaid
    number = await purse.store.read(last_number)
    made = await purse.grant(5)
    balance = await purse.balance()
    assert (balance.is_prepaid, balance.granted, balance.left, balance.used) == (True, 5 * USD, 5 * USD, 0)
    row = (await purse.store.read(lambda c: c.execute(select(budget)))).one()
    assert (row.scope_kind, row.scope_id, row.unit, row.period, row.model, row.is_hard, row.amount) == (
        "credit",
        purse.id,
        "usd",
        "total",
        "",
        1,
        5 * USD,
    )
    node = (await purse.store.read(lambda c: c.execute(select(budget_node)))).one()
    assert (node.budget_id, node.limit_amount, node.window_start_us) == (row.id, 5 * USD, 0)
    changes = await purse.store.read(lambda c: changes_after(c, number))
    assert ("limit", purse.id) in {(each.kind, each.entity_id) for each in changes}
    assert await balance_of(purse, AccountKind.RECEIVABLE) == 5 * USD
    assert await balance_of(purse, AccountKind.CREDIT_PURCHASED) == -made.amount_nanos
    assert await purse.differences() == []


async def test_what_calls_use_is_taken_from_grants_in_their_order(purse: Purse):
    paid = await purse.grant(5)
    trial = await purse.grant(2, kind=GrantKind.TRIAL)
    first = await purse.grant(1, priority=0)
    await purse.use(3 * USD + 7)
    await purse.settle()
    left = [(await purse.get(each)).remaining_nanos for each in (first, trial, paid)]
    assert left == [0, 0, 5 * USD - 7]
    assert (await purse.get(first)).status is GrantStatus.EXHAUSTED
    assert await balance_of(purse, AccountKind.REVENUE) == -(3 * USD + 7)
    assert await purse.differences() == []


async def test_what_is_settled_on_a_lease_counts_before_and_after_it_is_converted_once(purse: Purse):
    await purse.grant(5)
    lease_id = await purse.lease(2 * USD)
    await purse.consume(lease_id, USD)
    await purse.settle()
    assert await balance_of(purse, AccountKind.REVENUE) == -USD
    balance = await purse.balance()
    assert (balance.used, balance.reserved, balance.left) == (USD, USD, 3 * USD)
    await purse.close(lease_id)
    await purse.settle()
    assert await balance_of(purse, AccountKind.REVENUE) == -USD
    assert (await purse.balance()).left == 4 * USD


async def test_settling_again_changes_nothing(purse: Purse):
    await purse.grant(5)
    await purse.use(USD)
    await purse.settle()
    uses = await count(purse.store, credit_use)
    assert await settle_credit(purse.administration) == 0
    await settle_again(purse)
    assert await count(purse.store, credit_use) == uses == 1


async def test_four_at_once_take_everything_once(purse: Purse):
    for priority in range(3):
        await purse.grant(10, priority=priority)
    total = 0
    for _ in range(8):
        amounts = (USD + 1, USD + 2, 3)
        total += sum(amounts)
        await asyncio.gather(*(purse.use(each) for each in amounts))
        await asyncio.gather(*(settle_again(purse) for _ in range(4)))
    assert (await purse.wallet()).attributed_nanos == total
    assert await balance_of(purse, AccountKind.REVENUE) == -total
    assert await purse.differences() == []


async def test_uses_that_were_too_much_are_given_back_newest_first(purse: Purse):
    old = await purse.grant(5)
    await purse.use(2 * USD)
    await purse.settle()
    first_today = await purse.grant(5, priority=0)
    await purse.correct(USD)
    await purse.settle()
    assert (await purse.get(old)).remaining_nanos == 4 * USD
    assert (await purse.get(first_today)).remaining_nanos == 5 * USD
    await purse.use(USD)
    await purse.settle()
    await purse.correct(2 * USD)
    await purse.settle()
    assert (await purse.get(old)).remaining_nanos == 5 * USD
    assert await balance_of(purse, AccountKind.REVENUE) == 0
    assert await purse.differences() == []


async def test_what_exceeds_all_credit_is_paid_by_the_next_grant(purse: Purse):
    await purse.grant(1)
    lease_id = await purse.lease(USD)
    await purse.consume(lease_id, USD + 400)
    await purse.settle()
    balance = await purse.balance()
    assert (balance.left, balance.overrun) == (0, 400)
    assert await settle_credit(purse.administration) == 0
    later = await purse.grant(1)
    await purse.settle()
    assert (await purse.get(later)).remaining_nanos == USD - 400
    assert (await purse.balance()).overrun == 0
    assert await purse.differences() == []


async def test_what_is_not_used_in_time_leaves_the_wallet_but_not_what_leases_hold(purse: Purse):
    ending = await purse.grant(5, expires_at_us=now_us() + DAY_US)
    lease_id = await purse.lease(2 * USD)
    await purse.consume(lease_id, USD)
    await purse.end(ending)
    await purse.settle()
    after = await purse.get(ending)
    assert (after.status, after.removed_nanos, after.remaining_nanos) == (GrantStatus.EXPIRED, 3 * USD, USD)
    assert (await purse.balance()).granted == 2 * USD
    node = (await purse.store.read(lambda c: c.execute(select(budget_node)))).one()
    assert node.limit_amount == 2 * USD
    assert node.recalled_at_us > 0
    await purse.close(lease_id)
    await purse.settle()
    after = await purse.get(ending)
    assert (after.removed_nanos, after.remaining_nanos) == (4 * USD, 0)
    assert await balance_of(purse, AccountKind.BREAKAGE) == -4 * USD
    assert (await purse.balance()).left == 0
    assert await purse.differences() == []


async def test_the_end_of_a_grant_is_in_the_audit_log_by_the_system_with_every_part_that_went(purse: Purse):
    ending = await purse.grant(5, expires_at_us=now_us() + DAY_US)
    lease_id = await purse.lease(2 * USD)
    await purse.end(ending)
    await purse.settle()
    await purse.settle()
    await purse.consume(lease_id, USD)
    await purse.close(lease_id)
    await purse.settle()
    await purse.settle()
    wanted = audit.AuditFilter(action="credit.expire")
    last, first = await purse.store.read(lambda c: audit.list_events(c, purse.id, wanted))
    assert {(each.actor_kind, each.actor_id, each.target_id) for each in (first, last)} == {
        ("system", "system", ending.id)
    }
    parts = [
        tuple(msgspec.json.decode(text)[name] for text in (each.before, each.after))
        for each in (first, last)
        for name in ("status", "remaining_usd")
    ]
    assert parts == [("active", "expired"), ("5.00", "2.00"), ("expired", "expired"), ("1.00", "0.00")]


async def test_what_was_used_before_the_end_is_taken_from_the_grant_that_ended(purse: Purse):
    ending = await purse.grant(5, expires_at_us=now_us() + DAY_US)
    other = await purse.grant(5)
    await purse.use(2 * USD)
    await purse.end(ending)
    await purse.settle()
    after = await purse.get(ending)
    assert (after.used_nanos, after.removed_nanos) == (2 * USD, 3 * USD)
    assert (await purse.get(other)).remaining_nanos == 5 * USD


async def test_a_void_takes_back_what_was_not_used_and_is_an_exact_reversal_when_nothing_was(purse: Purse):
    whole, part = await purse.grant(5), await purse.grant(3, priority=0)
    await purse.use(USD)
    await purse.change(void_grant, whole.id)
    after = await purse.change(void_grant, part.id)
    assert (after.status, after.removed_nanos, after.used_nanos) == (GrantStatus.VOIDED, 2 * USD, USD)
    found = await purse.store.read(lambda c: list_transactions(c, purse.id, limit=1000))
    assert [each.kind.value for each in found if each.reverses] == ["credit_void"]
    assert await balance_of(purse, AccountKind.RECEIVABLE) == USD
    assert await balance_of(purse, AccountKind.CREDIT_PURCHASED) == 0
    with pytest.raises(Conflict, match="voided"):
        await purse.change(void_grant, part.id)
    assert await purse.differences() == []


async def test_calls_need_credit_from_the_moment_that_somebody_says_so(purse: Purse):
    number = await purse.store.read(last_number)
    assert await purse.change(set_prepaid, PrepaidChoice(is_prepaid=True))
    assert not await purse.change(set_prepaid, PrepaidChoice(is_prepaid=True))
    row = (await purse.store.read(lambda c: c.execute(select(budget)))).one()
    assert (row.scope_kind, row.amount) == ("credit", 0)
    balance = await purse.balance()
    assert (balance.is_prepaid, balance.left) == (True, 0)
    changes = await purse.store.read(lambda c: changes_after(c, number))
    assert [(each.kind, each.entity_id) for each in changes] == [("limit", purse.id)]
    assert await purse.differences() == []
    assert await purse.change(set_prepaid, PrepaidChoice(is_prepaid=False))
    assert not (await purse.balance()).is_prepaid


async def test_an_unknown_grant_and_another_organizations_are_not_there(purse: Purse):
    other = await open_purse(purse.store, "Globex")
    theirs = await other.grant(1)
    for grant_id in (theirs.id, "grant_none"):
        with pytest.raises(NotFound):
            await purse.change(void_grant, grant_id)
    with pytest.raises(NotFound):
        await purse.administration.change(purse.operator, void_grant, other.id, theirs.id)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"amount_nanos": 0}, "amount_usd"),
        ({"amount_nanos": 10**18 + 1}, "amount_usd"),
        ({"priority": 101}, "priority"),
        ({"expires_at_us": 1}, "expires_at"),
        ({"note": "x" * 501}, "note"),
        ({"note": "a\nb"}, "note"),
    ],
)
async def test_terms_that_are_none_are_refused_by_name(sqlite_url: str, terms: dict[str, Any], param: str):
    store = Store.open(sqlite_url)
    purse = await open_purse(store)
    with pytest.raises(InvalidRequest) as refusal:
        await purse.grant(1, **terms)
    assert refusal.value.param == param
    assert await count(store, credit_grant) == 0
    await store.aclose()


async def test_credit_in_all_stays_within_what_sums_can_hold(sqlite_url: str):
    store = Store.open(sqlite_url)
    purse = await open_purse(store)
    for _ in range(4):
        await purse.grant(10**9)
    with pytest.raises(InvalidRequest, match="in all"):
        await purse.grant(1)
    await store.aclose()


async def test_fifty_equal_requests_at_once_are_one_grant(purse: Purse):
    repetition = Repetition("top-up-1", b"fingerprint")
    made = await asyncio.gather(*(purse.grant(5, repetition=repetition) for _ in range(50)), return_exceptions=True)
    grants = {each.id for each in made if not isinstance(each, BaseException)}
    assert all(isinstance(each, Conflict) for each in made if isinstance(each, BaseException))
    assert len(grants) == 1
    assert await count(purse.store, credit_grant) == 1
    assert (await purse.balance()).granted == 5 * USD
    assert (await purse.grant(5, repetition=repetition)).id in grants


async def test_grants_voids_uses_and_ends_at_once_leave_the_books_right(purse: Purse):
    grants = [await purse.grant(3, priority=number) for number in range(4)]
    await purse.grant(50)

    async def void(grant: Any) -> None:
        await purse.change(void_grant, grant.id)

    await purse.end(grants[3])
    await asyncio.gather(
        *(void(each) for each in grants[:2]),
        *(purse.use(USD // 3) for _ in range(6)),
        *(purse.grant(1) for _ in range(3)),
        *(purse.settle() for _ in range(4)),
    )
    await purse.settle()
    assert await purse.differences() == []
    balance = await purse.balance()
    assert balance.used == 6 * (USD // 3) == (await purse.wallet()).attributed_nanos
    assert balance.left == balance.granted - balance.used
