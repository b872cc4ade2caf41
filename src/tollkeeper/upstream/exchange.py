"""One request's answer on its way from a connection to whoever reads it: what is buffered, who waits, what failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tollkeeper.domain.errors import FaultKind, UpstreamFault
from tollkeeper.ports import upstream as port
from tollkeeper.upstream import faults

BUFFER_BYTES_MAX = 65_536
"""Above this many unread bytes the connection stops reading; what one read of the socket brings may come on top."""

_NEVER_WAKE = 1 << 62


class Line(Protocol):
    """What an exchange asks of the connection that carries it."""

    origin: port.Origin
    loop: asyncio.AbstractEventLoop

    def resume_reading(self) -> None: ...

    def watch(self, due: float) -> None: ...

    def abandon(self, exchange: Exchange) -> None: ...


class Exchange:
    """Implements `ports.upstream.Exchange`. Byte positions count from the start of the body.

    What came before a fault is always handed out before the fault is raised, so a reader sees the same bytes however
    the network cut them. A wait is ended by a plain result and the reader raises the fault itself: a fault that
    nobody waits for leaves no "never retrieved" warning behind.
    """

    __slots__ = (
        "_line",
        "complete",
        "deadlines",
        "fault",
        "headers",
        "parts",
        "pause_above",
        "received",
        "sink",
        "sink_error",
        "status",
        "total_at",
        "waiter",
        "wake_above",
    )

    def __init__(self, line: Line, deadlines: port.Deadlines, total_at: float) -> None:
        # the answer, filled in by the connection
        self.status = 0  # 0 until the final head is whole
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.received = 0
        self.complete = False
        self.fault: UpstreamFault | None = None
        # flow: stop reading, and wake the reader, once `received` exceeds these
        self.pause_above = BUFFER_BYTES_MAX
        self.wake_above = -1
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Callable[[bytes], bool] | None = None  # while it is passed on: who takes what arrives
        self.sink_error: BaseException | None = None
        # time: absolute, by the loop's clock
        self.deadlines = deadlines
        self.total_at = total_at
        self._line: Line | None = line

    # ---- for whoever opened it --------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        while not self.parts:
            if self.complete:
                return b""
            if self.fault is not None:
                raise self.fault
            await self._wait(wake_above=self.received)
        return self._take()

    async def pass_on(self, sink: Callable[[bytes], bool]) -> None:
        while True:
            while self.parts:
                if not sink(self._take()):
                    return
            if self.complete:
                return
            if self.fault is not None:
                raise self.fault
            self.sink = sink
            try:
                await self._wait(wake_above=_NEVER_WAKE)
            finally:
                has_enough, self.sink = self.sink is None, None
            if self.sink_error is not None:
                raise self.sink_error
            if has_enough:
                return

    async def read_all(self, bytes_max: int) -> bytes:
        if not self.complete:
            await self._collect(bytes_max)
        if self.received > bytes_max:
            raise self._refuse_size(bytes_max)
        if self.fault is not None and not self.complete:
            raise self.fault
        body = b"".join(self.parts)
        self.parts.clear()
        return body

    def tighten(self, total_s: float) -> None:
        line = self._line
        if line is not None:
            self.total_at = min(self.total_at, line.loop.time() + total_s)
            line.watch(self.total_at)

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self.fault = faults.closed_here(line.origin)
            line.abandon(self)
            self.wake()

    # ---- for the connection -----------------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Give what has arrived to the sink that there is; wake who passes on when it wants no more."""
        assert self.sink is not None
        try:
            wants_more = self.sink(self._take())
        except BaseException as error:  # noqa: BLE001  # it is raised where the answer is passed on, not in a callback of the loop
            self.sink_error, wants_more = error, False
        if not wants_more:
            self.sink = None
            self.wake()

    def due(self, progress_at: float, *, is_paused: bool) -> tuple[float, FaultKind]:
        """Return when, and as what, this exchange is overdue if nothing happens after `progress_at`."""
        if not self.status:
            due, kind = progress_at + self.deadlines.first_byte_s, "first_byte_timeout"
        elif not is_paused:  # while the reader keeps us from reading, the silence is not the provider's
            due, kind = progress_at + self.deadlines.idle_s, "idle_timeout"
        else:
            return self.total_at, "total_timeout"
        return (due, kind) if due < self.total_at else (self.total_at, "total_timeout")  # type: ignore[return-value]

    def detach(self) -> None:
        """Let go of the connection: the answer has ended, well or not."""
        self._line = None

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def ends_with_connection(self) -> bool:
        """Tell whether the body, by its head, lasts until the connection is closed (RFC 9112 §6.3, last rule)."""
        return self.status != 0 and not any(
            name in (b"content-length", b"transfer-encoding") for name, _ in self.headers
        )

    # ---- private ----------------------------------------------------------------------------------------------------

    def _take(self) -> bytes:
        """Return what has arrived, and let more come."""
        parts = self.parts
        piece = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.pause_above = self.received + BUFFER_BYTES_MAX
        if self._line is not None:
            self._line.resume_reading()
        return piece

    async def _wait(self, *, wake_above: int) -> None:
        self.wake_above = wake_above
        waiter = self.waiter = self._live_line().loop.create_future()
        try:
            await waiter
        except BaseException:  # cancelled: the rest of the answer has no reader
            self.close()
            raise

    async def _collect(self, bytes_max: int) -> None:
        """Wait until the body is whole, broken off, or larger than allowed; not once for every piece."""
        announced = next((value for name, value in self.headers if name == b"content-length"), None)
        if announced is not None and int(announced) > bytes_max:
            raise self._refuse_size(bytes_max)
        self.wake_above = self.pause_above = bytes_max
        if self._line is not None:
            self._line.resume_reading()
        while not self.complete and self.fault is None and self.received <= bytes_max:
            await self._wait(wake_above=bytes_max)

    def _refuse_size(self, bytes_max: int) -> UpstreamFault:
        self.close()
        self.parts.clear()
        return UpstreamFault("too_large", f"the provider's answer is larger than {bytes_max} bytes", sent=True)

    def _live_line(self) -> Line:
        assert self._line is not None, "an exchange without a connection is complete or has a fault"
        return self._line


if TYPE_CHECKING:

    def _is_the_port(exchange: Exchange) -> port.Exchange:
        return exchange
