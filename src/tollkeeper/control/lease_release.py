"""Leases as people see them, and the end of a quarantine: somebody says how much of it was used, and answers for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.held_lease import HeldLease
from tollkeeper.domain.lease import LeaseState
from tollkeeper.store import lease_lists
from tollkeeper.store.lease_recovery import settle_quarantined

PREFIX = "lease_"
ALL_STATES = (LeaseState.OPEN, LeaseState.SUSPENSE, LeaseState.QUARANTINE)


class Stated(msgspec.Struct, frozen=True):
    """How much of a lease counts as used, in nano-USD or as a count: as its budget counts; both None is all of it."""

    nanos: int | None = None
    count: int | None = None

    def of(self, held: HeldLease) -> int | None:
        """Return the amount in the unit of the lease's budget.

        Raises:
            InvalidRequest: it is stated in the other one.
        """
        if held.is_usd and self.count is not None:
            raise InvalidRequest("This lease is on a budget of money: use 'amount_usd'.", param="amount_usd")
        if not held.is_usd and self.nanos is not None:
            raise InvalidRequest(f"This lease is on a budget of {held.unit}: use 'amount'.", param="amount")
        return self.nanos if held.is_usd else self.count


ALL_OF_IT = Stated()


class Release(msgspec.Struct, frozen=True):
    """What became of a lease: as it was, as it is, and how much counts as used from now on, in its budget's unit."""

    before: HeldLease
    after: HeldLease
    used: int


def shown_id(lease_id: bytes) -> str:
    """Return a lease's id as people write it: lease_ and 32 hexadecimal digits."""
    return PREFIX + lease_id.hex()


def read_id(text: str, *, param: str = "lease_id") -> bytes:
    """Read a lease's id.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        lease_id = bytes.fromhex(text.removeprefix(PREFIX))
        if text.startswith(PREFIX) and len(lease_id) == 16:  # bytes of a UUID
            return lease_id
    except ValueError:
        pass
    raise InvalidRequest("A lease's id is lease_ and 32 hexadecimal digits.", param=param)


async def list_leases(
    action: Action, states: Collection[LeaseState] = ALL_STATES, *, after: bytes = b"", limit: int = 100
) -> list[HeldLease]:
    """Return leases that have not ended, oldest first.

    Raises:
        PermissionDenied: the caller may not read quotas of the whole organization.
    """
    action.require("quota:read", action.organization)
    return await lease_lists.list_leases(action.connection, action.organization_id, states, after=after, limit=limit)


async def find_lease(action: Action, lease_id: bytes) -> HeldLease:
    """Return a lease, also one that has ended.

    Raises:
        NotFound: there is none of this id.
        PermissionDenied: the caller may not read quotas of the whole organization.
    """
    action.require("quota:read", action.organization)
    found = await lease_lists.get_lease(action.connection, action.organization_id, lease_id)
    if found is None:
        message = "There is no such lease."
        raise NotFound(message)
    return found


async def release_lease(
    action: Action, lease_id: bytes, *, stated: Stated = ALL_OF_IT, is_forced: bool = False
) -> Release:
    """End a lease in quarantine; what is stated of it counts as used, the rest can be used again.

    With `is_forced` one in suspense too: its replica may come back and replay a journal that says more was used, which then
    is booked in full, beyond the limit.

    Raises:
        NotFound: there is no such lease, or the caller may not know.
        PermissionDenied: the caller may not override quotas.
        Conflict: it is neither, or it is in suspense and not forced.
        InvalidRequest: less than is known to have been used, or more than it holds.
    """
    action.require("quota:override", action.organization)
    connection, organization_id = action.connection, action.organization_id
    before = await lease_lists.get_lease(connection, organization_id, lease_id)
    if before is None:
        message = "There is no such lease."
        raise NotFound(message)
    if before.state is LeaseState.SUSPENSE and not is_forced:
        raise Conflict(
            "The lease is in suspense: its server was not heard of, but may come back and say exactly what was used."
            " Start it again with its journal, or say that it never will come back (force)."
        )
    row_before, row = await settle_quarantined(
        connection, organization_id, lease_id, amount=stated.of(before), is_suspense_allowed=is_forced
    )
    after = await lease_lists.get_lease(connection, organization_id, lease_id)
    assert after is not None, "it was just written"
    action.record(
        "lease.release",
        Target("lease", shown_id(lease_id), before.holder),
        before=_audited(before) | {"state": row_before.state.value},
        after=_audited(after) | {"counts_as_used": row.amount, "is_forced": is_forced},
    )
    return Release(before, after, row.amount)


def _audited(held: HeldLease) -> dict[str, Any]:
    return {
        "state": held.state.value,
        "budget_id": held.budget_id,
        "unit": held.unit,
        "amount": held.amount,
        "consumed": held.consumed,
        "booked": held.booked,
    }
