"""One client's request and the answer to it, over ASGI: its headers, its bounded body, replies, and whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from tollkeeper.domain.errors import InvalidRequest, RequestTooLarge, TollkeeperError
from tollkeeper.gateway.client_watch import ClientWatch
from tollkeeper.gateway.dialects import refusal, refusal_event, request_id_headers
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.kit import clock
from tollkeeper.kit.ids import uuid7
from tollkeeper.refusals import classify, error_headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
Marks = tuple[int, int, int, int]
"""When a call began, was authenticated, authorised and admitted by its rates: nanoseconds of the monotonic clock."""
DIRECT_WRITER = "tollkeeper.direct_writer"
"""The ASGI extension by which our own server lets frequent answers skip ASGI's messages."""
_UNMARKED: Marks = (0, 0, 0, 0)


class DirectWriter(Protocol):
    """Writes straight to the client's connection; see `gateway.server_protocol`."""

    @property
    def is_gone(self) -> bool: ...

    def body(self) -> bytes | None: ...

    def answer(self, headers: Iterable[Header], body: bytes) -> None: ...

    def piece(self, data: bytes) -> bool: ...


class ClientGoneError(Exception):
    """The client hung up before its request was complete, or between two tries: there is nobody to answer."""


class Client:
    """The client's side of one call. Its `call_id` is the id of everything that the call leaves behind."""

    __slots__ = (
        "_direct",
        "_receive",
        "_send",
        "_watch",
        "call_id",
        "dialect",
        "headers",
        "is_gone",
        "marks",
        "refusal",
        "scope",
        "started_ns",
        "started_us",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, dialect: Dialect = "openai") -> None:
        self.started_ns = clock.monotonic_ns()
        self.started_us = clock.now_us()
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.call_id = uuid7(self.started_us)
        self.dialect = dialect
        self.status = 0  # of the answer begun; 0 before
        self.refusal: tuple[int, str] | None = None  # the status and the code of the error that it was answered with
        self.is_gone = False
        self.marks = _UNMARKED
        self._receive, self._send = receive, send
        extensions = scope.get("extensions")
        self._direct: DirectWriter | None = extensions.get(DIRECT_WRITER) if extensions else None
        self._watch: ClientWatch | None = None

    def renew_id(self) -> None:
        """Go on under another id, from now on: the one so far belongs to a try that may be billed, with its time."""
        now_ns = clock.monotonic_ns()
        self.call_id, self.marks = uuid7(), (now_ns, now_ns, now_ns, now_ns)

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
        if self._direct is not None and (whole := self._direct.body()) is not None:
            if len(whole) > bytes_max:
                raise _too_large(bytes_max)
            return whole
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

    def require_there(self) -> None:
        """Pass while somebody waits for the answer.

        Raises:
            ClientGoneError: the client hung up, as far as our own server has seen.
        """
        if self.is_gone or (self._direct is not None and self._direct.is_gone):
            raise ClientGoneError

    async def reply(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Answer in one piece."""
        self.status = status
        headers = [
            *headers,
            (b"content-length", b"%d" % len(body)),
            *request_id_headers(self.dialect, b"req_" + self.call_id.hex().encode()),
        ]
        if self._direct is not None and status == 200 and self.scope["method"] == "POST":
            self._direct.answer(headers, body)
            return
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def refuse(self, error: TollkeeperError) -> None:
        """Answer with an error; on a stream already begun, end it with an error event."""
        status, _, code = classify(error)
        self.refusal = status, code  # not the error itself: with what it was raised through, that would be a circle
        if self.status:
            await self.write(refusal_event(self.dialect, error, self.request_id))
            await self.end()
            return
        status, body = refusal(self.dialect, error, self.request_id)
        await self.reply(status, error_headers(error, status), body)

    async def start(self, status: int, headers: Iterable[Header]) -> None:
        """Begin an answer whose body follows piece by piece."""
        self.status = status
        headers = [*headers, *request_id_headers(self.dialect, b"req_" + self.call_id.hex().encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    @property
    def is_direct(self) -> bool:
        """Whether pieces can be written without waiting, as long as the client keeps up."""
        return self._direct is not None

    def write_now(self, data: bytes) -> bool:
        """Send a piece if that needs no waiting, and tell whether it did; once the client is gone, all is well."""
        return self.is_gone or (self._direct is not None and self._direct.piece(data))

    async def write(self, data: bytes) -> None:
        """Send a piece, waiting while the client does not keep up; nothing once it is gone."""
        if not data:
            return  # a chunk of no bytes would end the answer, before it is settled
        if self.write_now(data):
            return
        if self._watch is not None:
            self._watch.writing_since_ns = clock.monotonic_ns()
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except asyncio.CancelledError:
            if self._watch is None or not self._watch.take_cut_off():
                raise
        if self._watch is not None:
            self._watch.writing_since_ns = 0

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    def watch(self, on_gone: Callable[[], None], *, stall_s: float) -> None:
        """From now on notice when the client hangs up, or leaves a piece unread for `stall_s`; then call `on_gone` once."""

        def gone() -> None:
            self.is_gone = True
            on_gone()

        self._watch = ClientWatch(self._receive, gone, stall_s=stall_s)

    def unwatch(self) -> None:
        """Stop watching; to be called by whoever called `watch`."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None


def _too_large(bytes_max: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {bytes_max} bytes.")
