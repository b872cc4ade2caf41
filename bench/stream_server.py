"""The upstream for streams: answers every POST with the same hundred chunks in its path's dialect, one write each.

Run as `python -m bench.stream_server PORT GAP_MS`. Without a gap a busy gateway reads several events at once, as it would
from a fast provider; with a gap it reads each event by itself, as from one that is slower than the gateway.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import httptools
import uvloop

from bench.dialects import DIALECTS, Dialect, events_of

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
WRITES: dict[Dialect, list[bytes]] = {
    dialect: [*(b"%x\r\n%s\r\n" % (len(event), event) for event in events_of(dialect)), b"0\r\n\r\n"]
    for dialect in DIALECTS
}


class StreamConnection(asyncio.Protocol):
    """One kept-alive connection; one stream at a time."""

    _transport: asyncio.Transport
    _parser: httptools.HttpRequestParser
    _streaming: asyncio.Task[None] | None = None

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._writes = WRITES["openai"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._writes = WRITES["gemini" if b":stream" in url else "anthropic" if b"/messages" in url else "openai"]

    def on_message_complete(self) -> None:
        self._streaming = asyncio.ensure_future(self._stream())

    def connection_lost(self, _fault: Exception | None) -> None:
        if self._streaming:
            self._streaming.cancel()

    async def _stream(self) -> None:
        self._transport.write(HEAD)
        for piece in self._writes:
            self._transport.write(piece)
            # Even without a gap this lets the loop hand the event to the system before the next one joins it.
            await asyncio.sleep(self._gap_s)


async def serve(port: int, gap_s: float) -> None:
    """Listen until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StreamConnection(gap_s), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
