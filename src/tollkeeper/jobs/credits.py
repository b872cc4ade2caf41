"""The jobs of the ledger: credit is used up and expires, usage is booked, and every hour all of it is verified."""

from __future__ import annotations

import logging

from tollkeeper.control.administration import Administration
from tollkeeper.control.credit_attribution import settle_credit
from tollkeeper.control.ledger_verification import check_ledger
from tollkeeper.control.usage_bookings import book_usage
from tollkeeper.jobs.schedule import Job
from tollkeeper.store.engine import Store

SETTLE_INTERVAL_S = 5.0
BOOK_INTERVAL_S = 600.0
VERIFY_INTERVAL_S = 3600.0

_log = logging.getLogger(__name__)


def settle_credits(administration: Administration) -> Job:
    """Return the job that takes what calls have used from credit grants, and what was not used in time."""

    async def run() -> None:
        await settle_credit(administration)

    return Job("settle_credits", SETTLE_INTERVAL_S, run)


def book_recent_usage(store: Store) -> Job:
    """Return the job that brings what calls cost into the books."""

    async def run() -> None:
        await book_usage(store, is_everything=False)

    return Job("book_usage", BOOK_INTERVAL_S, run)


def verify_books(administration: Administration) -> Job:
    """Return the job that verifies the ledger."""

    async def run() -> None:
        differences = await check_ledger(administration)
        if not differences:
            _log.info("the ledger is verified: everything agrees")

    return Job("verify_ledger", VERIFY_INTERVAL_S, run)
