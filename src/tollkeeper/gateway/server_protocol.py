"""The HTTP server's protocol: uvicorn's, with bounds on request heads and on clients that stop sending or reading.

uvicorn bounds neither the size of a request's head nor the time that a client takes to send it (0.54). The bounds cost
the path of a call one addition per packet; time is kept by a sweep over all connections every few seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tollkeeper.domain.errors import InvalidRequest, RequestTimeout, TollkeeperError
from tollkeeper.gateway.replies import error_body
from tollkeeper.kit.ids import uuid7

SWEEP_S = 5.0
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.discard(self)
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
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._give_up(400, InvalidRequest(msg))

    def sweep(self, now_s: float) -> None:
        """Close the connection when its client has neither sent nor read anything for too long while it should."""
        unread = self.transport.get_write_buffer_size()
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares it as always there
        is_answered = cycle is None or cycle.response_complete
        owes_request = (self._in_head and self._head_bytes > 0) or (cycle is not None and not is_answered and cycle.more_body)
        owes_request = owes_request or (cycle is None and self._received == 0)
        owes_reading = is_answered and unread > 0
        progress = (self._received, unread, self._in_head)
        if not (owes_request or owes_reading) or progress != self._progress:
            self._progress, self._stuck_since_s = progress, now_s
            return
        stuck_s = now_s - (self._stuck_since_s if self._stuck_since_s is not None else now_s)
        if owes_reading and stuck_s >= self.bounds.client_stall_s:
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
