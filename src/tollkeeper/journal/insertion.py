"""Gives records to the store; one that it can never take is set aside in a file, and the others go on."""

from __future__ import annotations

import logging

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.disk import Disk, OsDisk
from tollkeeper.journal.marks import mark_broken
from tollkeeper.journal.payloads import record_payload
from tollkeeper.journal.slots import Slot
from tollkeeper.ports.ledger import UsageStore

_log = logging.getLogger(__name__)

SET_ASIDE_NAME = "set-aside.msgpack"
_REFUSED_MAX = 20
"""So many refusals without one record taken say that the store is at fault (its tables are gone), not the records."""


class Refused(list[tuple[UsageRecord, Exception]]):
    """The records of one batch that the store does not take, and whether it took any of the others."""

    has_taken = False


class RecordInserter:
    """Inserts batches for one slot. `set_aside` counts the records that went to the file instead.

    The file, beside the slots, holds the records' payloads as the journal writes them, one after the other.
    """

    def __init__(self, store: UsageStore, slot: Slot, *, disk: Disk | None = None) -> None:
        self._store = store
        self._slot = slot
        self._path = slot.path.parent / SET_ASIDE_NAME
        self._disk: Disk = disk or OsDisk()
        self.set_aside = 0

    async def insert(self, records: list[UsageRecord]) -> int:
        """Return how many records were new; each of them is in the store or set aside.

        Raises:
            StoreUnavailable: try again later; nothing was set aside, though some may have been inserted.
        """
        try:
            return await self._store.insert_usage(records, slot=self._slot.name)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a driver raises: it must not stop the other records
            refused = Refused()
            new = await self._insert_halves(records, error, refused)
        # Only now: had the store gone away meanwhile, all of them would come again.
        for record, reason in refused:
            self._put_aside(record, reason)
        return new

    async def _insert_halves(self, records: list[UsageRecord], error: Exception, refused: Refused) -> int:
        """Halve a refused batch until the records at fault stand alone: few transactions for the many good ones."""
        if len(records) == 1:
            refused.append((records[0], error))
            return 0
        new = 0
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]):
            if len(refused) >= _REFUSED_MAX and not refused.has_taken:
                message = f"The database refuses every usage record: {error!r}"
                raise StoreUnavailable(message) from error
            try:
                new += await self._store.insert_usage(half, slot=self._slot.name)
                refused.has_taken = True
            except StoreUnavailable:
                raise
            except Exception as again:  # noqa: BLE001  # as above
                new += await self._insert_halves(half, again, refused)
        return new

    def _put_aside(self, record: UsageRecord, reason: Exception) -> None:
        try:
            mark_broken(self._slot.path, disk=self._disk)  # the leases that the call drew on will never hear of it
            self._disk.append(self._path, record_payload(record))
        except OSError as error:
            message = f"A usage record that the database refuses cannot be set aside in {self._path}: {error}"
            raise StoreUnavailable(message) from error
        self.set_aside += 1
        _log.critical(
            "the database refuses the usage record of call %s (%r): it is set aside in %s and in no report",
            record.call_id.hex(),
            reason,
            self._path,
        )
