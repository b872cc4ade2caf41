"""What a replica and the store say to each other about leases: asks, answers, and the figures of a budget at a moment.

A node is a budget in one window of its period. A lease is one replica's part of a node: `amount` was taken out of the
node into its escrow, and only this replica may draw on it. A lease grows and shrinks by numbered operations, so that a
repeated one changes nothing; it never comes back by time alone, because what it holds may have been used.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

AMOUNT_MAX = 2**63 - 1
"""Of a budget, a node or a lease, in the budget's unit: what a column holds."""


class LeaseState(StrEnum):
    OPEN = "open"
    SUSPENSE = "suspense"  # its replica was not heard of for too long: the escrow stays until its journal is replayed
    QUARANTINE = "quarantine"  # a part of the journal is lost: it stays until a person or a reconciliation decides
    CLOSED = "closed"


class Figures(msgspec.Struct, frozen=True, array_like=True):
    """A node at a moment: what it amounts to, what was used of it, and what all leases hold of the rest."""

    limit: int
    used: int
    escrow: int
    window_start_us: int
    window_end_us: int | None
    at_us: int

    @property
    def left(self) -> int:
        return self.limit - self.used - self.escrow


class Draw(msgspec.Struct, array_like=True, gc=False):
    """What one call takes from one lease: at first the reserved amount, in the end what it came to.

    `left`, `limit` and `used` are what was known of the lease and its node when the call was admitted.
    """

    lease_id: bytes
    amount: int
    left: int = 0
    limit: int = 0
    used: int = 0


class Ask(msgspec.Struct, frozen=True):
    """One operation on one lease, made anew when there is none of this id.

    The lease grows by at least `need`, or not at all; by as much of `exact` as there is when the node is nearly used up;
    else by up to `want`. Before that it shrinks by `give_back`. With `is_closing` nothing is drawn on it and everything
    settled is in the database: the rest goes back and it ends. `operation` is 1 for a new lease, then one more each time.
    """

    organization_id: str
    budget_id: str
    lease_id: bytes
    operation: int
    need: int = 0
    exact: int = 0
    want: int = 0
    give_back: int = 0
    is_closing: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What became of an ask.

    `amount` is the lease's from now on. `is_exact` asks to give back what is not drawn at once. `others` is what other
    replicas' leases hold and have not used as far as is known; `recalled_us` for how long they have been asked for it.
    """

    lease_id: bytes
    outcome: Literal[
        "done",  # the lease has `amount`
        "denied",  # it could not grow by `need`; a `give_back` was done
        "over",  # its window has ended: it does not grow any more
        "stopped",  # nothing more is let in until the window ends or a person says so
        "gone",  # there is no such budget any more: nothing is to be held to it
        "lost",  # the lease is in quarantine, or another has closed it: nothing may be drawn on it any more
    ]
    amount: int = 0
    figures: Figures | None = None
    ends_in_us: int | None = None  # until the window's end, by the store's clock
    is_exact: bool = False
    others: int = 0
    recalled_us: int = 0


class Pulse(msgspec.Struct, frozen=True):
    """What the store tells a replica that says it is alive.

    `replicas` is how many are alive. `recalled` are its leases whose idle part others need; `lost` those in quarantine.
    """

    replicas: int
    recalled: tuple[bytes, ...] = ()
    lost: tuple[bytes, ...] = ()
