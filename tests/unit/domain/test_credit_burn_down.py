"""Credit is used, taken back and expires to the nano as a small oracle says, which moves one nano at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain import credit_bookings
from tollkeeper.domain.credit import (
    CreditGrant,
    CreditUse,
    GrantKind,
    GrantStatus,
    after_removal,
    after_uses,
    burn,
    burn_order,
    unwind,
)
from tollkeeper.domain.ledger import Account, AccountKind, Entry, Transaction, TransactionKind, balances

AMOUNTS = st.integers(min_value=1, max_value=30)


def make_grant(number: int, amount: int, **terms: object) -> CreditGrant:
    return CreditGrant(
        **{
            "organization_id": "org_1",
            "id": f"grant_{number:03}",
            "kind": GrantKind.PURCHASED,
            "amount_nanos": amount,
            "remaining_nanos": amount,
            "effective_at_us": 0,
            "created_at_us": 0,
            **terms,
        }
    )


class Oracle:
    """Knows every single nano: where it is, and in which order they were used."""

    def __init__(self) -> None:
        self.left: dict[CreditGrant, int] = {}
        self.used: list[CreditGrant] = []
        self.expired = 0

    def grant(self, grant: CreditGrant) -> None:
        self.left[grant] = grant.amount_nanos

    def use(self, amount: int) -> None:
        for _ in range(amount):
            candidates = [grant for grant, left in self.left.items() if left]
            if not candidates:
                return
            first = candidates[0]
            for other in candidates[1:]:
                if self.is_before(other, first):
                    first = other
            self.left[first] -= 1
            self.used.append(first)

    def take_back(self, amount: int) -> None:
        for _ in range(amount):
            self.left[self.used.pop()] += 1

    def expire(self, grant: CreditGrant, most: int) -> None:
        part = min(self.left[grant], most)
        self.left[grant] -= part
        self.expired += part

    @staticmethod
    def is_before(one: CreditGrant, other: CreditGrant) -> bool:
        if one.priority != other.priority:
            return one.priority < other.priority
        if one.expires_at_us != other.expires_at_us:
            if one.expires_at_us is None or other.expires_at_us is None:
                return other.expires_at_us is None
            return one.expires_at_us < other.expires_at_us
        given = [grant.kind in {GrantKind.TRIAL, GrantKind.PROMOTIONAL} for grant in (one, other)]
        if given[0] != given[1]:
            return given[0]
        return (one.created_at_us, one.id) < (other.created_at_us, other.id)


@dataclass
class Books:
    """Does with the domain's functions what the store does with rows."""

    grants: dict[str, CreditGrant] = field(default_factory=dict)
    uses: list[CreditUse] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    balances: dict[Account, int] = field(default_factory=dict)

    def grant(self, grant: CreditGrant) -> None:
        self.grants[grant.id] = grant
        self.book(TransactionKind.CREDIT_GRANT, credit_bookings.granted(grant))

    def use(self, amount: int) -> None:
        self.take(TransactionKind.CREDIT_USE, burn(self.grants.values(), amount))

    def take_back(self, amount: int) -> None:
        self.take(TransactionKind.CREDIT_UNWIND, unwind(reversed(self.uses), amount))

    def take(self, kind: TransactionKind, uses: list[CreditUse]) -> None:
        if uses:
            self.book(kind, credit_bookings.used(self.grants, uses))
            self.uses += uses
            self.grants |= {grant.id: grant for grant in after_uses(self.grants.values(), uses)}

    def expire(self, grant_id: str, most: int) -> None:
        grant = self.grants[grant_id]
        part = min(grant.remaining_nanos, most)
        self.grants[grant_id] = after_removal(grant, part, GrantStatus.EXPIRED)
        if part:
            self.book(TransactionKind.CREDIT_EXPIRY, credit_bookings.expired(grant, part))

    def book(self, kind: TransactionKind, entries: tuple[Entry, ...]) -> None:
        number = len(self.transactions)
        made = Transaction(
            organization_id="org_1",
            id=number.to_bytes(16, "big"),
            kind=kind,
            idempotency_key=str(number),
            entries=entries,
            effective_at_us=0,
            booked_at_us=0,
        )
        self.transactions.append(made)
        for entry in made.entries:
            self.balances[entry.account] = self.balances.get(entry.account, 0) + entry.amount_nanos

    def balance(self, kind: AccountKind) -> int:
        return self.balances.get(Account(kind), 0)


@given(st.data())
def test_burn_down_equals_the_oracle_to_the_nano(data: st.DataObject):
    oracle, books = Oracle(), Books()
    first_of: dict[str, CreditGrant] = {}
    for number in range(data.draw(st.integers(3, 25), label="steps")):
        step = data.draw(st.sampled_from(["grant", "use", "use", "take back", "expire"]), label="step")
        if step == "grant" or not first_of:
            grant = make_grant(
                number,
                data.draw(AMOUNTS, label="amount"),
                kind=data.draw(st.sampled_from(GrantKind)),
                priority=data.draw(st.sampled_from([0, 50, 100])),
                expires_at_us=data.draw(st.sampled_from([None, 10, 20])),
                created_at_us=data.draw(st.integers(0, 2)),
            )
            first_of[grant.id] = grant
            oracle.grant(grant)
            books.grant(grant)
        elif step == "use":
            amount = data.draw(AMOUNTS, label="used")
            oracle.use(amount)
            books.use(amount)
        elif step == "take back":
            amount = data.draw(st.integers(0, len(oracle.used)), label="back")
            oracle.take_back(amount)
            books.take_back(amount)
        else:
            grant = first_of[data.draw(st.sampled_from(sorted(first_of)), label="ends")]
            most = data.draw(AMOUNTS, label="not held")
            oracle.expire(grant, most)
            books.expire(grant.id, most)
        assert {id_: grant.remaining_nanos for id_, grant in books.grants.items()} == {
            grant.id: left for grant, left in oracle.left.items()
        }
        assert sum(use.amount_nanos for use in books.uses) == len(oracle.used)
        assert books.balances == {**dict.fromkeys(books.balances, 0), **balances(books.transactions)}
        assert sum(books.balances.values()) == 0
        assert books.balance(AccountKind.REVENUE) == -len(oracle.used)
        assert books.balance(AccountKind.BREAKAGE) == -oracle.expired
        unused = books.balance(AccountKind.CREDIT_PURCHASED) + books.balance(AccountKind.CREDIT_PROMOTIONAL)
        assert unused == -sum(oracle.left.values())


@given(st.lists(AMOUNTS, min_size=1, max_size=6), st.lists(AMOUNTS, max_size=6), AMOUNTS)
def test_a_use_that_is_taken_back_leaves_everything_as_it_was(granted: list[int], used_before: list[int], amount: int):
    books = Books()
    for number, each in enumerate(granted):
        books.grant(make_grant(number, each, priority=number % 3))
    for each in used_before:
        books.use(each)
    grants, sums = dict(books.grants), dict(books.balances)
    count = sum(use.amount_nanos for use in books.uses)
    books.use(amount)
    books.take_back(sum(use.amount_nanos for use in books.uses) - count)
    assert books.grants == grants
    assert {account: each for account, each in books.balances.items() if each} == {k: v for k, v in sums.items() if v}


def test_what_is_taken_back_goes_where_it_came_from_although_another_grant_is_first_today():
    books = Books()
    books.grant(make_grant(1, 10))
    books.use(4)
    books.grant(make_grant(2, 10, priority=0))
    books.take_back(3)
    assert {id_: grant.remaining_nanos for id_, grant in books.grants.items()} == {"grant_001": 9, "grant_002": 10}


def test_the_order_is_priority_then_end_then_given_before_paid_then_age_then_id():
    wanted = [
        make_grant(9, 1, priority=1, created_at_us=9),
        make_grant(8, 1, expires_at_us=5, created_at_us=8),
        make_grant(7, 1, expires_at_us=6, created_at_us=7),
        make_grant(6, 1, kind=GrantKind.TRIAL, created_at_us=6),
        make_grant(4, 1, created_at_us=3),
        make_grant(3, 1, created_at_us=4),
        make_grant(5, 1, created_at_us=4),
    ]
    assert burn_order(reversed(wanted)) == wanted


def test_more_than_there_is_uses_all_there_is():
    uses = burn([make_grant(1, 3), make_grant(2, 4)], 100)
    assert uses == [CreditUse("grant_001", 3), CreditUse("grant_002", 4)]


def test_a_grant_is_exhausted_by_its_last_nano_and_active_again_when_one_comes_back():
    books = Books()
    books.grant(make_grant(1, 3))
    books.use(3)
    assert books.grants["grant_001"].status is GrantStatus.EXHAUSTED
    books.take_back(1)
    assert books.grants["grant_001"].status is GrantStatus.ACTIVE


@pytest.mark.parametrize(
    "wrong", [{"remaining_nanos": -1}, {"amount_nanos": 0}, {"removed_nanos": 6}, {"priority": 101}]
)
def test_a_grant_that_cannot_be_is_not_made(wrong: dict[str, int]):
    with pytest.raises(AssertionError):
        make_grant(1, 5, **wrong)
