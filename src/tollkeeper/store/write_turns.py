"""Whose turn it is to write to an SQLite file: tasks and processes write one after the other, in the order they came.

SQLite alone lets whoever finds the file locked sleep and try again, up to a tenth of a second each time. Next to a busy
writer, who comes back sooner, that can go on until the sleeper gives up: then leases could not be exchanged under load.
The kernel wakes those who wait for a file lock as soon as it is free.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from tollkeeper.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SUFFIX = "-turn"


class WriteTurns:
    """The turns at one database file; the lock is a file of its own beside it."""

    def __init__(self, database: str, *, timeout_s: float) -> None:
        self._path = database + SUFFIX
        self._timeout_s = timeout_s
        self._waiting = asyncio.Lock()  # one task of this process waits in the kernel, the others wait here

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait until nobody else writes, and keep it so meanwhile.

        Raises:
            StoreUnavailable: others wrote all the time.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._waiting:
                descriptor = self._try()
                if descriptor is None:
                    descriptor = await self._wait()
        except TimeoutError:
            message = f"The database is busy: others have been writing to it for {self._timeout_s:.0f} seconds."
            raise StoreUnavailable(message) from None
        try:
            yield
        finally:
            os.close(descriptor)

    def _try(self) -> int | None:
        """Return the descriptor that holds the lock; None when somebody else has it."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    async def _wait(self) -> int:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[int] = loop.create_future()

        def deliver(descriptor: int) -> None:
            if found.done():
                os.close(descriptor)  # nobody waits for it any more
            else:
                found.set_result(descriptor)

        def wait() -> None:
            descriptor = self._open()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                loop.call_soon_threadsafe(deliver, descriptor)
            except RuntimeError:  # the loop is closed
                os.close(descriptor)

        # Not one of a pool's: a thread that waits for a process that hangs must not keep this one from ending.
        threading.Thread(target=wait, name="write-turn", daemon=True).start()
        try:
            return await found
        except BaseException:
            if found.done() and not found.cancelled():
                with suppress(OSError):
                    os.close(found.result())
            raise

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
