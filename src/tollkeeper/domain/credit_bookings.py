"""What becomes of credit as entries of the books: granted, used, taken back, expired, voided. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tollkeeper.domain.credit import CreditGrant, CreditUse, GrantKind
from tollkeeper.domain.ledger import Account, AccountKind, Entry

REVENUE = Account(AccountKind.REVENUE)
BREAKAGE = Account(AccountKind.BREAKAGE)
PROVIDER_COST = Account(AccountKind.PROVIDER_COST)
PROVIDER_PAYABLE = Account(AccountKind.PROVIDER_PAYABLE)
_PURCHASED = Account(AccountKind.CREDIT_PURCHASED)
_GIVEN = Account(AccountKind.CREDIT_PROMOTIONAL)
CREDIT_ACCOUNTS = (_PURCHASED, _GIVEN)
_SOURCES = {
    GrantKind.PURCHASED: Account(AccountKind.RECEIVABLE),
    GrantKind.TRIAL: Account(AccountKind.PROMOTION_COST),
    GrantKind.PROMOTIONAL: Account(AccountKind.PROMOTION_COST),
    GrantKind.REFUND: Account(AccountKind.REFUND_PAYABLE),
    GrantKind.ADJUSTMENT: Account(AccountKind.SUSPENSE),
}


def credit_account(kind: GrantKind) -> Account:
    """Return the account in which the unused part of such grants stands."""
    return _PURCHASED if kind is GrantKind.PURCHASED else _GIVEN


def granted(grant: CreditGrant) -> tuple[Entry, ...]:
    """Return the entries of a new grant."""
    return _moved(_SOURCES[grant.kind], grant, grant.amount_nanos)


def voided(grant: CreditGrant, amount_nanos: int) -> tuple[Entry, ...]:
    """Return the entries that take a part of a grant back to where it came from."""
    return _moved(_SOURCES[grant.kind], grant, -amount_nanos)


def expired(grant: CreditGrant, amount_nanos: int) -> tuple[Entry, ...]:
    """Return the entries of a part of a grant that nobody used in time."""
    return _moved(BREAKAGE, grant, -amount_nanos)


def used(grants: Mapping[str, CreditGrant], uses: Iterable[CreditUse]) -> tuple[Entry, ...]:
    """Return the entries of uses, line by line in their order; negative uses are taken back."""
    lines = [Entry(credit_account(grants[each.grant_id].kind), each.amount_nanos, each.grant_id) for each in uses]
    return (*lines, Entry(REVENUE, -sum(line.amount_nanos for line in lines)))


def provider_usage(amount_nanos: int) -> tuple[Entry, ...]:
    """Return the entries of what calls cost; negative when they came to less than was booked."""
    return Entry(PROVIDER_COST, amount_nanos), Entry(PROVIDER_PAYABLE, -amount_nanos)


def _moved(other: Account, grant: CreditGrant, amount_nanos: int) -> tuple[Entry, ...]:
    """Move an amount from another account into the credit; back when it is negative."""
    credit = Entry(credit_account(grant.kind), -amount_nanos, grant.id)
    return Entry(other, amount_nanos, grant.id), credit
