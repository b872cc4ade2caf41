"""The books in the database: transactions are added, once per cause, and never changed; accounts know their balance."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.ledger import (
    Account,
    AccountKind,
    Entry,
    Transaction,
    TransactionKind,
    balances,
    require_same,
)
from tollkeeper.store.schema_ledger import ledger_account, ledger_entry, ledger_transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Row, Select, Subquery, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

_TRANSACTION = (
    ledger_transaction.c.organization_id,
    ledger_transaction.c.id,
    ledger_transaction.c.kind,
    ledger_transaction.c.idempotency_key,
    ledger_transaction.c.effective_at_us,
    ledger_transaction.c.booked_at_us,
    ledger_transaction.c.reverses,
)


async def book(connection: AsyncConnection, transaction: Transaction) -> bool:
    """Add a transaction and its entries to the books; False when its cause is booked already, which changes nothing.

    Raises:
        IdempotencyMismatch: its cause is booked with another content.
    """
    organization_id = transaction.organization_id
    content_hash = transaction.content_hash
    added = insert_missing(connection, ledger_transaction).values(
        organization_id=organization_id,
        id=transaction.id,
        kind=transaction.kind.value,
        idempotency_key=transaction.idempotency_key,
        content_hash=content_hash,
        reverses=transaction.reverses,
        effective_at_us=transaction.effective_at_us,
        booked_at_us=transaction.booked_at_us,
    )
    if (await connection.execute(added)).rowcount != 1:
        query = select(ledger_transaction.c.content_hash).where(
            ledger_transaction.c.organization_id == organization_id,
            ledger_transaction.c.idempotency_key == transaction.idempotency_key,
        )
        before = bytes((await connection.execute(query)).scalar_one())
        require_same(transaction.idempotency_key, hash_before=before, hash_now=content_hash)
        return False
    moved = balances([transaction])
    await _lock_accounts(connection, organization_id, sorted(moved))
    for account, by in sorted(moved.items()):
        changed = (
            update(ledger_account)
            .where(ledger_account.c.organization_id == organization_id, ledger_account.c.id == account.id)
            .values(balance_nanos=ledger_account.c.balance_nanos + by)
        )
        await connection.execute(changed)
    rows = [
        {
            "organization_id": organization_id,
            "transaction_id": transaction.id,
            "line": line,
            "account_id": entry.account.id,
            "amount_nanos": entry.amount_nanos,
            "grant_id": entry.grant_id,
        }
        for line, entry in enumerate(transaction.entries)
    ]
    await connection.execute(insert(ledger_entry), rows)
    return True


async def list_transactions(
    connection: AsyncConnection,
    organization_id: str,
    *,
    grant_id: str | None = None,
    before: bytes | None = None,
    limit: int = 100,
) -> list[Transaction]:
    """Return at most `limit` transactions with their entries, newest first, those older than the id `before`."""
    page = select(*_TRANSACTION).where(ledger_transaction.c.organization_id == organization_id)
    if grant_id is not None:
        of_grant = select(ledger_entry.c.transaction_id).where(
            ledger_entry.c.organization_id == organization_id, ledger_entry.c.grant_id == grant_id
        )
        page = page.where(ledger_transaction.c.id.in_(of_grant))
    if before is not None:
        page = page.where(ledger_transaction.c.id < before)
    query = _with_entries(page.order_by(ledger_transaction.c.id.desc()).limit(limit).subquery())
    rows = await connection.execute(query)
    return [_to_transaction(list(lines)) for _, lines in groupby(rows, key=lambda row: bytes(row.id))]


async def get_transaction(
    connection: AsyncConnection, organization_id: str, idempotency_key: str
) -> Transaction | None:
    """Return the transaction that a cause was booked by; None when it was not booked."""
    query = _with_entries(
        select(*_TRANSACTION)
        .where(
            ledger_transaction.c.organization_id == organization_id,
            ledger_transaction.c.idempotency_key == idempotency_key,
        )
        .subquery()
    )
    rows = (await connection.execute(query)).all()
    return _to_transaction(rows) if rows else None


async def read_balances(connection: AsyncConnection, organization_id: str) -> dict[Account, int]:
    """Return what every account of an organization comes to."""
    query = select(ledger_account.c.kind, ledger_account.c.currency, ledger_account.c.balance_nanos).where(
        ledger_account.c.organization_id == organization_id
    )
    return {Account(AccountKind(row.kind), row.currency): row.balance_nanos for row in await connection.execute(query)}


def insert_missing(connection: AsyncConnection, table: Table) -> Any:
    """Return an insert into a table that leaves alone what is there already; `rowcount` tells how much was not."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


async def _lock_accounts(connection: AsyncConnection, organization_id: str, accounts: Sequence[Account]) -> None:
    """Lock accounts in one order for all, those that there were not included: whoever comes second waits."""
    rows = [
        {
            "organization_id": organization_id,
            "id": each.id,
            "kind": each.kind.value,
            "currency": each.currency,
            "balance_nanos": 0,
        }
        for each in accounts
    ]
    await connection.execute(insert_missing(connection, ledger_account).values(rows))
    ids = [each.id for each in accounts]
    locked = select(ledger_account.c.id).where(
        ledger_account.c.organization_id == organization_id, ledger_account.c.id.in_(ids)
    )
    await connection.execute(locked.order_by(ledger_account.c.id).with_for_update())


def _with_entries(chosen: Subquery) -> Select[Any]:
    """Return a query of the entries of chosen transactions, the newest transaction first, in the order of their lines."""
    query = select(chosen, ledger_entry.c.account_id, ledger_entry.c.amount_nanos, ledger_entry.c.grant_id).join(
        ledger_entry,
        (ledger_entry.c.organization_id == chosen.c.organization_id) & (ledger_entry.c.transaction_id == chosen.c.id),
    )
    return query.order_by(chosen.c.id.desc(), ledger_entry.c.line)


def _to_transaction(lines: Sequence[Row[Any]]) -> Transaction:
    first = lines[0]
    return Transaction(
        organization_id=first.organization_id,
        id=bytes(first.id),
        kind=TransactionKind(first.kind),
        idempotency_key=first.idempotency_key,
        entries=tuple(_to_entries(lines)),
        effective_at_us=first.effective_at_us,
        booked_at_us=first.booked_at_us,
        reverses=None if first.reverses is None else bytes(first.reverses),
    )


def _to_entries(lines: Iterable[Row[Any]]) -> Iterable[Entry]:
    for line in lines:
        kind, _, currency = line.account_id.partition(":")
        yield Entry(Account(AccountKind(kind), currency), line.amount_nanos, line.grant_id)
