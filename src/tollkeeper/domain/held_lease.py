"""A lease as people look at it: whose it is, on which budget, and what it takes from it."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.lease import LeaseState


class HeldLease(msgspec.Struct, frozen=True):
    """A lease with its budget, whose columns are "" when it was deleted (then it counts as money); `heard_at_us` is its replica's last sign of life."""

    id: bytes
    budget_id: str
    window_start_us: int
    holder: str
    state: LeaseState
    amount: int
    consumed: int
    booked: int
    created_at_us: int
    updated_at_us: int
    scope_kind: str
    scope_id: str
    unit: str
    period: str
    model: str
    heard_at_us: int | None

    @property
    def is_usd(self) -> bool:
        return self.unit in {"usd", ""}

    @property
    def held(self) -> int:
        """What it takes from its budget beyond what is known to have been used."""
        return 0 if self.state is LeaseState.CLOSED else max(self.amount - self.consumed, 0)
