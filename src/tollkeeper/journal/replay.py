"""Settles what dead processes left in their journals; doing it twice is doing it once."""

from __future__ import annotations

import logging
import mmap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import CostState, Outcome, UsageRecord
from tollkeeper.journal.format import (
    Buffer,
    Frame,
    Kind,
    SegmentReader,
    decode_call_id,
    decode_record,
    decode_reservation,
    decode_sequence,
)
from tollkeeper.journal.insertion import RecordInserter
from tollkeeper.journal.marks import forget_marks, mark_broken, read_marks
from tollkeeper.journal.slots import DAMAGED_SUFFIX, Slot, boot_id, claim_abandoned
from tollkeeper.ports.leases import LeaseStore
from tollkeeper.ports.ledger import UsageStore

_log = logging.getLogger(__name__)

BATCH = 2_000
_SUMS = (
    "slots",
    "segments",
    "settled",
    "estimated",
    "new",
    "torn_bytes",
    "frames_missing",
    "set_aside",
    "leases",
    "quarantined",
)
CRASHED_REASON = "the gateway stopped during this call"

Progress = Callable[[int, int], None]
"""Told (bytes read, bytes there are) of a slot's journal after each segment and batch."""


class ReplayReport(msgspec.Struct):
    """What a replay found and did. `settled` and `estimated` count records given to the store, `new` those it lacked."""

    slots: int = 0
    segments: int = 0
    settled: int = 0
    estimated: int = 0
    new: int = 0
    torn_bytes: int = 0
    frames_missing: int = 0
    damaged: list[str] = []
    is_machine_restarted: bool = False
    set_aside: int = 0  # of those given to the store, the ones it refused: they are in a file
    leases: int = 0  # that ended with their process
    quarantined: int = 0  # of these, those whose use is not known for certain

    def add(self, other: ReplayReport) -> None:
        """Add another replay's findings to these."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.damaged = self.damaged + other.damaged
        self.is_machine_restarted |= other.is_machine_restarted


async def replay(
    directory: Path,
    store: UsageStore,
    *,
    leases: LeaseStore | None = None,
    is_safe: bool = False,
    progress: Progress | None = None,
) -> ReplayReport:
    """Settle what is left in every slot of `directory` that no living process owns, and end the leases they held.

    Raises:
        StoreUnavailable: nothing was deleted; try again later.
        JournalUnreadable: a segment needs a person; its slot was left as it is.
    """
    report = ReplayReport()
    for slot in claim_abandoned(directory):
        try:
            report.add(await replay_slot(slot, store, leases=leases, is_safe=is_safe, progress=progress))
        finally:
            slot.release()
    return report


async def replay_slot(
    slot: Slot,
    store: UsageStore,
    *,
    leases: LeaseStore | None = None,
    is_safe: bool = False,
    progress: Progress | None = None,
) -> ReplayReport:
    """Settle what is left in one slot that this process owns, then delete its segments; raises like `replay`.

    Damaged segments are replayed as far as they can be read, and kept under another name. `is_safe` says that the
    journal was kept in `safe` mode: all of it survived when the machine was restarted.
    """
    report = await _SlotReplay(slot, store, progress).run()
    marks = read_marks(slot.path)
    report.is_machine_restarted |= bool(marks.boots - {boot_id()})
    if leases is not None:
        is_exact = not marks.is_broken and (is_safe or not report.is_machine_restarted)
        report.leases = await leases.reclaim(slot.name, is_exact=is_exact)
        forget_marks(slot.path)
        if report.leases and not is_exact:
            report.quarantined = report.leases
            _log.critical(
                "%d leases of slot %s are in quarantine, because a part of its journal is lost: what they hold of their "
                "budgets may have been used. Compare the provider's bill, then see: tollkeeper budgets leases",
                report.leases,
                slot.number,
            )
    return report


def crashed_record(reservation: Reservation) -> UsageRecord:
    """Return what is booked for a call whose end is unknown: its ceiling, as an estimate for reconciliation to mend."""
    is_priced = reservation.ceiling_nanos is not None
    return UsageRecord(
        call_id=reservation.call_id,
        organization_id=reservation.organization_id,
        project_id=reservation.project_id,
        api_key_id=reservation.api_key_id,
        operation=reservation.operation,
        model_asked=reservation.model_asked,
        model_served=reservation.model,
        provider=reservation.provider,
        status=0,
        outcome=Outcome.CRASHED,
        is_stream=reservation.is_stream,
        started_at_us=reservation.started_at_us,
        latency_us=0,
        first_byte_us=0,
        overhead_us=0,
        service_tier="",
        quantities={},
        reasoning_tokens=0,
        is_estimated=True,
        lines=(),
        amount_nanos=reservation.ceiling_nanos,
        cost_state=CostState.ESTIMATED if is_priced else CostState.UNPRICED,
        reason=CRASHED_REASON,
        end_user=reservation.end_user,
        labels=reservation.labels,
        draws=reservation.draws,
        reserved_nanos=reservation.ceiling_nanos or 0,
    )


class _SlotReplay:
    """One pass over a slot's segments in order, holding only what has no end or no checkpoint yet."""

    def __init__(self, slot: Slot, store: UsageStore, progress: Progress | None) -> None:
        self._slot = slot
        self._inserter = RecordInserter(store, slot)
        self._progress = progress
        self._report = ReplayReport()
        self._open: dict[bytes, Reservation] = {}
        self._settled: deque[tuple[int, UsageRecord]] = deque()
        self._done_bytes = 0
        self._total_bytes = 0
        self._last_number = -1
        self._next_sequence = 0

    async def run(self) -> ReplayReport:
        paths = self._slot.segments()
        if not paths:
            return self._report
        self._report.slots, self._report.segments = 1, len(paths)
        self._total_bytes = sum(path.stat().st_size for path in paths)
        damaged = [path for path in paths if await self._read(path)]
        await self._insert([record for _, record in self._settled])
        self._report.settled += len(self._settled)
        crashed = [crashed_record(reservation) for reservation in self._open.values()]
        await self._insert(crashed)
        self._report.estimated += len(crashed)
        if damaged or self._report.frames_missing:
            mark_broken(self._slot.path)
        self._put_away(paths, damaged)
        self._announce()
        return self._report

    async def _read(self, path: Path) -> bool:
        """Take in one segment; returns whether it, or the gap before it, is damaged."""
        with _mapped(path) as data:
            reader = SegmentReader(data, name=str(path))
            is_damaged = self._check_gap(reader)
            for frame in reader:
                self._take(frame)
                if len(self._settled) >= 2 * BATCH:
                    await self._insert_oldest()
            self._report.torn_bytes += reader.torn_bytes
            self._report.frames_missing += reader.frames_missing
            self._done_bytes += len(data)
        if reader.header is not None:
            self._last_number, self._next_sequence = reader.header.number, reader.next_sequence
            self._report.is_machine_restarted |= reader.header.boot_id != boot_id()
        self._tell()
        return is_damaged or reader.is_damaged

    def _check_gap(self, reader: SegmentReader) -> bool:
        """A segment is full before the next one begins: frames that the next one counts on must have been read."""
        header = reader.header
        if header is None or header.number != self._last_number + 1:
            return False
        missing = header.first_sequence - self._next_sequence
        self._report.frames_missing += missing
        return missing > 0

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.RESERVE:
                reservation = decode_reservation(frame.payload)
                self._open[reservation.call_id] = reservation
            case Kind.SETTLE:
                record = decode_record(frame.payload)
                self._open.pop(record.call_id, None)
                self._settled.append((frame.sequence, record))
            case Kind.FLUSHED:
                flushed = decode_sequence(frame.payload)
                while self._settled and self._settled[0][0] <= flushed:
                    self._settled.popleft()
            case _:
                self._open.pop(decode_call_id(frame.payload), None)

    async def _insert_oldest(self) -> None:
        await self._insert([self._settled.popleft()[1] for _ in range(BATCH)])
        self._report.settled += BATCH

    async def _insert(self, records: list[UsageRecord]) -> None:
        for start in range(0, len(records), BATCH):
            self._report.new += await self._inserter.insert(records[start : start + BATCH])
            self._report.set_aside = self._inserter.set_aside
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done_bytes, self._total_bytes)

    def _put_away(self, paths: list[Path], damaged: list[Path]) -> None:
        for path in paths:
            if path in damaged:
                kept = path.with_suffix(DAMAGED_SUFFIX)
                path.rename(kept)
                self._report.damaged.append(str(kept))
            else:
                path.unlink()

    def _announce(self) -> None:
        report = self._report
        if report.damaged:
            _log.critical(
                "the journal is damaged: %d of its entries cannot be read. What could be read is settled; calls whose "
                "settlement is missing are booked at their reserved amount. Kept for inspection: %s. Check the disk, "
                "and compare the provider's bill for that time.",
                report.frames_missing,
                ", ".join(report.damaged),
            )
        if report.is_machine_restarted:
            _log.warning(
                "the machine was restarted since slot %s was written: with durability = fast, the calls of its last "
                "seconds may be missing from the journal",
                self._slot.number,
            )
        _log.info(
            "replayed the journal of slot %s: %d calls settled, %d booked at their reserved amount",
            self._slot.number,
            report.settled,
            report.estimated,
        )


@contextmanager
def _mapped(path: Path) -> Iterator[Buffer]:
    if path.stat().st_size == 0:
        yield b""
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
