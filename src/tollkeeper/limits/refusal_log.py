"""Keeps refused calls in memory and writes them into the store in batches, at least every second."""

from __future__ import annotations

import logging
from asyncio import CancelledError, Event, timeout
from collections import Counter, deque

import msgspec

from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.ports.refusals import RefusalLog, RefusalStore

INTERVAL_S = 0.5
WAITING_MAX = 10_000
BATCH_MAX = 1_000
BATCHES_MAX = 10
KEPT_PER_MINUTE_MAX, KEPT_PER_DAY_MAX = 100, 5_000
"""Of one key, by one replica: a program that goes on calling after its budget ended must not fill the database."""
_WAIT_MAX_S = 5.0
_MINUTE_S, _DAY_S = 60.0, 86_400.0
_LOG_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class RefusalFigures(msgspec.Struct, frozen=True):
    """How many refusals wait, were written, and were dropped because too many waited or one key had too many."""

    waiting: int
    written: int
    dropped: int


class _KeptOfKeys:
    """How many refused calls of each key were kept in the present span of time."""

    def __init__(self, kept_max: int, span_s: float) -> None:
        self._kept_max, self._span_s = kept_max, span_s
        self._began_s = monotonic_s()
        self.by_key: Counter[str] = Counter()

    def has_room(self, key_id: str, now_s: float) -> bool:
        if now_s - self._began_s >= self._span_s:
            self.by_key.clear()
            self._began_s = now_s
        return self.by_key[key_id] < self._kept_max


class BatchedRefusalLog:
    """Satisfies `ports.refusals.RefusalLog`. Belongs to one event loop; `start` begins to write, `aclose` writes the rest.

    While the store is away the latest refusals wait; the oldest are dropped when more than `waiting_max` do.
    """

    def __init__(self, store: RefusalStore, *, interval_s: float = INTERVAL_S, waiting_max: int = WAITING_MAX) -> None:
        self._store, self._interval_s = store, interval_s
        self._queue: deque[RefusedCall] = deque(maxlen=waiting_max)
        self._tasks = TaskGroup()
        self._stop = Event()
        self._kept = (_KeptOfKeys(KEPT_PER_MINUTE_MAX, _MINUTE_S), _KeptOfKeys(KEPT_PER_DAY_MAX, _DAY_S))
        self._written = self._dropped = self._told_of = 0
        self._told_at_s = -_LOG_EVERY_S

    def start(self) -> None:
        """Begin to write in the background."""
        self._tasks.start(self._run(), "refusal log")

    def note(self, refused: RefusedCall) -> None:
        """Note a refused call; see `ports.refusals.RefusalLog`."""
        now_s = monotonic_s()
        is_kept = all(each.has_room(refused.api_key_id, now_s) for each in self._kept)
        if is_kept:
            for each in self._kept:
                each.by_key[refused.api_key_id] += 1
        if not is_kept or len(self._queue) == self._queue.maxlen:
            self._dropped += 1
        if is_kept:
            self._queue.append(refused)

    def figures(self) -> RefusalFigures:
        return RefusalFigures(len(self._queue), self._written, self._dropped)

    async def aclose(self, timeout_s: float = 5.0) -> None:
        """Write what waits, and end; what the store does not take in time is dropped."""
        self._stop.set()
        await self._tasks.join(timeout_s)
        await self._tasks.cancel()
        if self._queue:
            _log.warning("%d refused calls were not written down; they cannot be explained", len(self._queue))

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._pause(min(self._interval_s * 2**failures, _WAIT_MAX_S))
            is_last = self._stop.is_set()
            try:
                await self._write_waiting()
                failures = 0
            except StoreUnavailable:
                failures = min(failures + 1, 8)
            self._tell_of_dropped()
            if is_last:
                return

    async def _write_waiting(self) -> None:
        """Write a few batches: what comes faster than that is a flood, of which the newest part is enough."""
        for _ in range(BATCHES_MAX):
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
            if not batch:
                return
            try:
                await self._store.insert_refusals(batch)
                self._written += len(batch)
            except (StoreUnavailable, CancelledError):
                self._put_back(batch)
                raise
            except Exception:  # noqa: BLE001  # a bug of ours must not come back with the same batch for ever
                _log.exception("%d refused calls cannot be written down; they are dropped", len(batch))
                self._dropped += len(batch)

    def _put_back(self, batch: list[RefusedCall]) -> None:
        assert self._queue.maxlen is not None, "the queue is bounded"
        kept = batch[max(0, len(batch) + len(self._queue) - self._queue.maxlen) :]
        self._dropped += len(batch) - len(kept)
        self._queue.extendleft(reversed(kept))

    async def _pause(self, duration_s: float) -> None:
        try:
            async with timeout(duration_s):
                await self._stop.wait()
        except TimeoutError:
            pass

    def _tell_of_dropped(self) -> None:
        now_s = monotonic_s()
        if self._dropped > self._told_of and now_s - self._told_at_s >= _LOG_EVERY_S:
            _log.warning("%d refused calls were not kept: too many came at once", self._dropped - self._told_of)
            self._told_of, self._told_at_s = self._dropped, now_s


def _is_refusal_log(log: BatchedRefusalLog) -> RefusalLog:
    return log
