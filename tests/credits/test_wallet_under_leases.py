"""Replicas draw on the wallet while credit comes and goes: it never goes below zero, and a grant opens it at once."""

from __future__ import annotations

import asyncio
import contextlib
import random

from credit_factories import USD, Purse
from sqlalchemy import select, update

from tollkeeper.control.credits import void_grant
from tollkeeper.domain.errors import Conflict
from tollkeeper.domain.lease import Answer, Ask
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.leases import StoreLeases
from tollkeeper.store.schema_limits import budget_node, lease

DAY_US = 86_400_000_000


async def ask(purse: Purse, holder: str, ask: Ask) -> Answer:
    (answer,) = await StoreLeases(purse.store).exchange(holder, [ask])
    return answer


async def new_ask(purse: Purse, need: int) -> Ask:
    budget_id = (await purse.wallet()).budget_id
    return Ask(purse.id, budget_id, uuid7(), 1, need=need, exact=need, want=need)


async def check_wallet(purse: Purse) -> None:
    node = (await purse.store.read(lambda c: c.execute(select(budget_node)))).one()
    assert node.used + node.escrow <= node.limit_amount
    assert node.used >= 0


async def test_without_credit_nothing_is_let_in_and_right_after_a_grant_it_is(purse: Purse):
    asked = await new_ask(purse, USD)
    assert (await ask(purse, "a", asked)).outcome == "denied"
    await purse.grant(5)
    again = await new_ask(purse, USD)
    answer = await ask(purse, "a", again)
    assert (answer.outcome, answer.amount) == ("done", USD)


async def test_credit_that_was_voided_is_not_let_in_again(purse: Purse):
    grant = await purse.grant(5)
    first = await new_ask(purse, USD)
    assert (await ask(purse, "a", first)).outcome == "done"
    after = await purse.change(void_grant, grant.id)
    assert after.remaining_nanos == USD, "what the lease holds stays until it gives it back"
    assert (await ask(purse, "b", await new_ask(purse, 1))).outcome == "denied"
    closing = Ask(purse.id, first.budget_id, first.lease_id, 2, is_closing=True)
    await ask(purse, "a", closing)
    await purse.settle()
    assert (await purse.get(grant)).remaining_nanos == 0
    assert (await ask(purse, "b", await new_ask(purse, 1))).outcome == "denied"
    assert await purse.differences() == []


async def test_replicas_grants_voids_and_ends_at_once_never_leave_less_than_nothing(purse: Purse):
    dice = random.Random(7)
    await purse.grant(3)

    async def replica(holder: str) -> None:
        for _ in range(12):
            asked = await new_ask(purse, dice.randrange(1, USD))
            answer = await ask(purse, holder, asked)
            await check_wallet(purse)
            if answer.outcome != "done":
                continue
            used = dice.randrange(answer.amount + 1)
            consumed = update(lease).where(lease.c.id == asked.lease_id).values(consumed=used)
            await purse.store.write(lambda c, consumed=consumed: c.execute(consumed))
            await ask(purse, holder, Ask(purse.id, asked.budget_id, asked.lease_id, 2, is_closing=True))
            await check_wallet(purse)

    async def admin() -> None:
        for number in range(8):
            made = await purse.grant(1, expires_at_us=now_us() + DAY_US, priority=number)
            if number % 2:
                await purse.end(made)
                continue
            with contextlib.suppress(Conflict):  # it is used up already
                await purse.change(void_grant, made.id)

    async def job() -> None:
        for _ in range(10):
            await purse.settle()
            await check_wallet(purse)

    await asyncio.gather(*(replica(each) for each in ("a", "b", "c")), admin(), job(), job())
    await purse.settle()
    balance = await purse.balance()
    assert balance.used == (await purse.wallet()).attributed_nanos
    assert balance.overrun == 0
    assert await purse.differences() == []


async def test_a_void_and_leases_that_are_taken_at_the_same_moment_share_what_there_is(purse: Purse):
    """Without the lock on the node a lease would be granted between the look at what is left and the lowering of it."""

    async def replica(holder: str) -> None:
        for _ in range(4):
            await ask(purse, holder, await new_ask(purse, USD // 20))
            await check_wallet(purse)

    for number in range(10):
        made = await purse.grant(1)
        await asyncio.gather(*(replica(f"{number}-{each}") for each in "abcd"), purse.change(void_grant, made.id))
        await check_wallet(purse)
    assert await purse.differences() == []
