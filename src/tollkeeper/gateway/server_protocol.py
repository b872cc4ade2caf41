"""The HTTP server's protocol: uvicorn's, with bounds on request heads and on clients that stop sending or reading.

uvicorn bounds neither the size of a request's head nor the time that a client takes to send it (0.54). The bounds cost
the path of a call one addition per packet; time is kept by a sweep over all connections every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tollkeeper.domain.errors import InvalidRequest, RequestTimeout, TollkeeperError
from tollkeeper.gateway.client import DIRECT_WRITER
from tollkeeper.gateway.replies import error_body
from tollkeeper.kit.ids import uuid7

SWEEP_S = 5.0
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class DirectWriter:
    """Writes the answer to one request as uvicorn's `send` would, without messages, coroutines and header checks.

    That is a tenth of a call's CPU. It knows uvicorn's cycle (0.54) from inside, so it is used for the two frequent cases
    only: a whole answer of status 200, and a piece of a chunked one while the client keeps up. All else goes through ASGI.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def body(self) -> bytes | None:
        """Return the request's body if it has come whole, as it usually has; None when it must be waited for."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected:
            return None
        cycle.flow.resume_reading()  # a pipelined request or a large body has paused it; a hang-up must be seen
        body, cycle.body = bytes(cycle.body), bytearray()
        return body

    def answer(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Write a whole answer of status 200; `headers` hold its content-length."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        lines = [STATUS_LINE[200]]
        for name, value in (*cycle.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n", body) if cycle.keep_alive else (b"connection: close\r\n\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.transport.write(b"".join(lines))
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def piece(self, data: bytes) -> bool:
        """Write a piece of an answer begun as chunked; False when it must wait for the client, and nothing was written."""
        cycle = self._cycle
        if cycle.flow.write_paused:
            return False
        if not cycle.disconnected:
            cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True


class Bounds(msgspec.Struct, frozen=True):
    head_bytes_max: int
    request_s: float  # the longest silence within a request
    client_stall_s: float  # the longest time without reading any of a finished answer


class ServerProtocol(HttpToolsProtocol):
    """One client connection. Set `bounds` on a subclass."""

    bounds: ClassVar[Bounds]
    open_connections: ClassVar[set[ServerProtocol]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._progress: tuple[int, int, bool] = (
            0,
            0,
            True,
        )  # received, unread by the client, in head: at the last sweep
        self._received = 0
        self._stuck_since_s: float | None = None
        self._earlier: list[RequestResponseCycle] = []  # still being answered when the next request had come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.discard(self)
        for cycle in self._earlier:  # uvicorn tells only the latest (0.54); the others would write to what is closed
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.bounds.head_bytes_max and not self.transport.is_closing():
            self._give_up(431, InvalidRequest("The request's headers are too large."))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        earlier: RequestResponseCycle | None = self.cycle
        super().on_headers_complete()
        if earlier is not None and not earlier.response_complete:
            self._earlier.append(earlier)
        elif self._earlier:
            self._earlier.clear()
        self.scope["extensions"] = {DIRECT_WRITER: DirectWriter(self.cycle)}  # type: ignore[dict-item]  # ours is no dict

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but idle connections are found by the sweep instead of by a timer for each call."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        self._give_up(400, InvalidRequest(msg))

    def sweep(self, now_s: float) -> None:
        """Close the connection when its client has neither sent nor read anything for too long."""
        unread = self.transport.get_write_buffer_size()
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares it as always there
        is_answered = cycle is None or cycle.response_complete
        owes_request = (self._in_head and self._head_bytes > 0) or (
            cycle is not None and not is_answered and cycle.more_body
        )
        owes_request = owes_request or (cycle is None and self._received == 0)
        owes_reading = is_answered and unread > 0
        is_idle = cycle is not None and is_answered and not owes_request and not owes_reading
        progress = (self._received, unread, self._in_head)
        since_s = self._stuck_since_s
        if since_s is None or not (owes_request or owes_reading or is_idle) or progress != self._progress:
            self._progress, self._stuck_since_s = progress, now_s
            return
        stuck_s = now_s - since_s
        if is_idle and stuck_s >= self.timeout_keep_alive:
            self.transport.close()
        elif owes_reading and stuck_s >= self.bounds.client_stall_s:
            self.transport.abort()
        elif owes_request and stuck_s >= self.bounds.request_s:
            self._give_up(408, RequestTimeout("The request was not completed in time."))

    def _give_up(self, status: int, error: TollkeeperError) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            _, body = error_body(error, f"req_{uuid7().hex()}")
            head = (
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head % (status, _REASONS[status], len(body)) + body)
        self.transport.close()


async def sweep_forever() -> None:
    """Sweep all connections of this process every few seconds, for as long as the task lives."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now_s = loop.time()
        for connection in list(ServerProtocol.open_connections):
            if not connection.transport.is_closing():
                connection.sweep(now_s)
