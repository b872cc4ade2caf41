"""What new usage records have drawn, added up by lease: the flush counts it as consumed, in the records' own transaction."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tollkeeper.domain.usage import UsageRecord

_log = logging.getLogger(__name__)

Drawn = tuple[str, bytes, int]
"""An organization's id, a lease's id, and what is to be added to the lease."""


class MissingLeases:
    """Says once in the life of a process that usage was drawn on leases that are not in the database."""

    def __init__(self) -> None:
        self._is_said = False

    def note(self, wanted: int, found: int) -> None:
        """Note that of so many leases so many were there."""
        if found < wanted and not self._is_said:
            self._is_said = True
            _log.warning(
                "%d leases that calls drew on are not in the database (any more): their usage is recorded, but counts for"
                " no budget. It is said once; run: tollkeeper db verify",
                wanted - found,
            )


def drawn_of(records: Iterable[UsageRecord]) -> list[Drawn]:
    """Add up the draws of records by lease, in the order in which everybody locks leases."""
    sums: dict[tuple[str, bytes], int] = {}
    for record in records:
        if record.draws:
            organization_id = record.organization_id
            for draw in record.draws:
                key = (organization_id, draw.lease_id)
                sums[key] = sums.get(key, 0) + draw.amount
    return [(*key, amount) for key, amount in sorted(sums.items()) if amount]
