"""What is done for leases in the background: those of silent replicas are suspended, and every hour all are verified."""

from __future__ import annotations

import logging

from tollkeeper.control.administration import Action, Administration, Target, server_job
from tollkeeper.store import lease_recovery
from tollkeeper.store.engine import Store
from tollkeeper.store.verify_leases import VerifiedBudgets, verify_budgets

_SHOWN_MAX = 20
_WHO = "hourly verification"
_log = logging.getLogger(__name__)


async def reap_leases(store: Store, *, longest_call_s: float) -> None:
    """Suspend the leases of replicas that were not heard of for longer than any of their calls can last.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    reaped = await lease_recovery.reap(store, longest_call_us=int(longest_call_s * 1_000_000))
    if reaped.suspended:
        _log.warning(
            "%d leases are in suspense: their servers were not heard of. What they hold cannot be used until they start"
            " again with their journals; `tollkeeper budgets leases` shows them",
            reaped.suspended,
        )
    if reaped.late:
        _log.warning("%d leases had ended before all that was used of them was known; it is counted now", reaped.late)


async def check_budgets(administration: Administration) -> int:
    """Verify every organization's budgets; returns how many differences there are.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    count = 0
    async for verified in verify_budgets(administration.store):
        if not verified.differences:
            continue
        count += len(verified.differences)
        _log.critical(
            "the budgets of organization '%s' have %d differences (`tollkeeper db verify` shows them all), the first: %s",
            verified.organization_id,
            len(verified.differences),
            verified.differences[0],
        )
        await administration.change(server_job(verified.organization_id, name=_WHO), _tell, verified)
    return count


async def _tell(action: Action, verified: VerifiedBudgets) -> None:
    """Note differences in the organization's audit log: whoever reads it learns of them, and when they began."""
    shown = [
        {"table": each.table, "key": each.key, "column": each.column, "expected": each.expected, "found": each.found}
        for each in verified.differences[:_SHOWN_MAX]
    ]
    after = {"differences": len(verified.differences), "first": shown}
    action.record("budget.difference", Target("budgets", verified.organization_id, "budgets"), after=after)
