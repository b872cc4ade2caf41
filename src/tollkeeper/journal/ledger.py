"""The ledger that the data plane uses: reservations and settlements through the journal, into the store behind it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.errors import LimitsUnavailable
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.disk import Disk
from tollkeeper.journal.flusher import Flusher, FlusherFigures
from tollkeeper.journal.replay import Progress, ReplayReport, replay, replay_slot
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.journal.slots import Slot, claim_first_free
from tollkeeper.journal.writer import Journal, exit_process
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.ports.leases import LeaseStore
from tollkeeper.ports.ledger import Ledger, UsageStore

_log = logging.getLogger(__name__)


class LedgerFigures(msgspec.Struct, frozen=True):
    """The state of the books in this process.

    `journal_bytes` is what the segments that still exist take; `waiting_bytes` about what the settled records that the
    store does not have yet take of them.
    """

    open_reservations: int
    journal_bytes: int
    journal_segments: int
    flusher: FlusherFigures
    waiting_bytes: int


class JournaledLedger:
    """Implements `ports.ledger.Ledger`. Belongs to one event loop; open it with `open_ledger`."""

    def __init__(
        self, journal: Journal, flusher: Flusher, *, settings: JournalSettings, replayed: ReplayReport
    ) -> None:
        self._journal = journal
        self._flusher = flusher
        self._is_safe = settings.durability == "safe"
        self._unflushed_max = settings.unflushed_max
        self.replayed = replayed
        """What the start found in the journals of dead processes."""

    async def reserve(self, reservation: Reservation) -> None:
        """Write a reservation down; in `safe` mode return once it is on the disk. Whoever is cancelled here owes nothing.

        Raises:
            LimitsUnavailable: the journal is full, dead or closed, or too much waits for the store.
            InvalidRequest: the reservation is too large for the journal.
        """
        if self._flusher.queued >= self._unflushed_max:
            message = "The store has not taken usage records for too long; no call is admitted until it does."
            raise LimitsUnavailable(message)
        self._journal.append_reserve(reservation)
        if self._is_safe:
            try:
                await self._journal.durable()
            except BaseException:
                self._journal.append_release(reservation.call_id)
                raise

    def settle(self, record: UsageRecord) -> None:
        """End the reservation of `record.call_id`, once; a record without an open reservation is our bug."""
        self._flusher.add(self._journal.append_settle(record), record)

    def release(self, call_id: bytes) -> None:
        """End a reservation whose call never went out: no usage record is made."""
        self._journal.append_release(call_id)

    @property
    def is_admitting(self) -> bool:
        """Tell whether a reservation could be made now."""
        return self._journal.refusal is None and self._flusher.queued < self._unflushed_max

    def figures(self) -> LedgerFigures:
        journal = self._journal
        flusher = self._flusher
        return LedgerFigures(
            journal.open_count, journal.size, journal.segment_count, flusher.figures(), flusher.estimate_bytes()
        )

    @property
    def holder(self) -> str:
        """Names this replica to the store: its slot's name."""
        return self._journal.slot.name

    def on_flushed(self, listener: Callable[[list[UsageRecord]], None]) -> None:
        """Tell `listener` of the records of each batch that the store has taken."""
        self._flusher.on_flushed = listener

    async def aclose(self, timeout_s: float, *, last: Callable[[], Awaitable[object]] | None = None) -> bool:
        """Admit nothing more, flush, and leave an empty slot; False when something is left for the next start.

        Calls under way should have settled before: a reservation still open is replayed as a crashed call. `last` is
        done when all is flushed and the slot is still ours.
        """
        self._journal.refuse("The gateway is shutting down.")
        is_flushed = await self._flusher.stop(timeout_s)
        if last is not None:
            await last()
        is_clean = is_flushed and self._journal.open_count == 0 and self._journal.death is None
        self._journal.close()
        self._journal.slot.release()
        return is_clean


async def open_ledger(
    settings: JournalSettings,
    store: UsageStore,
    *,
    leases: LeaseStore | None = None,
    disk: Disk | None = None,
    on_fatal: Callable[[str], None] = exit_process,
    progress: Progress | None = None,
) -> JournaledLedger:
    """Take a slot, settle what dead processes left in this and the other free slots, and start journal and flusher.

    The leases that they held end with that.

    Raises:
        StoreUnavailable: what was left could not be settled; nothing was lost, try again.
        JournalUnreadable: a segment needs a person.
        OSError: the journal's directory cannot be written.
    """
    slot = claim_first_free(settings.directory)
    try:
        is_safe = settings.durability == "safe"
        replayed = await replay_slot(slot, store, leases=leases, is_safe=is_safe, progress=progress)
        replayed.add(await replay(settings.directory, store, leases=leases, is_safe=is_safe, progress=progress))
        return _start(slot, settings, store, disk=disk, on_fatal=on_fatal, replayed=replayed)
    except BaseException:
        slot.release()
        raise


def _start(
    slot: Slot,
    settings: JournalSettings,
    store: UsageStore,
    *,
    disk: Disk | None,
    on_fatal: Callable[[str], None],
    replayed: ReplayReport,
) -> JournaledLedger:
    rescue = TaskGroup()

    async def flush_and_end(reason: str) -> None:
        try:
            is_flushed = await flusher.stop(settings.rescue_s, is_last_try=True)
            _log.critical(
                "settled records in memory: %s", "all stored" if is_flushed else f"{flusher.queued} not stored"
            )
        finally:
            on_fatal(reason)

    def on_death(reason: str) -> None:
        # The journal may die inside any call on the event loop. Admission has ended by now; the database may be well,
        # and memory may hold the only readable copy of what was settled.
        rescue.start(flush_and_end(reason), "journal-rescue")

    journal = Journal(slot, settings, disk=disk, on_fatal=on_death)
    flusher = Flusher(
        store, journal, settings=settings, on_bug=lambda error: on_fatal(f"The flusher failed: {error!r}")
    )
    flusher.start()
    return JournaledLedger(journal, flusher, settings=settings, replayed=replayed)


if TYPE_CHECKING:

    def _is_ledger(ledger: JournaledLedger) -> Ledger:
        return ledger
