"""Checks the ledger, organization by organization: transactions, balances, credit, and that the books are the usage."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, select, tuple_

from tollkeeper.domain.credit_bookings import CREDIT_ACCOUNTS, PROVIDER_COST, PROVIDER_PAYABLE
from tollkeeper.domain.ledger import hash_content
from tollkeeper.kit.clock import now_us
from tollkeeper.store.organizations import list_organization_ids
from tollkeeper.store.schema import usage_rollup
from tollkeeper.store.schema_ledger import ledger_account, ledger_entry, ledger_transaction, ledger_usage_day
from tollkeeper.store.usage_bookings import DAY
from tollkeeper.store.verify import Difference
from tollkeeper.store.verify_credit import BookedCredit, verify_credit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.engine import Store

_PAGE_ROWS = 2000
_US_PER_DAY = 86_400_000_000
BOOKED_WITHIN_DAYS = 2
"""Usage of a day is in the books this much later at the latest; until then less may be booked than was used."""
_CREDIT_IDS = frozenset(account.id for account in CREDIT_ACCOUNTS)


class VerifiedBooks(msgspec.Struct, frozen=True):
    """The outcome for one organization. `unbooked_nanos` is recent usage that is not in the books yet."""

    organization_id: str
    transactions: int
    unbooked_nanos: int
    differences: list[Difference]


async def verify_ledger(store: Store) -> AsyncIterator[VerifiedBooks]:
    """Verify every organization's books, each as of one moment: servers may go on writing meanwhile.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    for organization_id in await store.read(list_organization_ids):
        yield await store.read(_Verification(organization_id).run, is_snapshot=True)


class _Verification:
    """One organization's books: its transactions are read page by page, then what they come to is compared."""

    def __init__(self, organization_id: str) -> None:
        self._organization_id = organization_id
        self._differences: list[Difference] = []
        self._balances: dict[str, int] = defaultdict(int)
        self._credit = BookedCredit()
        self._count = 0

    async def run(self, connection: AsyncConnection) -> VerifiedBooks:
        after = b""
        while page := await self._page(connection, after):
            after = bytes(page[-1].id)
            self._count += len(page)
            entries = await self._entries(connection, bytes(page[0].id), after)
            for transaction in page:
                self._check_transaction(transaction, entries.pop(bytes(transaction.id), []))
            for transaction_id in entries:
                self._differ("ledger_entry", {"transaction_id": transaction_id.hex()}, "transaction_id", 1, 0)
            await self._check_reversals(connection, page)
        await self._check_orphans(connection)
        await self._check_balances(connection)
        unbooked = await self._check_usage(connection)
        self._differences += await verify_credit(connection, self._organization_id, self._credit)
        return VerifiedBooks(self._organization_id, self._count, unbooked, self._differences)

    async def _page(self, connection: AsyncConnection, after: bytes) -> Sequence[Row[Any]]:
        mine = ledger_transaction.c.organization_id == self._organization_id
        query = select(ledger_transaction).where(mine, ledger_transaction.c.id > after)
        return (await connection.execute(query.order_by(ledger_transaction.c.id).limit(_PAGE_ROWS))).all()

    async def _entries(self, connection: AsyncConnection, first: bytes, last: bytes) -> dict[bytes, list[Row[Any]]]:
        query = select(ledger_entry).where(
            ledger_entry.c.organization_id == self._organization_id,
            ledger_entry.c.transaction_id >= first,
            ledger_entry.c.transaction_id <= last,
        )
        rows = await connection.execute(query.order_by(ledger_entry.c.transaction_id, ledger_entry.c.line))
        return {id_: list(lines) for id_, lines in groupby(rows, key=lambda row: bytes(row.transaction_id))}

    def _check_transaction(self, transaction: Row[Any], entries: list[Row[Any]]) -> None:
        key = {"transaction_id": bytes(transaction.id).hex()}
        sums: dict[str, int] = defaultdict(int)
        for line, entry in enumerate(entries):
            sums[entry.account_id.rpartition(":")[2]] += entry.amount_nanos
            self._balances[entry.account_id] += entry.amount_nanos
            if entry.line != line:
                self._differ("ledger_entry", key, "line", line, entry.line)
            if entry.account_id in _CREDIT_IDS:
                self._credit.add(transaction.kind, bytes(transaction.id), entry.grant_id, entry.amount_nanos)
        if len(entries) < 2:
            self._differ("ledger_entry", key, "count", 2, len(entries))
        for total in sums.values():
            if total:
                self._differ("ledger_entry", key, "amount_nanos", 0, total)
        lines = [(entry.account_id, entry.amount_nanos, entry.grant_id) for entry in entries]
        reverses = None if transaction.reverses is None else bytes(transaction.reverses)
        content = hash_content(self._organization_id, transaction.kind, transaction.effective_at_us, reverses, lines)
        if content != bytes(transaction.content_hash):
            self._differ("ledger_transaction", key, "content_hash", None, None)

    async def _check_reversals(self, connection: AsyncConnection, page: Sequence[Row[Any]]) -> None:
        for transaction in page:
            if transaction.reverses is None:
                continue
            ids = [bytes(transaction.reverses), bytes(transaction.id)]
            before, after = [(await self._entries(connection, id_, id_)).get(id_, []) for id_ in ids]
            wanted = [(entry.account_id, -entry.amount_nanos, entry.grant_id) for entry in before]
            if not before or wanted != [(entry.account_id, entry.amount_nanos, entry.grant_id) for entry in after]:
                self._differ("ledger_transaction", {"transaction_id": ids[1].hex()}, "reverses", None, None)

    async def _check_orphans(self, connection: AsyncConnection) -> None:
        """Look for entries before the first and behind the last transaction, and between pages."""
        known = select(ledger_transaction.c.organization_id, ledger_transaction.c.id)
        query = (
            select(ledger_entry.c.transaction_id)
            .where(
                ledger_entry.c.organization_id == self._organization_id,
                tuple_(ledger_entry.c.organization_id, ledger_entry.c.transaction_id).not_in(known),
            )
            .distinct()
        )
        told = {difference.key.get("transaction_id") for difference in self._differences}
        for row in await connection.execute(query):
            if bytes(row.transaction_id).hex() not in told:
                key = {"transaction_id": bytes(row.transaction_id).hex()}
                self._differ("ledger_entry", key, "transaction_id", 1, 0)

    async def _check_balances(self, connection: AsyncConnection) -> None:
        query = select(ledger_account).where(ledger_account.c.organization_id == self._organization_id)
        found = {row.id: row for row in await connection.execute(query)}
        for account_id in sorted(found.keys() | self._balances.keys()):
            row = found.get(account_id)
            balance = row.balance_nanos if row is not None else None
            key = {"account_id": account_id}
            if balance != self._balances.get(account_id, 0):
                self._differ("ledger_account", key, "balance_nanos", self._balances.get(account_id, 0), balance)
            if row is not None and f"{row.kind}:{row.currency}" != account_id:
                self._differ("ledger_account", key, "kind", None, None)

    async def _check_usage(self, connection: AsyncConnection) -> int:
        """Compare the books with what is noted as booked, and that with the rollups; returns what is still to be booked."""
        sums = (
            select(DAY.label("day"), func.sum(usage_rollup.c.amount_nanos).label("amount_nanos"))
            .where(usage_rollup.c.organization_id == self._organization_id)
            .group_by(DAY)
        )
        used = {row.day: int(row.amount_nanos) for row in await connection.execute(sums)}
        query = select(ledger_usage_day).where(ledger_usage_day.c.organization_id == self._organization_id)
        booked = {row.day: int(row.amount_nanos) for row in await connection.execute(query)}
        total = sum(booked.values())
        for account, expected in ((PROVIDER_COST, total), (PROVIDER_PAYABLE, -total)):
            if self._balances.get(account.id, 0) != expected:
                key = {"account_id": account.id}
                self._differ("ledger_usage_day", key, "amount_nanos", expected, self._balances.get(account.id, 0))
        today, unbooked = now_us() // _US_PER_DAY, 0
        for each in sorted(used.keys() | booked.keys()):
            open_nanos = used.get(each, 0) - booked.get(each, 0)
            if open_nanos > 0 and each > today - BOOKED_WITHIN_DAYS:
                unbooked += open_nanos
            elif open_nanos:
                key = {"day": str(each)}
                self._differ("ledger_usage_day", key, "amount_nanos", used.get(each, 0), booked.get(each, 0))
        return unbooked

    def _differ(self, table: str, key: dict[str, str], column: str, expected: int | None, found: int | None) -> None:
        whose = {"organization_id": self._organization_id, **key}
        self._differences.append(Difference(table, whose, column, expected, found))
