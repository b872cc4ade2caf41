"""The hourly check of the ledger: whatever is not as it was counted is told to the log and to the audit log."""

from __future__ import annotations

import logging

from tollkeeper.control.administration import Action, Administration, Target, server_job
from tollkeeper.control.usage_bookings import book_usage
from tollkeeper.store.verify_ledger import VerifiedBooks, verify_ledger

_SHOWN_MAX = 20
_WHO = "hourly verification"
_log = logging.getLogger(__name__)


async def check_ledger(administration: Administration) -> int:
    """Book what is open, verify every organization's books; returns how many differences there are.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    await book_usage(administration.store, is_everything=True)
    count = 0
    async for books in verify_ledger(administration.store):
        if not books.differences:
            continue
        count += len(books.differences)
        _log.critical(
            "the ledger of organization '%s' has %d differences (`tollkeeper db verify` shows them all), the first: %s",
            books.organization_id,
            len(books.differences),
            books.differences[0],
        )
        await administration.change(server_job(books.organization_id, name=_WHO), _tell, books)
    return count


async def _tell(action: Action, books: VerifiedBooks) -> None:
    """Note differences in the organization's audit log: whoever reads it learns of them, and when they began."""
    shown = [
        {"table": each.table, "key": each.key, "column": each.column, "expected": each.expected, "found": each.found}
        for each in books.differences[:_SHOWN_MAX]
    ]
    after = {"differences": len(books.differences), "first": shown}
    action.record("ledger.difference", Target("ledger", books.organization_id, "ledger"), after=after)
