"""A provider made of raw bytes: plays a script on every connection and keeps what it was sent. Also a bare transport."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Deadlines, Origin, UpstreamRequest
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.exchange import Exchange

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
PATIENT = Deadlines(connect_s=5, first_byte_s=10, idle_s=10, total_s=20)


@dataclass
class Received:
    """One request as it came: `head` without the empty line."""

    head: bytes
    body: bytes


@dataclass
class Peer:
    """The provider's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    provider: ScriptedProvider
    number: int

    async def request(self) -> Received | None:
        """Read one whole request; None when the client hung up first."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")),
                0,
            )
            body = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        received = Received(head[:-4], body)
        self.provider.received.append(received)
        return received

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause_s)

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        """Wait until the client hangs up."""
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionError:
            pass


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class ScriptedProvider:
    """What all connections together have seen."""

    script: Script
    port: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    received: list[Received] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def origin(self, scheme: str = "http", host: str = "127.0.0.1") -> Origin:
        return Origin(scheme, host, self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self.script(Peer(reader, writer, self, self.connections))
        except (ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def playing(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedProvider]:
    """Serve `script` on a free port; a script that failed by itself fails the test."""
    provider = ScriptedProvider(script)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await provider.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not provider.failures, provider.failures


def answering(*pieces: bytes, then_close: bool = False, pause_s: float = 0.0) -> Script:
    """Answer every request on a connection with the same pieces."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(*pieces, pause_s=pause_s)
            if then_close:
                return

    return script


def request_to(
    client: UpstreamClient, origin: Origin, body: bytes = b'{"model":"m"}', path: str = "/v1/chat/completions"
) -> UpstreamRequest:
    head = client.render_head(origin, "POST", path, [(b"content-type", b"application/json")])
    return UpstreamRequest(origin, head, body)


async def whole_call(
    client: UpstreamClient, origin: Origin, deadlines: Deadlines = PATIENT, body: bytes = b'{"model":"m"}'
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Make a call as a gateway does: read it to its end, close it whatever happens."""
    exchange = await client.open(request_to(client, origin, body), deadlines)
    try:
        return exchange.status, exchange.headers, await exchange.read_all(300_000_000)
    finally:
        exchange.close()


async def drained(exchange: Exchange) -> tuple[int, UpstreamFault]:
    """Read to the fault that ends the answer; return how many bytes came before it."""
    seen = 0
    try:
        while piece := await exchange.read():
            seen += len(piece)
    except UpstreamFault as fault:
        return seen, fault
    raise AssertionError("the answer ended well")


def resolve_to(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Let every name resolve to these addresses; return the list that the names asked for go into."""
    return resolve_by_turns(monkeypatch, found)


def resolve_by_turns(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> list[str]:
    """As `resolve_to`, with another answer each time; the last one stays."""
    asked: list[str] = []

    async def getaddrinfo(_: object, host: str, port: int, **__: object) -> list[object]:
        asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answers[min(len(asked), len(answers)) - 1]
        ]

    class Resolver:
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop
            self.getaddrinfo = getaddrinfo.__get__(self)

        def __getattr__(self, name: str) -> object:
            return getattr(self._loop, name)

    running = asyncio.get_running_loop

    class Asyncio:
        get_running_loop = staticmethod(lambda: Resolver(running()))

        def __getattr__(self, name: str) -> object:
            return getattr(asyncio, name)

    monkeypatch.setattr("tollkeeper.upstream.dial.asyncio", Asyncio())
    return asked


class BareTransport(asyncio.Transport):
    """A transport without a network: keeps what is written, remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_paused = False
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False
