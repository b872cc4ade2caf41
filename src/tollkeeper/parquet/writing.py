"""Parquet files for whoever asks: a child process for each, a few at once, bounded in rows and time, killed when unwanted."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn

from tollkeeper.domain.errors import InvalidRequest, NotInstalled
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.parquet.table import END, Head, Row, head_message, rows_message
from tollkeeper.parquet.turns import Asker, Turns

_log = logging.getLogger(__name__)

_LIBRARY = "pyarrow"
_PART_BYTES = 1 << 16
_WHY_BYTES_MAX = 4096
_END_S = 5.0
_OPERATOR = Asker()
MISSING = "Parquet cannot be written here: the library pyarrow is missing. Ask for CSV, or let the operator install it: pip install 'tollkeeper[parquet]'"


class ClientGone(Exception):
    """Nobody waits for the file any more."""


class WriterFailed(Exception):
    """The child broke off; what it said is in the log."""


async def _nobody_left() -> bool:
    return False


class ParquetWriter:
    """One per process. Files are written by `turns`.

    A file has `rows_max` rows at most and takes `timeout_s` at most, from its first row to its client's last byte. A client
    that takes nothing of it for `stall_s` loses it.
    """

    def __init__(
        self,
        *,
        turns: Turns | None = None,
        rows_max: int = 100_000,
        timeout_s: float = 120.0,
        stall_s: float = 30.0,
        command: Sequence[str] = (sys.executable, "-P", "-m", "tollkeeper.parquet"),
    ) -> None:
        self._rows_max, self._timeout_s, self._stall_s = rows_max, timeout_s, stall_s
        self._command = command
        self._turns = turns or Turns()
        self._ending = TaskGroup()

    @property
    def is_installed(self) -> bool:
        """Tell whether the library is there, without loading it."""
        return importlib.util.find_spec(_LIBRARY) is not None

    async def write(
        self,
        head: Head,
        pages: AsyncIterator[Sequence[Row]],
        *,
        asker: Asker = _OPERATOR,
        is_gone: Callable[[], Awaitable[bool]] = _nobody_left,
    ) -> ParquetFile:
        """Hand the whole table to a child and return the file that it writes, to be read and closed.

        Raises:
            NotInstalled: the library is missing.
            TooManyAttempts: others are being written, or another one for the same person.
            InvalidRequest: too many rows, or it takes too long.
            ClientGone: `is_gone` says so, which is asked before each page.
            WriterFailed: the child broke off.
        """
        if not self.is_installed:
            raise NotInstalled(MISSING)
        child = await self._child(asker)
        give_back = partial(self._give_back, asker)
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                await self._feed(child, head, pages, is_gone)
                first = await _stdout_of(child).read(_PART_BYTES)
                if not first:
                    await _tell_failure(child)
        except TimeoutError:
            give_back(child)
            raise InvalidRequest(
                f"This file takes longer than {self._timeout_s:.0f} s; ask for a shorter time or fewer groups."
            ) from None
        except BaseException:
            give_back(child)
            raise
        return ParquetFile(child, first, ends_at=deadline.when() or 0.0, stall_s=self._stall_s, give_back=give_back)

    async def aclose(self) -> None:
        """Wait for children that are ending."""
        if not await self._ending.join(2 * _END_S):
            await self._ending.cancel()

    async def _child(self, asker: Asker) -> Process:
        """Start a child when it is our turn."""
        await self._turns.take(asker)
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={"PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
            )
        except BaseException:
            self._turns.give_back(asker)
            raise

    async def _feed(
        self,
        child: Process,
        head: Head,
        pages: AsyncIterator[Sequence[Row]],
        is_gone: Callable[[], Awaitable[bool]],
    ) -> None:
        assert child.stdin is not None, "the child was started with pipes"
        rows = 0
        child.stdin.write(head_message(head))
        try:
            async for page in pages:
                rows += len(page)
                if rows > self._rows_max:
                    raise InvalidRequest(
                        f"There are more than {self._rows_max:,} lines; ask for a shorter time or fewer groups."
                    )
                if page:
                    child.stdin.write(rows_message(head, page))
                    await child.stdin.drain()
                if await is_gone():
                    raise ClientGone
            child.stdin.write(END)
            await child.stdin.drain()
            child.stdin.close()
        except (BrokenPipeError, ConnectionResetError):
            await _tell_failure(child)

    def _give_back(self, asker: Asker, child: Process) -> None:
        self._turns.give_back(asker)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        self._ending.start(_see_off(child), "parquet-writer-end")


class ParquetFile:
    """A file that is read once, from its first byte to its last. Whoever got it closes it, and that ends its child.

    A reader that is too slow meets a file that breaks off.
    """

    def __init__(
        self, child: Process, first: bytes, *, ends_at: float, stall_s: float, give_back: Callable[[Process], None]
    ) -> None:
        self._child, self._first = child, first
        self._ends_at, self._stall_s = ends_at, stall_s
        self._give_back: Callable[[Process], None] | None = give_back
        self._loop = asyncio.get_running_loop()
        self._alarm = self._loop.call_at(self._by(), self.close)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the file's parts.

        Raises:
            WriterFailed: the child broke off, or its time was over.
        """
        part = self._first
        while part:
            yield part
            if self._give_back is not None:
                self._alarm.cancel()
                self._alarm = self._loop.call_at(self._by(), self.close)
            part = await _stdout_of(self._child).read(_PART_BYTES)
        if await self._child.wait():
            raise WriterFailed(f"it ended with {self._child.returncode} in the middle of the file")

    def close(self) -> None:
        """End the child, whatever it does; again it does nothing."""
        self._alarm.cancel()
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self._child)

    def _by(self) -> float:
        """Return until when the next part must be taken."""
        return min(self._ends_at, self._loop.time() + self._stall_s)


def _stdout_of(child: Process) -> asyncio.StreamReader:
    assert child.stdout is not None, "the child was started with pipes"
    return child.stdout


async def _see_off(child: Process) -> None:
    """Wait for a killed child's end, and close our ends of its pipes."""
    try:
        async with asyncio.timeout(_END_S):
            await child.wait()
    finally:
        child._transport.close()  # type: ignore[attr-defined]  # else what it left unread keeps the pipes open


async def _tell_failure(child: Process) -> NoReturn:
    assert child.stderr is not None, "the child was started with pipes"
    said = (await child.stderr.read(_WHY_BYTES_MAX)).decode(errors="replace").strip()
    raise WriterFailed(said or f"it ended with {await child.wait()}")
