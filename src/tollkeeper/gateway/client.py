"""One client's request and the answer to it, over ASGI: its headers, its bounded body, replies, and whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from tollkeeper.domain.errors import InvalidRequest, RequestTooLarge, TollkeeperError
from tollkeeper.gateway.replies import error_body, error_event, error_headers
from tollkeeper.kit import clock
from tollkeeper.kit.ids import uuid7

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
DIRECT_WRITER = "tollkeeper.direct_writer"
"""The ASGI extension by which our own server lets frequent answers skip ASGI's messages."""


class DirectWriter(Protocol):
    """Writes straight to the client's connection; see `gateway.server_protocol`."""

    def answer(self, headers: Iterable[Header], body: bytes) -> None: ...

    def piece(self, data: bytes) -> bool: ...


class ClientGoneError(Exception):
    """The client hung up before its request was complete: there is nobody to answer."""


class Client:
    """The client's side of one call. Its `call_id` is the id of everything that the call leaves behind."""

    __slots__ = (
        "_direct",
        "_hang_up",
        "_is_cut_off",
        "_look_again",
        "_on_gone",
        "_receive",
        "_send",
        "_stall_s",
        "_writer",
        "_writing_since_ns",
        "call_id",
        "headers",
        "is_gone",
        "scope",
        "started_ns",
        "started_us",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started_ns = clock.monotonic_ns()
        self.started_us = clock.now_us()
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.call_id = uuid7()
        self.status = 0  # of the answer begun; 0 before
        self.is_gone = False
        self._receive, self._send = receive, send
        extensions = scope.get("extensions")
        self._direct: DirectWriter | None = extensions.get(DIRECT_WRITER) if extensions else None
        # while watched
        self._on_gone: Callable[[], None] | None = None
        self._stall_s = 0.0
        self._writing_since_ns = 0
        self._is_cut_off = False
        self._writer: asyncio.Task[None] | None = None
        self._hang_up: asyncio.Task[None] | None = None
        self._look_again: asyncio.TimerHandle | None = None

    @property
    def request_id(self) -> str:
        """The call's id as people and headers have it."""
        return f"req_{self.call_id.hex()}"

    async def body(self, bytes_max: int) -> bytes:
        """Read the request's body.

        Raises:
            RequestTooLarge: it has more than `bytes_max` bytes.
            ClientGoneError: the client hung up before its end.
        """
        stated = self.headers.get(b"content-length", b"0")
        if not stated.isdigit():
            raise InvalidRequest("content-length must be a whole number.")
        if int(stated[:20]) > bytes_max:
            raise _too_large(bytes_max)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and message["type"] == "http.request":
            return body
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await self._receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > bytes_max:
                raise _too_large(bytes_max)
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return b"".join(parts)

    async def reply(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Answer in one piece."""
        self.status = status
        headers = [
            *headers,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", b"req_" + self.call_id.hex().encode()),
        ]
        if self._direct is not None and status == 200 and self.scope["method"] == "POST":
            self._direct.answer(headers, body)
            return
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def refuse(self, error: TollkeeperError) -> None:
        """Answer with an error; on a stream already begun, end it with an error event."""
        if self.status:
            await self.write(error_event(error, self.request_id))
            await self.end()
            return
        status, body = error_body(error, self.request_id)
        await self.reply(status, error_headers(status), body)

    async def start(self, status: int, headers: Iterable[Header]) -> None:
        """Begin an answer whose body follows piece by piece."""
        self.status = status
        headers = [*headers, (b"x-request-id", b"req_" + self.call_id.hex().encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """Send a piece, waiting while the client does not keep up; nothing once it is gone."""
        if not data:
            return  # a chunk of no bytes would end the answer, before it is settled
        if self.is_gone or (self._direct is not None and self._direct.piece(data)):
            return
        self._writing_since_ns = clock.monotonic_ns()
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except asyncio.CancelledError:
            if not self._is_cut_off:
                raise
            self._is_cut_off = False  # it was `_look` that cancelled, to get out of the write; the call itself goes on
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        self._writing_since_ns = 0

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    def watch(self, on_gone: Callable[[], None], *, stall_s: float) -> None:
        """From now on notice when the client hangs up, or leaves a piece unread for `stall_s`; then call `on_gone` once."""
        self._on_gone, self._stall_s = on_gone, stall_s
        loop = asyncio.get_running_loop()
        self._writer = asyncio.current_task()
        self._hang_up = loop.create_task(self._wait_for_hang_up(), name="client watch")
        self._look_again = loop.call_later(stall_s / 2, self._look)

    def unwatch(self) -> None:
        """Stop watching; to be called by whoever called `watch`."""
        if self._hang_up is not None and self._look_again is not None:
            self._hang_up.cancel()
            self._look_again.cancel()
            self._hang_up = self._look_again = self._writer = None

    async def _wait_for_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone()

    def _look(self) -> None:
        since_ns = self._writing_since_ns
        if since_ns and clock.monotonic_ns() - since_ns > self._stall_s * 1e9 and self._writer is not None:
            self._gone()
            self._is_cut_off = True
            self._writer.cancel()
        else:
            self._look_again = asyncio.get_running_loop().call_later(self._stall_s / 2, self._look)

    def _gone(self) -> None:
        if not self.is_gone and self._on_gone is not None:
            self.is_gone = True
            self._on_gone()


def _too_large(bytes_max: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {bytes_max} bytes.")
