"""A server that fails on demand, below HTTP and above: what a call's text asks for, `[[bad:hang_up]]`; and ports without any."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator

_MARKER = re.compile(rb"\[\[bad:(\w+)\]\]")
_LABEL = re.compile(rb"label=(\d+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NO_LINGER = struct.pack("ii", 1, 0)
_HTML = b"<html><body><h1>Bad Gateway</h1></body></html>"
_ANSWERS: dict[str, bytes] = {
    "refuse_as_html": b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b"
    % (len(_HTML), _HTML),
    "refuse_and_close": b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\nupstream is down",
    "refuse_without_a_body": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
    "too_many_until_a_date": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: Sun, 22 Nov 2037 21:15:00 GMT\r\n"
    b"content-length: 2\r\n\r\n{}",
    "too_many_without_a_word": b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
    "status_of_a_proxy": b"HTTP/1.1 522 Connection timed out\r\ncontent-length: 0\r\n\r\n",
    "hang_up": b"",
    "reset": b"",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n",
    "truncated_head": b"HTTP/1.1 200 OK\r\ncontent-type: applica",
    "endless_head": b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 20_000,
    "short_body": b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"id":',
    "redirect": b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
}
_KEPT_OPEN = frozenset(
    {
        "refuse_as_html",
        "refuse_without_a_body",
        "too_many_until_a_date",
        "too_many_without_a_word",
        "status_of_a_proxy",
        "redirect",
    }
)


class BadServer:
    """Ports on this machine: one that fails as it is told, one that closes what it accepts, one that never accepts, one closed.

    `seen` counts the requests by the number of their call.
    """

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self._told, self._at_once, self._blackhole, closed = (_bound() for _ in range(4))
        self.port, self.at_once_port, self.blackhole_port, self.closed_port = (
            each.getsockname()[1] for each in (self._told, self._at_once, self._blackhole, closed)
        )
        self._closed = closed  # bound and never listening: nobody else gets the port
        self._waiting: list[socket.socket] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen within the current loop."""
        self._blackhole.listen(0)
        for _ in range(8):  # what fills its queue; whoever comes now is never answered
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.blackhole_port))
            self._waiting.append(filler)
        told = await asyncio.start_server(self._answer, sock=self._told, limit=1 << 22)
        at_once = await asyncio.start_server(_close, sock=self._at_once)
        try:
            yield
        finally:
            for server in (told, at_once):
                server.close()
            for each in (*self._waiting, self._blackhole, self._closed):
                each.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):  # the last when all ends
            while await self._answer_one(reader, writer):
                pass
        writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        body = await reader.readexactly(int(found[1]) if found else 0)
        number, how = _LABEL.search(body), _MARKER.search(body)
        assert number is not None, "a request that is no call of these"
        assert how is not None
        self.seen[int(number[1])] += 1
        word = how[1].decode()
        if word == "silence":
            await reader.read()  # until the caller has enough of it
            return False
        writer.write(_ANSWERS[word])
        await writer.drain()
        if word == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()
        return word in _KEPT_OPEN


async def _close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def _bound() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made
