"""Transactions sum to zero or cannot be made, reversals are exact, and one cause is booked with one content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.errors import IdempotencyMismatch
from tollkeeper.domain.ledger import (
    Account,
    AccountKind,
    Entry,
    Transaction,
    TransactionKind,
    balances,
    require_same,
    reversal,
    sums,
)

ACCOUNTS = st.builds(Account, st.sampled_from(AccountKind), st.sampled_from(["USD", "KRW"]))
AMOUNTS = st.integers(-(2**40), 2**40).filter(bool)
ENTRIES = st.lists(st.builds(Entry, ACCOUNTS, AMOUNTS), min_size=1, max_size=6)


def make(entries: list[Entry] | tuple[Entry, ...], **changes: object) -> Transaction:
    return Transaction(
        **{
            "organization_id": "org_1",
            "id": b"\x01" * 16,
            "kind": TransactionKind.CREDIT_USE,
            "idempotency_key": "cause",
            "entries": tuple(entries),
            "effective_at_us": 1,
            "booked_at_us": 2,
            **changes,
        }
    )


def balanced(entries: list[Entry]) -> list[Entry]:
    rest = [Entry(Account(AccountKind.SUSPENSE, each), -total) for each, total in sums(entries).items() if total]
    return [*entries, *rest]


@given(ENTRIES)
def test_only_what_sums_to_zero_in_every_currency_can_be_made(entries: list[Entry]):
    if any(sums(entries).values()):
        with pytest.raises(AssertionError):
            make([*entries, *entries])
    made = make(balanced(entries) if any(sums(entries).values()) else [*entries, *entries])
    assert not any(sums(made.entries).values())


def test_two_currencies_do_not_balance_each_other():
    with pytest.raises(AssertionError):
        make([Entry(Account(AccountKind.FX, "USD"), 5), Entry(Account(AccountKind.FX, "KRW"), -5)])


@pytest.mark.parametrize("amount", [0, 2**63])
def test_an_entry_of_nothing_or_beyond_64_bits_is_refused(amount: int):
    with pytest.raises(AssertionError):
        make([Entry(Account(AccountKind.FX), amount), Entry(Account(AccountKind.DEBT), -amount)])


@given(st.lists(ENTRIES, max_size=5), ENTRIES)
def test_a_reversal_is_the_identity(before: list[list[Entry]], entries: list[Entry]):
    transactions = [make(balanced(each)) for each in before if any(sums(each).values())]
    if not any(sums(entries).values()):
        return
    wrong = make(balanced(entries))
    undone = reversal(wrong, id_=b"\x02" * 16, kind=TransactionKind.REVERSAL, idempotency_key="undo", at_us=3)
    found = balances([*transactions, wrong, undone])
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in balances(transactions).items() if v}
    assert undone.reverses == wrong.id


def test_the_same_cause_with_another_content_is_told():
    entries = [Entry(Account(AccountKind.FX), 5), Entry(Account(AccountKind.DEBT), -5)]
    one = make(entries)
    again = make(entries, id=b"\x09" * 16, booked_at_us=99)
    require_same("cause", hash_before=one.content_hash, hash_now=again.content_hash)
    other = make([Entry(Account(AccountKind.FX), 6), Entry(Account(AccountKind.DEBT), -6)])
    for changed in (other, make(entries, kind=TransactionKind.CREDIT_VOID), make(entries, reverses=b"\x05" * 16)):
        with pytest.raises(IdempotencyMismatch):
            require_same("cause", hash_before=one.content_hash, hash_now=changed.content_hash)
