"""Watches a client while a stream is passed on to it: has it hung up, or stopped reading?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tollkeeper.kit import clock


class ClientWatch:
    """Calls `on_gone` once when the client hangs up, or leaves a piece unread for `stall_s`.

    A writer that waits for a stalled client is cancelled; `take_cut_off` tells that from other cancellations. Made and
    stopped by the task that writes.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        on_gone: Callable[[], None],
        *,
        stall_s: float,
    ) -> None:
        self.writing_since_ns = 0  # 0 while nobody waits for the client
        self._receive, self._stall_s = receive, stall_s
        self._on_gone: Callable[[], None] | None = on_gone
        self._is_cut_off = False
        loop = asyncio.get_running_loop()
        self._writer = asyncio.current_task()
        self._hang_up: asyncio.Task[None] | None = loop.create_task(self._wait_for_hang_up(), name="client watch")
        self._look_again: asyncio.TimerHandle | None = loop.call_later(stall_s / 2, self._look)

    def stop(self) -> None:
        """Stop watching. Nothing is kept: a task that was cancelled refers to whom it was of, in a circle."""
        if self._hang_up is not None:
            self._hang_up.cancel()
        if self._look_again is not None:
            self._look_again.cancel()
        self._hang_up = self._look_again = self._on_gone = None

    def take_cut_off(self) -> bool:
        """Tell, once, whether it was the watch that cancelled the writer; if so the call itself goes on."""
        was_cut_off, self._is_cut_off = self._is_cut_off, False
        if was_cut_off and self._writer is not None:
            self._writer.uncancel()
        return was_cut_off

    async def _wait_for_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone()

    def _look(self) -> None:
        since_ns = self.writing_since_ns
        if since_ns and clock.monotonic_ns() - since_ns > self._stall_s * 1e9 and self._writer is not None:
            self._gone()
            self._is_cut_off = True
            self._writer.cancel()
        else:
            self._look_again = asyncio.get_running_loop().call_later(self._stall_s / 2, self._look)

    def _gone(self) -> None:
        on_gone, self._on_gone = self._on_gone, None
        if on_gone is not None:
            on_gone()
