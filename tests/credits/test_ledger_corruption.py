"""Whatever somebody changes in the ledger outside Tollkeeper, the verifier finds it, and the hourly job tells."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from credit_factories import USD, Purse, open_purse
from sqlalchemy import text
from tests.store.store_factories import make_record

from tollkeeper.control.credits import void_grant
from tollkeeper.control.ledger_verification import check_ledger
from tollkeeper.control.usage_bookings import book_usage
from tollkeeper.domain.credit import GrantKind
from tollkeeper.kit.clock import now_us
from tollkeeper.store import audit
from tollkeeper.store.engine import Store

CORRUPTIONS = {
    "an entry's amount": "UPDATE ledger_entry SET amount_nanos = amount_nanos + 1 WHERE account_id = 'revenue:USD'",
    "both amounts of a transaction": "UPDATE ledger_entry SET amount_nanos = amount_nanos * 2 WHERE transaction_id IN"
    " (SELECT id FROM ledger_transaction WHERE kind = 'credit_expiry')",
    "an entry's account": "UPDATE ledger_entry SET account_id = 'breakage:USD' WHERE account_id = 'revenue:USD'",
    "an entry's grant": "UPDATE ledger_entry SET grant_id = '' WHERE account_id = 'credit_promotional:USD'",
    "a lost entry": "DELETE FROM ledger_entry WHERE account_id = 'receivable:USD' AND line = 0",
    "the lines' order": "UPDATE ledger_entry SET line = line + 5 WHERE account_id = 'provider_payable:USD'",
    "a transaction's kind": "UPDATE ledger_transaction SET kind = 'credit_use' WHERE kind = 'credit_expiry'",
    "when a transaction takes effect": "UPDATE ledger_transaction SET effective_at_us = 0 WHERE kind = 'credit_use'",
    "a transaction's hash": "UPDATE ledger_transaction SET content_hash = id WHERE kind = 'provider_usage'",
    "what a transaction reverses": "UPDATE ledger_transaction SET reverses = NULL WHERE kind = 'credit_void'",
    "that a transaction is a reversal": "UPDATE ledger_transaction SET reverses = id WHERE kind = 'credit_use'",
    "a balance": "UPDATE ledger_account SET balance_nanos = balance_nanos - 1 WHERE kind = 'revenue'",
    "an account's kind": "UPDATE ledger_account SET kind = 'suspense' WHERE kind = 'breakage'",
    "what remains of a grant": "UPDATE credit_grant SET remaining_nanos = remaining_nanos - 1 WHERE kind = 'purchased'"
    " AND remaining_nanos > 0",
    "what was granted": "UPDATE credit_grant SET amount_nanos = amount_nanos + 1 WHERE kind = 'purchased'",
    "what was granted, and remains": "UPDATE credit_grant SET amount_nanos = amount_nanos + 1,"
    " remaining_nanos = remaining_nanos + 1 WHERE kind = 'purchased'",
    "what was removed": "UPDATE credit_grant SET removed_nanos = removed_nanos - 1 WHERE removed_nanos > 0",
    "a grant's state": "UPDATE credit_grant SET status = 'exhausted' WHERE status = 'active'",
    "when a grant is due": "UPDATE credit_grant SET due_at_us = 5 WHERE due_at_us IS NULL",
    "a use's amount": "UPDATE credit_use SET amount_nanos = amount_nanos + 1 WHERE number = 1",
    "a use's grant": "UPDATE credit_use SET grant_id = (SELECT id FROM credit_grant WHERE status = 'voided'"
    " AND credit_grant.organization_id = credit_use.organization_id) WHERE number = 1",
    "the order of uses": "UPDATE credit_use SET number = number + 10 WHERE amount_nanos < 0",
    "a lost use": "DELETE FROM credit_use WHERE number = 2",
    "what is attributed": "UPDATE credit_wallet SET attributed_nanos = attributed_nanos + 1",
    "how many uses there are": "UPDATE credit_wallet SET uses_count = uses_count - 1",
    "the wallet's amount": "UPDATE budget SET amount = amount + 1 WHERE scope_kind = 'credit'",
    "the wallet is not hard": "UPDATE budget SET is_hard = 0 WHERE scope_kind = 'credit'",
    "the node's limit": "UPDATE budget_node SET limit_amount = limit_amount + 1",
    "more is attributed than used": "UPDATE budget_node SET used = 0",
    "the wallet is gone": "DELETE FROM credit_wallet",
    "how much of a day is booked": "UPDATE ledger_usage_day SET amount_nanos = amount_nanos + 1",
    "a day's usage": "UPDATE usage_rollup SET amount_nanos = amount_nanos - 1",
    "a day that is booked": "DELETE FROM ledger_usage_day",
}


@pytest.fixture
async def whole(store: Store) -> Purse:
    """A ledger in which everything has happened, and another organization's beside it."""
    purse, other = await open_purse(store), await open_purse(store, "Globex")
    for each in (purse, other):
        ending = await each.grant(2, kind=GrantKind.TRIAL, expires_at_us=now_us() + 10**12)
        voided = await each.grant(1)
        await each.grant(5, priority=60)
        await each.use(USD)
        await each.settle()
        await each.correct(USD // 4)
        await each.settle()
        await each.end(ending)
        await each.settle()
        await each.change(void_grant, voided.id)
        await each.use(USD)
        await each.settle()
        record = make_record(now_us() - 40 * 86_400_000_000, organization_id=each.id)
        await store.insert_usage([record], slot="a")
    await book_usage(store, is_everything=True)
    return purse


async def execute(store: Store, statement: str) -> int:
    async def work(connection: Any) -> int:
        if store.dialect == "postgresql":
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        return int((await connection.execute(text(statement))).rowcount)

    return await store.write(work)


async def test_a_ledger_in_which_everything_has_happened_is_right(whole: Purse):
    assert await whole.differences() == []


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_a_changed_ledger_is_noticed(whole: Purse, what: str):
    statement = CORRUPTIONS[what]
    assert await execute(whole.store, statement) > 0, "the corruption is one"
    found = await whole.differences()
    assert found, f"nobody noticed: {what}"
    assert whole.id in {each.key["organization_id"] for each in found}


async def test_only_the_organization_whose_books_were_changed_is_told(whole: Purse, caplog: pytest.LogCaptureFixture):
    statement = f"UPDATE ledger_account SET balance_nanos = 7 WHERE organization_id = '{whole.id}' AND kind = 'revenue'"
    await execute(whole.store, statement)
    with caplog.at_level(logging.CRITICAL):
        assert await check_ledger(whole.administration) == 1
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert whole.id in caplog.text
    events = await whole.store.read(lambda c: audit.list_events(c, whole.id, audit.AuditFilter(action="ledger.")))
    assert [(each.action, each.target_id) for each in events] == [("ledger.difference", whole.id)]


async def test_right_books_tell_nobody_anything(whole: Purse, caplog: pytest.LogCaptureFixture):
    assert await check_ledger(whole.administration) == 0
    assert caplog.records == []
    events = await whole.store.read(lambda c: audit.list_events(c, whole.id, audit.AuditFilter(action="ledger.")))
    assert events == []
