"""The token counter of a server: counting in a child process that lives only while it is needed.

A process, not a thread: the vocabularies take 90 MB, and counting a long text holds the interpreter for a tenth of a
second. The child gets no environment of ours but the import path, and none of our sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.ports.tokens import TokenCounter
from tollkeeper.tokens.estimate import estimate_tokens
from tollkeeper.tokens.pipe import LENGTH, CountRequest, decode_counts, message

_log = logging.getLogger(__name__)

_END_S = 2.0
_FAILURES = (OSError, EOFError, ValueError, TimeoutError, msgspec.MsgspecError)


class TokenCounterProcess:
    """Implements `ports.tokens.TokenCounter`: starts the child on first use, again if it dies, ends it when idle.

    One request at a time; who comes when `queue_max` others wait, waits longer than `timeout_s`, or meets a child that
    fails gets a quarter of the bytes for an answer. Belongs to one event loop.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        idle_s: float = 60.0,
        queue_max: int = 64,
        command: Sequence[str] = (sys.executable, "-P", "-m", "tollkeeper.tokens"),
    ) -> None:
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._queue_max = queue_max
        self._command = command
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._child: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending = TaskGroup()
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def count(self, model: str, texts: list[str]) -> list[int]:
        """Return the number of tokens of each text; by their bytes when counting fails."""
        if not texts:
            return []
        if not self._is_closed and self._waiting < self._queue_max:
            self._waiting += 1
            try:
                async with asyncio.timeout(self._timeout_s), self._turn:
                    counts = await self._ask(model, texts)
                if len(counts) == len(texts):
                    return counts
            except _FAILURES as error:
                _log.warning("the token counter failed; tokens are estimated by bytes: %r", error)
            finally:
                self._waiting -= 1
        return [estimate_tokens(text) for text in texts]

    async def aclose(self) -> None:
        """End the child, whatever it does."""
        self._is_closed = True
        self._disarm()
        self._end(at_once=True)
        if not await self._ending.join(2 * _END_S):
            await self._ending.cancel()

    async def _ask(self, model: str, texts: list[str]) -> list[int]:
        request = message(CountRequest(model, texts))
        self._disarm()
        is_answered = False
        try:
            child = await self._living_child()
            assert child.stdin is not None, "the child was started with pipes"
            assert child.stdout is not None, "the child was started with pipes"
            child.stdin.write(request)
            await child.stdin.drain()
            (length,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
            counts = decode_counts(await child.stdout.readexactly(length))
            is_answered = True
            return counts
        finally:
            if is_answered:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._end_idle)
            else:  # its next answer would be to this question
                self._end(at_once=True)

    async def _living_child(self) -> Process:
        if self._child is not None and self._child.returncode is not None:
            self._end(at_once=True)
        if self._child is None:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
            )
        return self._child

    def _end_idle(self) -> None:
        self._idle = None
        self._end(at_once=False)

    def _end(self, *, at_once: bool) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()  # its end of file is the child's sign to go
        if at_once:
            _kill(child)
        self._ending.start(_see_off(child), "token-counter-end")

    def _disarm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def _kill(child: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()


async def _see_off(child: Process) -> None:
    """Wait for a child's end, force it when it takes too long, and close our ends of its pipes."""
    try:
        async with asyncio.timeout(_END_S):
            await child.wait()
    except TimeoutError:
        _kill(child)
        await child.wait()
    child._transport.close()  # type: ignore[attr-defined]  # else what it left unread keeps the pipe open


if TYPE_CHECKING:

    def _is_counter(counter: TokenCounterProcess) -> TokenCounter:
        return counter
