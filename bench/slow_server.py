"""The upstream for slow streams: chunks at an even pace, each with the moment at which it was sent.

Run as `python -m bench.slow_server PORT`. A request says in its `user` field how many chunks it wants and how many
milliseconds apart: `"user": "400@50"`. The moment is the machine's monotonic clock in nanoseconds, between two `@` in the text.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import cast

import httptools
import uvloop

from bench.stream_server import HEAD
from bench.targets import stream_events

_WANTED = re.compile(rb'"user": ?"(\d+)@(\d+)"')
_STAMP_DIGITS = 20
_CHUNK, *_, _ENDED, _USAGE, _DONE = stream_events()
_TEXT = _CHUNK.index(b'"yyy') + 1
_BEFORE, _AFTER = _CHUNK[:_TEXT] + b"@", b"@" + _CHUNK[_TEXT + _STAMP_DIGITS + 2 :]


class SlowConnection(asyncio.Protocol):
    """One kept-alive connection; one stream at a time, on a schedule that does not drift."""

    _transport: asyncio.Transport
    _parser: httptools.HttpRequestParser

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._body = b""
        self._next: asyncio.TimerHandle | None = None
        self._left = 0
        self._gap_s = self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        found, self._body = _WANTED.search(self._body), b""
        assert found is not None, "the request does not say what it wants"
        self._left, self._gap_s = int(found[1]), int(found[2]) / 1_000
        self._due = self._loop.time()
        self._transport.write(HEAD)
        self._send()

    def connection_lost(self, _fault: Exception | None) -> None:
        if self._next is not None:
            self._next.cancel()

    def _send(self) -> None:
        if not self._left:
            for event in (_ENDED, _USAGE, _DONE):
                self._write(event)
            self._transport.write(b"0\r\n\r\n")
            return
        self._left -= 1
        self._write(b"%b%0*d%b" % (_BEFORE, _STAMP_DIGITS, time.monotonic_ns(), _AFTER))
        self._due += self._gap_s
        self._next = self._loop.call_at(self._due, self._send)

    def _write(self, event: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    server = await asyncio.get_running_loop().create_server(SlowConnection, "127.0.0.1", port, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
