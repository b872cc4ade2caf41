"""Moves settled records from memory into the store, in order, at least every interval; the journal covers the rest."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from itertools import islice

import msgspec

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.insertion import RecordInserter
from tollkeeper.journal.payloads import record_payload
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.journal.writer import Journal
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.ports.ledger import UsageStore

_log = logging.getLogger(__name__)

_SAMPLE = 64
"""How many of the queued records are measured to tell how many bytes all of them take."""
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0
_LOG_EVERY_S = 10.0


class FlusherFigures(msgspec.Struct, frozen=True):
    """How far the store is behind. `oldest_age_s` is 0 when nothing waits; `last_error` is empty when all is well."""

    queued: int
    oldest_age_s: float
    flushed: int
    last_error: str
    set_aside: int = 0  # of the flushed ones, those that the store refused: they are in a file


def backoff_s(failures: int, jitter: float) -> float:
    """Return the pause after so many failures in a row: doubled each time up to 5 s, of which `jitter` (0-1) halves."""
    return min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 10)) * (0.5 + jitter / 2)


class Flusher:
    """The queue of settled records and the task that empties it. Belongs to one event loop.

    A record that the store can never take is set aside and the rest goes on; `on_bug` gets what our own code raises.
    """

    def __init__(
        self, store: UsageStore, journal: Journal, *, settings: JournalSettings, on_bug: Callable[[BaseException], None]
    ) -> None:
        self._inserter = RecordInserter(store, journal.slot)
        self._journal = journal
        self._settings = settings
        self._batch = settings.flush_batch
        self._queue: deque[tuple[int, float, UsageRecord]] = deque()
        self._enqueue = self._queue.append
        self._wake = asyncio.Event()
        self._tasks = TaskGroup(on_bug)
        self._is_stopping = False
        self._is_last_try = False
        self._failures = 0
        self._failed_since = 0.0
        self._logged_at = -_LOG_EVERY_S
        self._last_error = ""
        self._flushed = 0
        self.on_flushed: Callable[[list[UsageRecord]], None] = _nobody_listens
        """Told of the records of each batch that the store has taken, or that were set aside."""

    def start(self) -> None:
        """Begin to flush in the background."""
        self._tasks.start(self._run(), "journal-flusher")

    def add(self, sequence: int, record: UsageRecord) -> None:
        """Queue a settled record; `sequence` is that of its SETTLE, 0 when the journal could not take it any more."""
        self._enqueue((sequence, monotonic_s(), record))
        if len(self._queue) == self._batch:
            self._wake.set()

    @property
    def queued(self) -> int:
        return len(self._queue)

    def figures(self) -> FlusherFigures:
        age = monotonic_s() - self._queue[0][1] if self._queue else 0.0
        return FlusherFigures(len(self._queue), age, self._flushed, self._last_error, self._inserter.set_aside)

    def estimate_bytes(self) -> int:
        """Return about how many bytes the queued records take in the journal, by a sample of them."""
        queued = len(self._queue)
        sample = list(islice(self._queue, _SAMPLE))
        if not sample:
            return 0
        return sum(len(record_payload(record)) for _, _, record in sample) * queued // len(sample)

    async def stop(self, timeout_s: float, *, is_last_try: bool = False) -> bool:
        """Flush what is queued and end; False when the time was too short, so that replay has to do the rest.

        With `is_last_try` the first failure of the store is the end too.
        """
        self._is_stopping = True
        self._is_last_try |= is_last_try
        self._wake.set()
        await self._tasks.join(timeout_s)
        await self._tasks.cancel()
        return not self._queue

    async def _run(self) -> None:
        due = monotonic_s()
        while True:
            due = max(due + self._settings.flush_interval_s, monotonic_s())
            if not self._is_stopping and len(self._queue) < self._batch:
                await self._pause(due - monotonic_s())
            self._journal.check_space()
            if self._queue:
                due = monotonic_s()
                await self._flush_batch()
            elif self._is_stopping:
                return
            if self._is_last_try and self._failures:
                return

    async def _flush_batch(self) -> None:
        batch = list(islice(self._queue, self._settings.flush_batch_max))
        records = [record for _, _, record in batch]
        try:
            await self._inserter.insert(records)
        except StoreUnavailable as error:
            await self._back_off(error)
            return
        self._recovered()
        for _ in batch:
            self._queue.popleft()
        self._flushed += len(batch)
        self.on_flushed(records)
        finished = self._journal.append_flushed(batch[-1][0])  # a dead journal numbers nothing and ignores this
        if finished:
            try:
                await asyncio.to_thread(self._journal.remove, finished)
            except OSError as error:
                self._journal.die(error)

    async def _back_off(self, error: StoreUnavailable) -> None:
        now = monotonic_s()
        if self._failures == 0:
            self._failed_since = now
        self._failures += 1
        self._last_error = error.message
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.warning("%d settled records wait in the journal for the store: %s", len(self._queue), error.message)
        if self._is_last_try:
            return
        pause = backoff_s(self._failures, random.random())  # noqa: S311  # jitter, not a secret
        await self._pause(min(pause, self._settings.flush_interval_s) if self._is_stopping else pause)

    def _recovered(self) -> None:
        if self._failures:
            _log.warning("the store takes records again after %.1f s", monotonic_s() - self._failed_since)
        self._failures, self._last_error = 0, ""

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        if self._is_stopping:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


def _nobody_listens(_records: list[UsageRecord]) -> None:
    pass
