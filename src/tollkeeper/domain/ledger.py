"""The books: append-only double entry. Accounts, entries, and transactions that sum to zero or cannot be made.

Amounts are nano of the account's currency. A debit is positive, a credit negative: what the organization may still use
stands as a negative balance, because whoever runs this installation owes it. Nothing is ever changed; a correction is
another transaction, and an exact one is the `reversal`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from tollkeeper.domain.errors import IdempotencyMismatch
from tollkeeper.domain.money import AMOUNT_NANOS_MAX


class AccountKind(StrEnum):
    """What an account is for. Payments, taxes and currencies have theirs already, so that they need no other books."""

    CASH_PSP = "cash_psp"  # money that a payment provider has collected
    RECEIVABLE = "receivable"  # what is still to be paid for purchased credit
    CREDIT_PURCHASED = "credit_purchased"  # bought, not used yet
    CREDIT_PROMOTIONAL = "credit_promotional"  # given, not used yet
    PROMOTION_COST = "promotion_cost"  # what given credit costs
    REFUND_PAYABLE = "refund_payable"  # what is given back
    PROVIDER_COST = "provider_cost"  # what calls cost
    PROVIDER_PAYABLE = "provider_payable"  # what providers are owed for them
    REVENUE = "revenue"  # credit that was used
    BREAKAGE = "breakage"  # credit that expired
    SUSPENSE = "suspense"  # what nobody has explained yet
    DEFERRED_REVENUE = "deferred_revenue"
    VAT_PAYABLE = "vat_payable"
    FX = "fx"
    DEBT = "debt"


class TransactionKind(StrEnum):
    CREDIT_GRANT = "credit_grant"
    CREDIT_USE = "credit_use"  # what calls came to, taken from grants
    CREDIT_UNWIND = "credit_unwind"  # calls came to less than was taken: the newest uses are given back
    CREDIT_EXPIRY = "credit_expiry"
    CREDIT_VOID = "credit_void"
    PROVIDER_USAGE = "provider_usage"  # what a day's calls cost more than was booked before
    REVERSAL = "reversal"


class Account(msgspec.Struct, frozen=True, order=True):
    """An organization has one account of a kind per currency."""

    kind: AccountKind
    currency: str = "USD"  # ISO 4217

    @property
    def id(self) -> str:
        return f"{self.kind.value}:{self.currency}"


class Entry(msgspec.Struct, frozen=True):
    """One line: `amount_nanos` is a debit when positive, a credit when negative. `grant_id` says whose credit moved."""

    account: Account
    amount_nanos: int
    grant_id: str = ""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that belong together. `id` is a uuid7; `reverses` is the id of the one whose exact opposite this is.

    `idempotency_key` names the cause: within an organization one cause is booked once.

    Raises:
        AssertionError: the entries do not sum to zero in every currency, or one of them is no amount.
    """

    organization_id: str
    id: bytes
    kind: TransactionKind
    idempotency_key: str
    entries: tuple[Entry, ...]
    effective_at_us: int
    booked_at_us: int
    reverses: bytes | None = None

    def __post_init__(self) -> None:
        assert len(self.entries) >= 2, "a transaction moves something from somewhere to somewhere"
        assert self.idempotency_key, "a transaction has a cause"
        for entry in self.entries:
            assert entry.amount_nanos, "an entry of nothing says nothing"
            assert -AMOUNT_NANOS_MAX <= entry.amount_nanos <= AMOUNT_NANOS_MAX, "an amount fits 64 bits"
        assert not any(sums(self.entries).values()), "the entries of a transaction sum to zero"

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of what is booked, without the id and the time of booking: the same for a repeated request."""
        lines = [(entry.account.id, entry.amount_nanos, entry.grant_id) for entry in self.entries]
        return hash_content(self.organization_id, self.kind.value, self.effective_at_us, self.reverses, lines)


def hash_content(
    organization_id: str,
    kind: str,
    effective_at_us: int,
    reverses: bytes | None,
    lines: Sequence[tuple[str, int, str]],
) -> bytes:
    """Return SHA-256 of what is booked; `lines` are (account id, amount, grant id). Also of what is no transaction."""
    content = (organization_id, kind, effective_at_us, reverses, lines)
    return hashlib.sha256(msgspec.msgpack.encode(content)).digest()


def sums(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the sum of the entries by currency."""
    found: dict[str, int] = {}
    for entry in entries:
        found[entry.account.currency] = found.get(entry.account.currency, 0) + entry.amount_nanos
    return found


def balances(transactions: Iterable[Transaction]) -> dict[Account, int]:
    """Return what every account comes to, counted from nothing."""
    found: dict[Account, int] = {}
    for transaction in transactions:
        for entry in transaction.entries:
            found[entry.account] = found.get(entry.account, 0) + entry.amount_nanos
    return found


def reversal(of: Transaction, *, id_: bytes, kind: TransactionKind, idempotency_key: str, at_us: int) -> Transaction:
    """Return the transaction that takes another one back exactly."""
    return Transaction(
        organization_id=of.organization_id,
        id=id_,
        kind=kind,
        idempotency_key=idempotency_key,
        entries=opposite(of.entries),
        effective_at_us=at_us,
        booked_at_us=at_us,
        reverses=of.id,
    )


def opposite(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries that bring every balance back to where these found it."""
    return tuple(msgspec.structs.replace(entry, amount_nanos=-entry.amount_nanos) for entry in entries)


def require_same(key: str, *, hash_before: bytes, hash_now: bytes) -> None:
    """Pass when what was booked for a cause before is what is to be booked for it now.

    Raises:
        IdempotencyMismatch: it is something else.
    """
    if hash_before != hash_now:
        raise IdempotencyMismatch(f"'{key}' is booked already, with another content; a new cause needs a new key.")
