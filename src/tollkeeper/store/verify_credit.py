"""Checks one organization's credit: grants against their uses and the books, the wallet against both and the calls."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tollkeeper.domain.ledger import TransactionKind
from tollkeeper.domain.money import AMOUNT_NANOS_MAX
from tollkeeper.store import credit_wallet
from tollkeeper.store.schema_ledger import credit_grant, credit_use
from tollkeeper.store.schema_ledger import credit_wallet as wallet_table
from tollkeeper.store.schema_limits import budget, budget_node
from tollkeeper.store.verify import Difference

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_PAGE_ROWS = 2000
_GRANTED = frozenset({TransactionKind.CREDIT_GRANT.value})
_USED = frozenset({TransactionKind.CREDIT_USE.value, TransactionKind.CREDIT_UNWIND.value})
_REMOVED = frozenset({TransactionKind.CREDIT_EXPIRY.value, TransactionKind.CREDIT_VOID.value})
_STATUSES = {"active": True, "exhausted": False}
"""Whether something remains of a grant in this state; of one that has ended it may for a while."""


class BookedCredit:
    """What the books say of credit: by grant, and by the transactions that took uses from grants."""

    def __init__(self) -> None:
        self._by_grant: dict[tuple[str, str], int] = defaultdict(int)
        self.by_use: dict[tuple[bytes, str], int] = defaultdict(int)
        self.grant_ids: set[str] = set()

    def add(self, kind: str, transaction_id: bytes, grant_id: str, amount_nanos: int) -> None:
        """Take an entry of a credit account in."""
        self._by_grant[grant_id, kind] += amount_nanos
        self.grant_ids.add(grant_id)
        if kind in _USED:
            self.by_use[transaction_id, grant_id] += amount_nanos

    def of(self, grant_id: str, kinds: frozenset[str]) -> int:
        """Return what transactions of these kinds have booked of a grant."""
        return sum(amount for (id_, kind), amount in self._by_grant.items() if id_ == grant_id and kind in kinds)


async def verify_credit(connection: AsyncConnection, organization_id: str, booked: BookedCredit) -> list[Difference]:
    """Return where an organization's credit is not what it was counted from."""
    verification = _Verification(organization_id, booked)
    await verification.run(connection)
    return verification.differences


class _Verification:
    def __init__(self, organization_id: str, booked: BookedCredit) -> None:
        self._organization_id, self._booked = organization_id, booked
        self.differences: list[Difference] = []
        self._used: dict[str, int] = defaultdict(int)
        self._uses_count = 0

    async def run(self, connection: AsyncConnection) -> None:
        await self._read_uses(connection)
        query = select(credit_grant).where(credit_grant.c.organization_id == self._organization_id)
        grants = (await connection.execute(query)).all()
        for row in grants:
            self._check_grant(row)
        for grant_id in sorted((self._booked.grant_ids | self._used.keys()) - {row.id for row in grants}):
            self._differ("credit_grant", {"grant_id": grant_id}, "id", 1, 0)
        await self._check_wallet(connection, sum(row.amount_nanos - row.removed_nanos for row in grants))

    async def _read_uses(self, connection: AsyncConnection) -> None:
        """Read every use in its order: numbers without a gap, taken back newest first, each as it is booked."""
        stack: list[tuple[str, int]] = []
        by_use: dict[tuple[bytes, str], int] = defaultdict(int)
        number = -AMOUNT_NANOS_MAX
        mine = credit_use.c.organization_id == self._organization_id
        query = select(credit_use).where(mine).order_by(credit_use.c.number).limit(_PAGE_ROWS)
        while page := (await connection.execute(query.where(credit_use.c.number > number))).all():
            for row in page:
                self._uses_count += 1
                if row.number != self._uses_count:
                    self._differ("credit_use", {"number": str(row.number)}, "number", self._uses_count, row.number)
                self._used[row.grant_id] += row.amount_nanos
                by_use[bytes(row.transaction_id), row.grant_id] += row.amount_nanos
                if not _replay(stack, row.grant_id, row.amount_nanos):
                    self._differ("credit_use", {"number": str(row.number)}, "order", None, None)
            number = page[-1].number
        for key in sorted(by_use.keys() | self._booked.by_use.keys()):
            recorded, is_booked = by_use.get(key, 0), self._booked.by_use.get(key, 0)
            if recorded != is_booked:
                named = {"transaction_id": key[0].hex(), "grant_id": key[1]}
                self._differ("credit_use", named, "amount_nanos", is_booked, recorded)

    def _check_grant(self, row: Row[Any]) -> None:
        key = {"grant_id": row.id}
        figures = (
            ("remaining_nanos", row.amount_nanos - row.removed_nanos - self._used[row.id], row.remaining_nanos),
            ("amount_nanos", -self._booked.of(row.id, _GRANTED), row.amount_nanos),
            ("used_nanos", self._booked.of(row.id, _USED), self._used[row.id]),
            ("removed_nanos", self._booked.of(row.id, _REMOVED), row.removed_nanos),
        )
        for column, expected, found in figures:
            if expected != found:
                self._differ("credit_grant", key, column, expected, found)
        if row.status in _STATUSES and _STATUSES[row.status] != (row.remaining_nanos > 0):
            self._differ("credit_grant", key, "status", None, None)
        is_over = row.status not in _STATUSES
        due_at_us = (0 if is_over else row.expires_at_us) if row.remaining_nanos > 0 else None
        if row.due_at_us != due_at_us:
            self._differ("credit_grant", key, "due_at_us", due_at_us, row.due_at_us)

    async def _check_wallet(self, connection: AsyncConnection, granted: int) -> None:
        query = select(wallet_table).where(wallet_table.c.organization_id == self._organization_id)
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            if granted or self._uses_count or await credit_wallet.is_prepaid(connection, self._organization_id):
                self._differ("credit_wallet", {}, "organization_id", 1, 0)
            return
        wallet = credit_wallet.Wallet(self._organization_id, row.budget_id, row.attributed_nanos, row.uses_count)
        used = await credit_wallet.read_used(connection, wallet)
        attributed = sum(self._used.values())
        for column, expected, found in (
            ("attributed_nanos", attributed, row.attributed_nanos),
            ("uses_count", self._uses_count, row.uses_count),
            ("attributed_nanos", min(row.attributed_nanos, used), row.attributed_nanos),
        ):
            if expected != found:
                self._differ("credit_wallet", {}, column, expected, found)
        await self._check_budget(connection, wallet, granted)

    async def _check_budget(self, connection: AsyncConnection, wallet: credit_wallet.Wallet, granted: int) -> None:
        key = {"budget_id": wallet.budget_id}
        mine = budget.c.organization_id == self._organization_id
        row = (await connection.execute(select(budget).where(mine, budget.c.id == wallet.budget_id))).one_or_none()
        if row is None:
            self._differ("budget", key, "id", 1, 0)
            return
        terms = (row.scope_kind, row.scope_id, row.model, row.unit, row.period, row.is_carried_over, row.is_hard)
        if terms != ("credit", self._organization_id, "", "usd", "total", 0, 1):
            self._differ("budget", key, "terms", None, None)
        if row.amount != granted:
            self._differ("budget", key, "amount", granted, row.amount)
        nodes = select(budget_node).where(
            budget_node.c.organization_id == self._organization_id, budget_node.c.budget_id == wallet.budget_id
        )
        for node in await connection.execute(nodes):
            if node.limit_amount != granted:
                self._differ("budget_node", key, "limit_amount", granted, node.limit_amount)

    def _differ(self, table: str, key: dict[str, str], column: str, expected: int | None, found: int | None) -> None:
        whose = {"organization_id": self._organization_id, **key}
        self.differences.append(Difference(table, whose, column, expected, found))


def _replay(stack: list[tuple[str, int]], grant_id: str, amount_nanos: int) -> bool:
    """Put a use on the stack of those that stand, or take it back from there; False when it is not the newest."""
    if amount_nanos > 0:
        stack.append((grant_id, amount_nanos))
        return True
    back = -amount_nanos
    while back and stack and stack[-1][0] == grant_id:
        _, newest = stack.pop()
        if newest > back:
            stack.append((grant_id, newest - back))
        back = max(back - newest, 0)
    return not back
