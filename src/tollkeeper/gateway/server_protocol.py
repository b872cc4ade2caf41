"""The HTTP server's protocol: uvicorn's, with bounds on request heads and on clients that stop sending or reading.

uvicorn bounds neither the size of a request's head and trailers, nor the time that a client takes to send them, nor how
many requests wait behind the one being answered (0.54). The bounds cost the path of a call an addition or a comparison
per packet; time is kept by a sweep over all connections every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
import msgspec
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tollkeeper.domain.errors import InvalidRequest, RequestTimeout, TollkeeperError
from tollkeeper.gateway.client import DIRECT_WRITER
from tollkeeper.kit.ids import uuid7
from tollkeeper.ports.open_answers import ENDS_AT_STOP
from tollkeeper.refusals import error_body

if TYPE_CHECKING:
    from collections import deque

    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

SWEEP_S = 5.0
HEADERS_MAX = 256
QUEUED_MAX = 32  # requests that wait behind the one being answered
_CHUNK_FRAMING_BYTES = 16  # what a chunk may take besides its data before it counts as headers do
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class DirectWriter:
    """Writes the answer to one request as uvicorn's `send` would, without messages, coroutines and header checks.

    That is a tenth of a call's CPU. It knows uvicorn's cycle (0.54) from inside, so it is used for the two frequent cases
    only: a whole answer of status 200, and a piece of a chunked one while the client keeps up. All else goes through ASGI.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    @property
    def is_gone(self) -> bool:
        """Whether the client has hung up; not seen while requests wait behind this one, for then nothing is read."""
        return bool(self._cycle.disconnected)

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
            cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if cycle.chunked_encoding else data)
        return True


class Bounds(msgspec.Struct, frozen=True):
    head_bytes_max: int
    request_s: float  # the longest silence within a request
    client_stall_s: float  # the longest time without reading any of a finished answer


class _Flow(FlowControl):
    """Reads nothing more while requests wait in `queued`, whoever asks for it."""

    def __init__(self, transport: asyncio.Transport, queued: deque[Any]) -> None:
        super().__init__(transport)
        self._queued = queued

    def resume_reading(self) -> None:
        if self.read_paused and not self._queued:
            super().resume_reading()


class ServerProtocol(HttpToolsProtocol):
    """One client connection. Set `bounds` on a subclass."""

    bounds: ClassVar[Bounds]
    open_connections: ClassVar[set[ServerProtocol]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._framing_bytes = 0  # of the current request: what has come of it and is not body
        self._in_head = True
        self._progress: tuple[int, int, bool] = (
            0,
            0,
            True,
        )  # received, unread by the client, in head: at the last sweep
        self._received = 0
        self._read_from = 0  # where, in all that was received, the latest read began
        self._request_from = 0  # where the read began in which the current request did: at or before its first byte
        self._owed_since_s: float | None = None  # since which sweep a head, or the next of a body, has been owed
        self._is_held = False  # the next request waits for the client to read earlier answers
        self._is_ending = False  # nothing more is read; the connection closes after what is being answered
        self._refusal = (400, "Invalid HTTP request received.")
        self._stuck_since_s: float | None = None
        self._earlier: list[RequestResponseCycle] = []  # still being answered when the next request had come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.open_connections.add(self)
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.discard(self)
        for cycle in self._earlier:  # uvicorn tells only the latest (0.54); the others would write to what is closed
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return
        self._read_from = self._received
        self._received += len(data)
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > self.bounds.head_bytes_max and not self._is_ending:
            self._give_up(431, InvalidRequest("The request's headers are too large."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn's, without trailers: nobody reads them."""
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_chunk_header(self) -> None:
        self._framing_bytes = max(0, self._framing_bytes - _CHUNK_FRAMING_BYTES)

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        self._owed_since_s = None
        super().on_body(body)

    def on_headers_complete(self) -> None:
        if len(self.headers) > HEADERS_MAX:
            self._refuse(431, f"The request has more than {HEADERS_MAX} headers.")
        head_bytes_max = self.bounds.head_bytes_max
        if self._received - self._request_from > head_bytes_max and self._head_bytes() > head_bytes_max:
            self._refuse(431, "The request's headers are too large.")
        if len(self.pipeline) >= QUEUED_MAX:
            self._refuse(400, f"More than {QUEUED_MAX} requests wait on this connection.")
        self._in_head = False
        self._owed_since_s = None
        earlier: RequestResponseCycle | None = self.cycle
        super().on_headers_complete()
        if earlier is not None and not earlier.response_complete:
            self._earlier = [*(cycle for cycle in self._earlier if not cycle.response_complete), earlier]
        elif self._earlier:
            self._earlier.clear()
        self.scope["extensions"] = {DIRECT_WRITER: DirectWriter(self.cycle)}  # type: ignore[dict-item]  # ours is no dict

    def on_message_complete(self) -> None:
        self._in_head = True
        self._framing_bytes = 0
        self._request_from = self._read_from
        self._owed_since_s = None
        super().on_message_complete()

    def shutdown(self) -> None:
        """As uvicorn's, but who only listens is not waited for."""
        super().shutdown()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope.get("state", {}).get(ENDS_AT_STOP):
            self.transport.close()

    def on_response_complete(self) -> None:
        """As uvicorn's, but idle connections are found by the sweep instead of by a timer for each call."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        self.flow.resume_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._is_held and not self.transport.is_closing():
            self._is_held = False
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.flow.write_paused:
            self._is_held = True
            self.pipeline.append((cycle, app))
            self.flow.pause_reading()
            return
        super()._start_asgi_task(cycle, app if cycle.scope["http_version"] != "1.0" else _unframed(cycle, app))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # ours says more
        status, message = self._refusal
        self._give_up(status, InvalidRequest(message))

    def sweep(self, now_s: float) -> None:
        """Close the connection when its client has neither sent nor read anything for too long."""
        unread = self.transport.get_write_buffer_size()
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares it as always there
        is_answered = cycle is None or cycle.response_complete
        owes_request = not self.pipeline and (  # while requests wait we do not read
            (self._in_head and self._framing_bytes > 0)
            or (cycle is not None and not is_answered and cycle.more_body)
            or (cycle is None and self._received == 0)
        )
        is_closing = self.transport.is_closing()  # only what is unread still holds it
        owes_reading = (is_answered or self._is_held or is_closing) and unread > 0
        owes_request = owes_request and not is_closing
        if not owes_request:
            self._owed_since_s = None
        elif self._owed_since_s is None:
            self._owed_since_s = now_s
        elif now_s - self._owed_since_s >= 2 * self.bounds.request_s:  # byte by byte, but for ever
            self._give_up(408, RequestTimeout("The request was not completed in time."))
            return
        is_idle = cycle is not None and is_answered and not (owes_request or owes_reading or is_closing)
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

    def _refuse(self, status: int, message: str) -> None:
        """Stop the parser, which then calls `send_400_response`."""
        self._refusal = (status, message)
        raise httptools.HttpParserError(message)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _give_up(self, status: int, error: TollkeeperError) -> None:
        """Read no more; answer the requests that have come whole, or else with `error`, and close."""
        self._is_ending = True
        cycle: RequestResponseCycle | None = self.cycle
        if (
            cycle is not None and cycle.more_body and self.pipeline
        ):  # of those that wait only the last can be incomplete
            self.pipeline.popleft()
            self._is_held = self._is_held and bool(self.pipeline)
            if self._earlier:
                self.cycle = cycle = self._earlier[-1]
            else:
                cycle = None
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
            return
        if cycle is None or cycle.response_complete or not cycle.response_started:
            _, body = error_body(error, f"req_{uuid7().hex()}")
            head = (
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head % (status, _REASONS[status], len(body)) + body)
        self.transport.close()


def _unframed(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Return `app` for a client of HTTP/1.0, which knows no chunks: a body of unknown length ends with the connection."""

    async def run(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        is_unframed = False

        async def send_unframed(message: ASGISendEvent) -> None:
            nonlocal is_unframed
            if message["type"] == "http.response.start":
                if all(name.lower() != b"content-length" for name, _ in message.get("headers", [])):
                    cycle.chunked_encoding = False
                    is_unframed = True
            elif message["type"] == "http.response.body" and is_unframed:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unframed)

    return run


async def sweep_forever() -> None:
    """Sweep all connections of this process every few seconds, for as long as the task lives."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now_s = loop.time()
        for connection in list(ServerProtocol.open_connections):
            connection.sweep(now_s)
