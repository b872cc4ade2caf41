"""What calls cost is in the books: per day, once, late calls included, however many processes book it."""

from __future__ import annotations

import asyncio
from typing import Any

from credit_factories import Purse, open_purse
from sqlalchemy import func, select, text, update
from tests.store.store_factories import make_record

from tollkeeper.control.usage_bookings import book_day, book_usage
from tollkeeper.domain.ledger import Account, AccountKind
from tollkeeper.domain.usage import CostState
from tollkeeper.kit.clock import now_us
from tollkeeper.store.ledger import list_transactions, read_balances
from tollkeeper.store.schema import usage_rollup
from tollkeeper.store.schema_ledger import ledger_transaction
from tollkeeper.store.verify_ledger import verify_ledger

DAY_US = 86_400_000_000
COST = 352_500


async def call(purse: Purse, *, days_ago: int = 0, **changes: Any) -> None:
    record = make_record(now_us() - days_ago * DAY_US, organization_id=purse.id, **changes)
    await purse.store.insert_usage([record], slot="a")


async def cost_of(purse: Purse) -> tuple[int, int]:
    found = await purse.store.read(lambda c: read_balances(c, purse.id))
    return found.get(Account(AccountKind.PROVIDER_COST), 0), found.get(Account(AccountKind.PROVIDER_PAYABLE), 0)


async def test_usage_of_several_days_and_organizations_is_booked_once(purse: Purse):
    other = await open_purse(purse.store, "Globex")
    for days_ago in (0, 0, 1):
        await call(purse, days_ago=days_ago)
    await call(other)
    for _ in range(2):
        await book_usage(purse.store, is_everything=False)
    assert await cost_of(purse) == (3 * COST, -3 * COST)
    assert await cost_of(other) == (COST, -COST)
    found = await purse.store.read(lambda c: list_transactions(c, purse.id))
    assert len(found) == 2
    assert all(each.effective_at_us % DAY_US == 0 for each in found)
    assert await purse.differences() == []


async def test_a_call_without_a_price_books_nothing(purse: Purse):
    await call(purse, amount_nanos=None, cost_state=CostState.UNPRICED, lines=())
    assert await book_usage(purse.store, is_everything=False) == 0


async def test_four_at_once_book_a_day_once(purse: Purse):
    day = now_us() // DAY_US
    for round_ in range(1, 6):
        await call(purse)
        await asyncio.gather(*(purse.store.write(lambda c: book_day(c, purse.id, day)) for _ in range(4)))
        assert await cost_of(purse) == (round_ * COST, -round_ * COST)
    booked = select(func.count()).select_from(ledger_transaction)
    assert await purse.store.read(lambda c: c.scalar(booked)) == 5


async def test_a_late_call_is_booked_by_the_pass_over_everything(purse: Purse):
    await call(purse, days_ago=30)
    assert await book_usage(purse.store, is_everything=False) == 0
    assert await purse.differences() != []
    assert await book_usage(purse.store, is_everything=True) == 1
    assert await cost_of(purse) == (COST, -COST)
    assert await purse.differences() == []


async def test_usage_that_came_to_less_is_taken_back(purse: Purse):
    await call(purse)
    await book_usage(purse.store, is_everything=False)
    less = update(usage_rollup).values(amount_nanos=COST - 500)
    await purse.store.write(lambda c: c.execute(less))
    await book_usage(purse.store, is_everything=False)
    assert (await cost_of(purse))[0] == COST - 500
    await purse.store.write(lambda c: c.execute(text("DELETE FROM usage_rollup")))
    assert await book_usage(purse.store, is_everything=False) == 1
    assert await cost_of(purse) == (0, 0)


async def test_what_is_still_to_be_booked_is_told_apart_from_a_difference(purse: Purse):
    await call(purse)
    books = [each async for each in verify_ledger(purse.store)]
    assert [(each.unbooked_nanos, each.differences) for each in books] == [(COST, [])]
