"""Credit: what an organization was granted, in which order it is used up, and how a use is taken back. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

PRIORITY_MAX = 100
PRIORITY_USUAL = 50
CREDIT_NANOS_MAX = 4 * 10**18
"""The most that an organization may have been granted in all: sums with what leases hold must fit 64 bits."""


class GrantKind(StrEnum):
    PURCHASED = "purchased"
    TRIAL = "trial"
    PROMOTIONAL = "promotional"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"


class GrantStatus(StrEnum):
    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    VOIDED = "voided"


GIVEN_FIRST = frozenset({GrantKind.TRIAL, GrantKind.PROMOTIONAL})
"""What is used up before what was paid for, all else being equal."""


class CreditGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Credit of one origin. At all times `amount = used + removed + remaining`, in nano-USD.

    `priority` is 0 to 100; lower is used first. `removed` is what expired or was voided. An expired or voided grant has
    something remaining as long as leases hold credit: calls that were let in before may still use it.
    """

    organization_id: str
    id: str
    kind: GrantKind
    amount_nanos: int
    remaining_nanos: int
    removed_nanos: int = 0
    priority: int = PRIORITY_USUAL
    effective_at_us: int
    expires_at_us: int | None = None
    status: GrantStatus = GrantStatus.ACTIVE
    note: str = ""
    created_by: str = ""
    created_at_us: int

    def __post_init__(self) -> None:
        assert self.amount_nanos > 0, "a grant grants something"
        assert 0 <= self.priority <= PRIORITY_MAX, "a priority is 0 to 100"
        assert self.remaining_nanos >= 0, "more was used than granted"
        assert self.removed_nanos >= 0, "nothing can be removed twice"
        assert self.used_nanos >= 0, "more was given back than used"

    @property
    def used_nanos(self) -> int:
        return self.amount_nanos - self.removed_nanos - self.remaining_nanos

    @property
    def due_at_us(self) -> int | None:
        """When what remains is to be taken away: at the end, and at once of what is over; None when nothing is."""
        if not self.remaining_nanos:
            return None
        return 0 if self.status in {GrantStatus.EXPIRED, GrantStatus.VOIDED} else self.expires_at_us


class Trial(msgspec.Struct, frozen=True):
    """The credit that new organizations are given, and for how long: none, unless there is an amount."""

    amount_nanos: int = 0
    days: int = 30


class CreditUse(msgspec.Struct, frozen=True):
    """A part of a grant that calls came to; negative when it is taken back."""

    grant_id: str
    amount_nanos: int


def burn_order(grants: Iterable[CreditGrant]) -> list[CreditGrant]:
    """Return the grants in the order in which they are used: priority, then earlier end, then what was not paid for."""
    return sorted(grants, key=_position)


def burn(grants: Iterable[CreditGrant], amount_nanos: int) -> list[CreditUse]:
    """Take an amount from grants in their order. The uses come to less when there is not as much."""
    assert amount_nanos >= 0, "what was used is not negative"
    uses: list[CreditUse] = []
    for grant in burn_order(grants):
        part = min(grant.remaining_nanos, amount_nanos)
        if part:
            uses.append(CreditUse(grant.id, part))
            amount_nanos -= part
    return uses


def unwind(newest_first: Iterable[CreditUse], amount_nanos: int) -> list[CreditUse]:
    """Take an amount back from recorded uses, the newest first: never by today's order, which may be another.

    `newest_first` is what was recorded, with what was taken back since; its beginning is enough when it comes to as much
    as is asked for. Returns negative uses, which come to less when it does not.
    """
    assert amount_nanos >= 0, "what is taken back is not negative"
    taken: list[CreditUse] = []
    back = 0  # of older uses, this much was taken back before
    for use in newest_first:
        if use.amount_nanos < 0:
            back -= use.amount_nanos
            continue
        gone = min(back, use.amount_nanos)
        back -= gone
        part = min(use.amount_nanos - gone, amount_nanos)
        if part:
            taken.append(CreditUse(use.grant_id, -part))
            amount_nanos -= part
        if not amount_nanos:
            break
    return taken


def after_uses(grants: Iterable[CreditGrant], uses: Iterable[CreditUse]) -> list[CreditGrant]:
    """Return those of the grants that uses change, as they are afterwards."""
    by_grant: dict[str, int] = {}
    for use in uses:
        by_grant[use.grant_id] = by_grant.get(use.grant_id, 0) + use.amount_nanos
    return [_with_remaining(each, each.remaining_nanos - by_grant[each.id]) for each in grants if by_grant.get(each.id)]


def after_removal(grant: CreditGrant, amount_nanos: int, status: GrantStatus) -> CreditGrant:
    """Return a grant of which a part expired or was voided."""
    assert 0 <= amount_nanos <= grant.remaining_nanos, "only what remains can be taken away"
    return msgspec.structs.replace(
        grant,
        removed_nanos=grant.removed_nanos + amount_nanos,
        remaining_nanos=grant.remaining_nanos - amount_nanos,
        status=status,
    )


def _with_remaining(grant: CreditGrant, remaining_nanos: int) -> CreditGrant:
    status = grant.status
    if status in {GrantStatus.ACTIVE, GrantStatus.EXHAUSTED}:
        status = GrantStatus.ACTIVE if remaining_nanos else GrantStatus.EXHAUSTED
    return msgspec.structs.replace(grant, remaining_nanos=remaining_nanos, status=status)


def _position(grant: CreditGrant) -> tuple[int, bool, int, bool, int, str]:
    ends_us = grant.expires_at_us
    return (
        grant.priority,
        ends_us is None,
        ends_us or 0,
        grant.kind not in GIVEN_FIRST,
        grant.created_at_us,
        grant.id,
    )
