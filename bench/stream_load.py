"""The load of streams: opens them over kept-alive connections for some seconds, then lets the last ones end.

wrk cuts off what is under way when its time is up, which for slow gateways would be a third of all streams; here every
stream that was begun is read to its end, so CPU per stream is exact. Run as `python -m bench.stream_load`, with
`{"url", "headers", "body", "connections", "seconds"}` as JSON on stdin; prints StreamBurst as JSON.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from bench.processes import ROOT, on_core
from bench.targets import Target, path_of

DRAIN_S = 60
_TAIL_BYTES = 512


@dataclass
class StreamBurst:
    """What the load saw: whole streams, and those that failed (a status other than 200, or no end mark)."""

    streams: int = 0
    errors: int = 0
    duration_us: int = 0


class StreamReader(asyncio.Protocol):
    """One connection that asks again as soon as a stream has ended, until the time is up."""

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser

    def __init__(self, target: Target, burst: StreamBurst, deadline: float) -> None:
        self._request, self._end_mark = render_request(target), target.end.encode()
        self._burst, self._deadline = burst, deadline
        self._tail = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._tail = (self._tail + body)[-_TAIL_BYTES:]

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() == 200 and self._end_mark in self._tail:
            self._burst.streams += 1
        else:
            self._burst.errors += 1
        if time.monotonic() < self._deadline:
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._end()

    def connection_lost(self, _fault: Exception | None) -> None:
        if not self.ended.done():
            self._burst.errors += 1
            self._end()

    def _ask(self) -> None:
        self._tail = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(self._request)

    def _end(self) -> None:
        self.ended.set_result(None)
        self._transport.close()


def render_request(target: Target) -> bytes:
    """Return the bytes of one HTTP/1.1 POST."""
    place = urlsplit(target.url)
    headers = {"host": place.netloc, **target.headers, "content-length": str(len(target.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path_of(target)} HTTP/1.1\r\n{lines}\r\n".encode() + target.body


async def load(target: Target, *, connections: int, seconds: float) -> StreamBurst:
    """Run the load in this process."""
    place = urlsplit(target.url)
    burst, begun = StreamBurst(), time.monotonic()
    readers = []
    for _ in range(connections):
        _transport, reader = await asyncio.get_running_loop().create_connection(
            lambda: StreamReader(target, burst, begun + seconds), place.hostname or "", place.port or 80
        )
        readers.append(reader.ended)
    _done, hanging = await asyncio.wait(readers, timeout=seconds + DRAIN_S)
    burst.errors += len(hanging)
    burst.duration_us = int((time.monotonic() - begun) * 1_000_000)
    return burst


def run_stream_burst(target: Target, *, connections: int, seconds: float, core: int) -> StreamBurst:
    """Run the load in a process of its own on one core.

    Raises:
        ValueError: the load itself broke.
    """
    order = dataclasses.asdict(target) | {"body": target.body.decode(), "connections": connections, "seconds": seconds}
    with on_core(core):
        finished = subprocess.run(
            [sys.executable, "-m", "bench.stream_load"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=seconds + DRAIN_S + 30,
            check=False,
        )
    if finished.returncode:
        raise ValueError(f"the load of streams broke: {finished.stderr.strip()[-300:]}")
    return StreamBurst(**json.loads(finished.stdout))


def main() -> None:
    """Read the order from stdin, run it, print what was seen."""
    order = json.load(sys.stdin)
    target = Target(url=order["url"], headers=order["headers"], body=order["body"].encode(), end=order["end"])
    burst = uvloop.run(load(target, connections=order["connections"], seconds=order["seconds"]))
    print(json.dumps(dataclasses.asdict(burst)))


if __name__ == "__main__":
    main()
