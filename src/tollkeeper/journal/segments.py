"""Which segments of a running journal are still needed: bookkeeping alone, no files."""

from __future__ import annotations

from pathlib import Path


class Segment:
    """One segment of the running journal. It can go when nothing in it is open and all its settlements are flushed."""

    __slots__ = ("descriptor", "last_settlement", "number", "open_count", "path", "seed", "size")

    def __init__(self, number: int, path: Path, *, seed: int, descriptor: int, size: int) -> None:
        self.number = number
        self.path = path
        self.seed = seed
        self.descriptor = descriptor
        self.size = size
        self.open_count = 0  # reservations written here that have not ended
        self.last_settlement = 0  # sequence of the newest SETTLE written here, or of a reservation written here

    def is_finished(self, flushed: int) -> bool:
        """Whether replay would find nothing to do here, given that settlements up to `flushed` are in the database."""
        return self.open_count == 0 and self.last_settlement <= flushed


class SegmentTable:
    """The segments of the running journal, oldest first; the last one is being written."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self.flushed = 0

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def size(self) -> int:
        """Bytes in all segments that still exist."""
        return sum(segment.size for segment in self._segments)

    def begin(self, segment: Segment) -> None:
        self._segments.append(segment)

    def take_finished(self) -> list[Segment]:
        """Forget and return the segments before the current one that can be deleted.

        They need not be the oldest: a call that stays open for an hour keeps its own segment only. Should a settlement
        go while its reservation's segment stays, replay books an estimate under the same call id and the store, which
        has the true record, keeps that.
        """
        finished = [segment for segment in self._segments[:-1] if segment.is_finished(self.flushed)]
        if finished:
            self._segments = [segment for segment in self._segments if segment not in finished]
        return finished

    def take_all(self) -> list[Segment]:
        """Forget and return every segment, the current one included, when all of them are finished; else none."""
        if any(not segment.is_finished(self.flushed) for segment in self._segments):
            return []
        segments, self._segments = self._segments, []
        return segments
