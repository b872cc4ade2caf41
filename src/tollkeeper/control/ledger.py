"""The books as people read them: transactions with their entries."""

from __future__ import annotations

from tollkeeper.control.administration import Action
from tollkeeper.domain.ledger import Transaction
from tollkeeper.store import ledger


async def list_transactions(
    action: Action, *, grant_id: str | None = None, before: bytes | None = None, limit: int = 100
) -> list[Transaction]:
    """Return at most `limit` transactions, newest first, those older than the id `before`; only a grant's, when asked.

    Raises:
        PermissionDenied: the caller may not read billing.
    """
    action.require("billing:read", action.organization)
    return await ledger.list_transactions(
        action.connection, action.organization_id, grant_id=grant_id, before=before, limit=limit
    )
