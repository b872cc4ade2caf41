"""The jobs of leases: what silent replicas hold is suspended, and every hour all budgets are verified."""

from __future__ import annotations

import logging

from tollkeeper.control.administration import Administration
from tollkeeper.control.lease_keeping import check_budgets, reap_leases
from tollkeeper.jobs.schedule import Job
from tollkeeper.store.engine import Store

REAP_INTERVAL_S = 10.0
VERIFY_INTERVAL_S = 3600.0

_log = logging.getLogger(__name__)


def reap(store: Store, *, longest_call_s: float) -> Job:
    """Return the job that suspends the leases of replicas silent for longer than `longest_call_s` and some more."""

    async def run() -> None:
        await reap_leases(store, longest_call_s=longest_call_s)

    return Job("reap_leases", REAP_INTERVAL_S, run)


def verify_leases(administration: Administration) -> Job:
    """Return the job that verifies budgets and leases."""

    async def run() -> None:
        if not await check_budgets(administration):
            _log.info("budgets and leases are verified: everything agrees")

    return Job("verify_budgets", VERIFY_INTERVAL_S, run)
