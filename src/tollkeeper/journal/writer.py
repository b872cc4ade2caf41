"""The running journal: appends frames to the current segment, rotates it, and dies at the first fault of the disk.

Each append is one write(2) of one buffer. Nothing is tried again after a failure: admission stops, `on_fatal` ends
the process, and the next start replays what is there.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tollkeeper.domain.errors import LimitsUnavailable
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.disk import Disk, OsDisk
from tollkeeper.journal.durability import GroupCommit
from tollkeeper.journal.format import Kind, SegmentHeader, encode_frame, encode_header, encode_payload
from tollkeeper.journal.marks import forget_marks, mark_boot, read_marks
from tollkeeper.journal.payloads import record_payload, reservation_payload
from tollkeeper.journal.segments import Segment, SegmentTable
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.journal.slots import Slot, boot_id
from tollkeeper.journal.space import SpaceGuard
from tollkeeper.kit.clock import now_us

_log = logging.getLogger(__name__)

_RESERVE, _SETTLE, _FLUSHED, _RELEASE = int(Kind.RESERVE), int(Kind.SETTLE), int(Kind.FLUSHED), int(Kind.RELEASE)

_ROTATE_AGAIN_PARTS = 64
"""A rotation for which no file descriptor was left is tried again after this part of a segment."""


def exit_process(_reason: str) -> NoReturn:
    """End this process at once with exit code 1; the reason has been logged, and the queue had its last chance."""
    logging.shutdown()
    os._exit(1)


class Journal:
    """Writes one slot's journal and knows which reservations are open. Belongs to one event loop; not thread-safe."""

    def __init__(
        self,
        slot: Slot,
        settings: JournalSettings,
        *,
        disk: Disk | None = None,
        on_fatal: Callable[[str], None] = exit_process,
    ) -> None:
        self._slot = slot
        self._segment_bytes = settings.segment_bytes
        self._rotate_at = settings.segment_bytes
        self._is_safe = settings.durability == "safe"
        self._disk: Disk = disk or OsDisk()
        self._write = self._disk.write
        self._on_fatal = on_fatal
        self._boot_id = boot_id()
        self._death: str | None = None
        self._refusal: str | None = None
        self._is_closing = False
        self._sequence = 0
        self._next_number = slot.next_number()
        self._open: dict[bytes, Segment] = {}
        self._segments = SegmentTable()
        self._unsynced: list[Segment] = []  # full segments of `safe` mode whose last bytes are not on the disk yet
        self._syncing_full = 0  # how many of them the sync under way covers
        self._is_name_unsynced = False
        self._space = SpaceGuard(
            self._disk, slot.path, free_min=settings.free_min_bytes, reserve=settings.reserve_bytes
        )
        self._commit = GroupCommit(
            self._begin_sync,
            self._end_sync,
            on_failure=self._die,
            window_s=settings.sync_window_s,
            batch_max=settings.sync_batch_max,
        )
        mark_boot(slot.path, self._boot_id, disk=self._disk)
        self._current = self._begin_segment()
        self._refusal = self._space.refusal()

    @property
    def slot(self) -> Slot:
        return self._slot

    @property
    def death(self) -> str | None:
        """Why the journal died; None while it lives."""
        return self._death

    @property
    def refusal(self) -> str | None:
        """Why no call is admitted now; None while calls are."""
        return self._refusal

    @property
    def open_count(self) -> int:
        """Reservations without an end."""
        return len(self._open)

    @property
    def size(self) -> int:
        """Bytes in the segments that still exist."""
        return self._segments.size

    @property
    def segment_count(self) -> int:
        return len(self._segments)

    def append_reserve(self, reservation: Reservation) -> None:
        """Write a reservation down.

        Raises:
            LimitsUnavailable: the disk is full, it failed, or the journal is closed: the call must not go out.
            InvalidRequest: it is too large for a frame; nothing was written.
        """
        if self._refusal is not None:
            raise LimitsUnavailable(self._refusal)
        call_id = reservation.call_id
        assert call_id not in self._open, "a call is reserved once"
        payload = reservation_payload(reservation)
        try:
            segment = self._append(_RESERVE, payload)
        except OSError as error:
            self._die(error)
            raise LimitsUnavailable(str(self._refusal)) from error
        segment.open_count += 1
        self._open[call_id] = segment

    def append_settle(self, record: UsageRecord) -> int:
        """End the reservation of `record.call_id`; returns the frame's sequence, 0 when the journal is dead."""
        reserved_in = self._open.pop(record.call_id, None)
        assert reserved_in is not None, "only an open reservation is settled, and once"
        if self._death is not None:
            return 0
        payload = record_payload(record)
        try:
            segment = self._append(_SETTLE, payload)
        except OSError as error:
            self._die(error)
            return 0
        reserved_in.open_count -= 1
        # The reservation outlives a settlement that is not on the disk: a loss of power could take it.
        reserved_in.last_settlement = segment.last_settlement = self._sequence
        return self._sequence

    def append_release(self, call_id: bytes) -> None:
        """End a reservation whose call never went out: nothing will be booked for it."""
        reserved_in = self._open.pop(call_id, None)
        assert reserved_in is not None, "only an open reservation is released, and once"
        if self._death is not None:
            return
        try:
            self._append(_RELEASE, encode_payload(call_id))
        except OSError as error:
            self._die(error)
            return
        reserved_in.open_count -= 1

    def append_flushed(self, sequence: int) -> list[Path]:
        """Note that settlements up to `sequence` are in the database; returns segments that nobody needs any more."""
        if self._death is not None:
            return []
        try:
            self._append(_FLUSHED, encode_payload(sequence))
        except OSError as error:
            self._die(error)
            return []
        self._segments.flushed = sequence
        return [segment.path for segment in self._segments.take_finished()]

    def remove(self, paths: list[Path]) -> None:
        """Delete segments that `append_flushed` gave back; blocks for milliseconds, so not on the event loop.

        Raises:
            OSError: the disk refused; pass it to `die`.
        """
        for path in paths:
            self._disk.remove(path)

    async def durable(self) -> None:
        """Return when everything appended so far is on the disk.

        Raises:
            LimitsUnavailable: it never will be.
        """
        try:
            await self._commit.wait()
        except OSError as error:
            raise LimitsUnavailable(self._death or str(error)) from error

    def check_space(self) -> None:
        """Look at the free space and stop or resume admission; called a few times a second."""
        if self._death is not None or self._is_closing:
            return
        try:
            self._refusal = self._space.refusal()
        except OSError as error:
            self._die(error)

    def refuse(self, reason: str) -> None:
        """Admit no further call, for good; those under way still settle."""
        self._is_closing = True
        self._refusal = reason

    def die(self, error: OSError) -> None:
        """Stop for good because of a fault that the caller met on the journal's disk."""
        self._die(error)

    def close(self) -> None:
        """Stop writing. Segments that replay would find nothing in are deleted, the others stay for it."""
        is_dead, reason = self._death is not None, self._death or "The journal is closed."
        self._death, self._refusal = reason, reason
        self._commit.fail(OSError(errno.EBADF, reason))
        self._commit.close()
        for segment in (*self._unsynced, self._current):
            self._disk.close(segment.descriptor)
        self._unsynced = []
        if is_dead:
            return
        SpaceGuard(self._disk, self._slot.path, free_min=0, reserve=0).give_back()
        finished = self._segments.take_all()
        self.remove([segment.path for segment in finished])
        if finished and not read_marks(self._slot.path).is_broken:
            forget_marks(self._slot.path, disk=self._disk)

    def _append(self, kind: int, payload: bytes) -> Segment:
        segment = self._current
        if segment.size >= self._rotate_at:
            segment = self._rotate()
        sequence = self._sequence + 1
        frame = encode_frame(segment.seed, sequence, kind, payload)
        written = self._write(segment.descriptor, frame)
        if written != len(frame):
            raise _short_write(written, len(frame))
        segment.size += written
        self._sequence = sequence
        return segment

    def _put(self, segment: Segment, data: bytes) -> None:
        written = self._write(segment.descriptor, data)
        if written != len(data):
            raise _short_write(written, len(data))
        segment.size += written

    def _begin_segment(self) -> Segment:
        number = self._next_number
        header = SegmentHeader(
            number=number,
            first_sequence=self._sequence + 1,
            salt=secrets.token_bytes(8),
            replica_id=self._slot.replica_id,
            boot_id=self._boot_id,
            created_at_us=now_us(),
        )
        path = self._slot.segment_path(number)
        segment = Segment(number, path, seed=header.seed, descriptor=self._disk.create(path), size=0)
        self._put(segment, encode_header(header))
        self._next_number += 1
        self._is_name_unsynced = True
        self._segments.begin(segment)
        return segment

    def _rotate(self) -> Segment:
        full = self._current
        try:
            self._current = self._begin_segment()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            # Only an open asks for a descriptor, so nothing was made or written; what is open can still be written.
            self._rotate_at = full.size + max(1, self._segment_bytes // _ROTATE_AGAIN_PARTS)
            _log.warning("no new journal segment can be opened (%s): %s grows further", error, full.path)
            return full
        self._rotate_at = self._segment_bytes
        if self._is_safe:
            self._unsynced.append(full)
        else:
            self._disk.close(full.descriptor)
        return self._current

    def _begin_sync(self) -> Callable[[], None]:
        descriptors = [segment.descriptor for segment in (*self._unsynced, self._current)]
        folder = self._slot.path if self._is_name_unsynced else None
        self._is_name_unsynced = False
        self._syncing_full = len(self._unsynced)

        def sync() -> None:
            for descriptor in descriptors:
                self._disk.sync_data(descriptor)
            if folder is not None:
                self._disk.sync_directory(folder)

        return sync

    def _end_sync(self) -> None:
        synced, self._unsynced = self._unsynced[: self._syncing_full], self._unsynced[self._syncing_full :]
        for segment in synced:
            self._disk.close(segment.descriptor)

    def _die(self, error: OSError) -> None:
        if self._death is not None:
            return
        self._death = f"The journal on {self._slot.path} failed: {error}."
        self._refusal = self._death
        _log.critical("%s No call is admitted; the process ends and the next start replays.", self._death)
        self._commit.fail(error)
        self._on_fatal(self._death)


def _short_write(written: int, wanted: int) -> OSError:
    return OSError(errno.EIO, f"only {written} of {wanted} bytes were written")
