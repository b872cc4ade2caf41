"""HTTP/1.1 for the simulator: bytes in, one `Request` at a time to the handler, bytes out through its `Channel`."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, unquote

import httptools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Content",
    429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 529: "Site Is Overloaded",
}  # fmt: skip
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Request:
    """One request, whole; header names are lower case, `query` keeps repeated names in order."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    body_too_large: bool = False
    keep_alive: bool = True


def head(status: int, headers: Iterable[tuple[str, str]], length: int | None) -> bytes:
    """Return a response head; `length` None announces a chunked body."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    lines.extend(f"{name}: {value}" for name, value in headers)
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Channel:
    """The way back to one caller: writes with back-pressure, sleeps that end when the caller hangs up."""

    __slots__ = ("_loop", "_resumed", "_transport", "_waiter", "gone")

    def __init__(self, transport: asyncio.Transport) -> None:
        """Answer over `transport`."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._resumed: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.gone = False

    async def write(self, data: bytes) -> None:
        """Write, waiting while the caller reads too slowly; a no-op once the caller is gone."""
        # A failed write closes the transport at once; `connection_lost` only follows when the event loop has time.
        self.gone = self.gone or self._transport.is_closing()
        if self.gone:
            return
        self._transport.write(data)
        if self._resumed is not None:
            await self._resumed

    async def sleep(self, seconds: float | None) -> None:
        """Wait so long, or (None) for ever; in either case only until the caller is gone."""
        if self.gone:
            return
        self._waiter = waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, _wake, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Close after what was written has left."""
        self._transport.close()
        self.gone = True

    def reset(self) -> None:
        """Drop the connection with a TCP RST."""
        if not self.gone:
            sock = cast("socket.socket", self._transport.get_extra_info("socket"))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()
        self.gone = True

    def pause(self) -> None:
        """Hold writers: the transport's buffer is full."""
        self._resumed = self._loop.create_future()

    def resume(self) -> None:
        """Let writers go on."""
        if self._resumed is not None:
            _wake(self._resumed)
            self._resumed = None

    def lose(self) -> None:
        """Note that the caller is gone and wake whoever waits for it."""
        self.gone = True
        self.resume()
        if self._waiter is not None:
            _wake(self._waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One TCP connection; its requests are answered one after the other in a single task."""

    def __init__(
        self,
        handle: Callable[[Request, Channel], Awaitable[None]],
        open_connections: set[Connection],
        *,
        body_bytes_max: int,
    ) -> None:
        """Hand each request to `handle`; while open, be a member of `open_connections`."""
        self._handle = handle
        self._open_connections = open_connections
        self._body_bytes_max = body_bytes_max
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        # Of the request that is being read:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start; small writes must leave at once."""
        self._transport = cast("asyncio.Transport", transport)
        self._channel = Channel(self._transport)
        self._open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse; garbage closes the connection as most servers do."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()
        except httptools.HttpParserError:
            self._transport.write(head(400, [("connection", "close")], 0))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the answer in progress that nobody listens."""
        del exc
        self._channel.lose()
        self._open_connections.discard(self)

    def pause_writing(self) -> None:
        """Hold the writer."""
        self._channel.pause()

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._channel.resume()

    async def aclose(self) -> None:
        """Drop the connection and wait for its task."""
        self._transport.abort()
        self._channel.lose()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    # httptools callbacks

    def on_url(self, url: bytes) -> None:
        """Collect the target, which may come in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header; `expect: 100-continue` is granted at once."""
        key = name.decode("latin-1").lower()
        self._headers[key] = value.decode("latin-1")
        if key == "expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Collect the body up to the limit; what exceeds it is dropped and refused later."""
        self._body_bytes += len(body)
        if self._body_bytes <= self._body_bytes_max:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request and see that somebody works on the queue."""
        method = self._parser.get_method().decode("ascii")
        self._requests.append(self._finished_request(method))
        self._url, self._headers, self._body, self._body_bytes = b"", {}, [], 0
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._answer())

    def _finished_request(self, method: str) -> Request:
        path, _, query = self._url.decode("latin-1").partition("?")
        if "%" in path:
            path = unquote(path)
        pairs = parse_qsl(query, keep_blank_values=True) if query else []
        return Request(
            method,
            path,
            pairs,
            self._headers,
            b"".join(self._body),
            body_too_large=self._body_bytes > self._body_bytes_max,
            keep_alive=self._parser.should_keep_alive(),
        )

    async def _answer(self) -> None:
        while self._requests and not self._channel.gone:
            request = self._requests.popleft()
            try:
                await self._handle(request, self._channel)
            except Exception:
                # A fault of the simulator's own must not look like one that was asked for.
                self._transport.abort()
                raise
            if not request.keep_alive:
                self._channel.close()
