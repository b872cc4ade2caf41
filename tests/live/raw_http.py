"""A bare HTTP/1.1 client for tests: says exactly how far an answer came, and can hang up in the middle of one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import Any

ANSWER_S = 60.0


@dataclass(slots=True)
class Reply:
    """What a client saw. `status` is 0 when no head came; `is_complete` says that the HTTP message came to its end."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False
    did_leave: bool = False

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """Return the decoded `data:` payloads of a stream, `[DONE]` left out."""
        found = []
        for line in self.body.replace(b"\r\n", b"\n").split(b"\n"):
            payload = line.removeprefix(b"data: ")
            if line.startswith(b"data: ") and payload != b"[DONE]":
                with contextlib.suppress(ValueError):
                    found.append(json.loads(payload))
        return found

    @property
    def is_done(self) -> bool:
        return b"data: [DONE]" in self.body


class _LeftError(Exception):
    """We hung up on purpose."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client reads an answer: when it hangs up, counted in bytes of the body (0: before any answer) or in whole events
    (0: with the head), and how long it rests after each piece of a stream.
    """

    leave_after: int | None = None
    leave_after_events: int | None = None
    pause_s: float = 0.0

    @property
    def does_leave(self) -> bool:
        return self.leave_after is not None or self.leave_after_events is not None

    def check(self, body: bytes) -> None:
        """Raise _LeftError when enough has come."""
        if self.leave_after is not None and len(body) >= self.leave_after:
            raise _LeftError
        if self.leave_after_events is not None and count_events(body) >= self.leave_after_events:
            raise _LeftError


POLITE = Manners()


def count_events(body: bytes) -> int:
    """Return how many whole events a stream has so far; of Gemini's JSON arrays, how many elements."""
    if body.startswith(b"["):
        return body.count(b",\r\n") + (len(body) > 2)
    return body.replace(b"\r\n", b"\n").count(b"\n\n")


class RawConnection:
    """One client connection at a time to a port on this machine; opened when needed, reused while it lasts.

    `buffer_bytes` bounds what the kernel takes for a client that does not read; 0 leaves it as it is.
    """

    def __init__(self, port: int, *, buffer_bytes: int = 0) -> None:
        self._port, self._buffer_bytes = port, buffer_bytes
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(
        self, path: str, body: bytes, *, key: str, headers: dict[str, str] | None = None, leave_after: int | None = None
    ) -> Reply:
        """POST JSON. With `leave_after`, hang up once so many bytes of the answer's body have come (0: at once)."""
        head = {"authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {})}
        return await self.send(render(f"POST {path}", head, body), Manners(leave_after))

    async def send(self, request: bytes, manners: Manners = POLITE) -> Reply:
        """Send bytes and read one answer; never raises for what the network does."""
        reply = Reply()
        try:
            reader, writer = await self._open()
            writer.write(request)
            await writer.drain()
            if manners.leave_after == 0:
                raise _LeftError
            async with asyncio.timeout(ANSWER_S):
                await _read_reply(reader, reply, manners)
        except _LeftError:
            reply.did_leave = True
            self.drop()
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            self.drop()
        if reply.headers.get("connection", "").lower() == "close":
            self.drop()
        return reply

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._reader = self._writer = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self.drop()
            size = self._buffer_bytes or 1 << 20
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=size)
            if self._buffer_bytes:
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return self._reader, self._writer


def render(line: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return a request as bytes, with its content-length."""
    lines = [f"{line} HTTP/1.1", "host: tollkeeper", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join([*lines, f"content-length: {len(body)}"]) + "\r\n\r\n").encode() + body


async def _read_reply(reader: asyncio.StreamReader, reply: Reply, manners: Manners) -> None:
    status = 100
    while status < 200:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        assert head[0].startswith("HTTP/1.1 "), f"not the begin of an answer: {head[0]!r}"
        status = int(head[0].split(" ")[1])
    reply.status = status
    reply.headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if value
    }
    if manners.leave_after_events == 0:
        raise _LeftError
    if reply.headers.get("transfer-encoding") == "chunked":
        await _read_chunks(reader, reply, manners)
    elif "content-length" in reply.headers:
        await _read_sized(reader, reply, int(reply.headers["content-length"]), manners)
    reply.is_complete = True


async def _read_sized(reader: asyncio.StreamReader, reply: Reply, size: int, manners: Manners) -> None:
    while len(reply.body) < size:
        piece = await reader.read(min(65_536, size - len(reply.body)))
        if not piece:
            raise asyncio.IncompleteReadError(reply.body, size)
        reply.body += piece
        manners.check(reply.body)


async def _read_chunks(reader: asyncio.StreamReader, reply: Reply, manners: Manners) -> None:
    pieces: list[bytes] = []
    try:
        while length := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            pieces.append((await reader.readexactly(length + 2))[:-2])
            if manners.does_leave:
                manners.check(b"".join(pieces))
            if manners.pause_s:
                await asyncio.sleep(manners.pause_s)
        await reader.readuntil(b"\r\n")
    finally:
        reply.body = b"".join(pieces)
