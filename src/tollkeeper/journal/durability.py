"""Group commit: many calls wait for one sync of the disk, made in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class GroupCommit:
    """Lets callers wait until what was written before they asked is on the disk.

    A round opens with the first caller and its sync starts when the window ends or the round is full, but never
    before the sync under way has ended. `begin_sync` is called on the event loop and returns the blocking work;
    `end_sync` is called on the loop after it went well. The first failure is final: it goes to `on_failure`, every
    waiter gets it, and nothing is tried again, because after a failed sync the kernel may call lost pages clean.
    """

    def __init__(
        self,
        begin_sync: Callable[[], Callable[[], None]],
        end_sync: Callable[[], None],
        *,
        on_failure: Callable[[OSError], None],
        window_s: float,
        batch_max: int,
    ) -> None:
        self._begin_sync = begin_sync
        self._end_sync = end_sync
        self._on_failure = on_failure
        self._window_s = window_s
        self._batch_max = batch_max
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-sync")
        self._round: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._is_due = False
        self._syncing: asyncio.Future[None] | None = None
        self._error: OSError | None = None

    async def wait(self) -> None:
        """Return when everything that was written before this call is durable.

        Raises:
            OSError: it never will be.
        """
        if self._error is not None:
            raise self._error
        if self._round is None:
            loop = asyncio.get_running_loop()
            self._round = loop.create_future()
            self._timer = loop.call_later(self._window_s, self._start)
            self._waiting = 0
        self._waiting += 1
        joined = self._round
        if self._waiting >= self._batch_max:
            self._start()
        await asyncio.shield(joined)  # one waiter's cancellation is not the others'

    def fail(self, error: OSError) -> None:
        """Tell everyone who waits, now or later, that the journal is dead."""
        self._error = self._error or error
        joined, self._round = self._round, None
        if self._timer is not None:
            self._timer.cancel()
        if self._syncing is not None:
            _settle(self._syncing, self._error)
        if joined is not None:
            _settle(joined, self._error)

    def close(self) -> None:
        """Wait for the sync under way and end the thread."""
        self._thread.shutdown(wait=True)

    def _start(self) -> None:
        if self._syncing is not None:
            self._is_due = True
            return
        assert self._round is not None, "a sync starts for somebody who waits"
        assert self._timer is not None, "a round has a timer"
        self._timer.cancel()
        self._syncing, self._round, self._is_due = self._round, None, False
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._begin_sync())
        work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Future[None]) -> None:
        joined, self._syncing = self._syncing, None
        assert joined is not None, "a sync that ends was under way"
        error = work.exception()
        if error is not None:
            assert isinstance(error, OSError), f"a sync may fail only as the world does, not by {error!r}"
            self._error = self._error or error
            _settle(joined, self._error)
            self._on_failure(error)
            return
        self._end_sync()
        _settle(joined, self._error)
        if self._is_due and self._round is not None:
            self._start()


def _settle(joined: asyncio.Future[None], error: OSError | None) -> None:
    if joined.done():
        return
    if error is None:
        joined.set_result(None)
        return
    joined.set_exception(error)
    joined.exception()  # every waiter may have been cancelled: then nobody asks, and that is no news
