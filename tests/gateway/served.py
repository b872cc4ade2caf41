"""A gateway over fakes behind a real server and a real socket, and the requests that tests send to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
import uvicorn
from tests.fakes.gateway import GOOD_KEY, FakeGateway, chat
from tests.live.raw_http import render

from tollkeeper.gateway.server_protocol import Bounds, ServerProtocol

CHAT = "/v1/chat/completions"
HEADERS = {"authorization": f"Bearer {GOOD_KEY}", "content-type": "application/json"}
KEEP_ALIVE_S = 75
BOUNDS = Bounds(head_bytes_max=4_000, request_s=10.0, client_stall_s=20.0)
CHUNKED = render(f"POST {CHAT}", HEADERS, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")


class _Protocol(ServerProtocol):
    bounds = BOUNDS


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served:
    """A gateway over fakes behind a real server."""

    def __init__(self, gateway: FakeGateway, port: int) -> None:
        self.gateway, self.port = gateway, port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes and return all that comes until the server closes."""
        async with asyncio.timeout(10), self.connect() as (reader, writer):
            writer.write(data)
            return await reader.read()

    @property
    def connection(self) -> ServerProtocol:
        """The server's side of the only connection."""
        (connection,) = ServerProtocol.open_connections
        return connection

    async def until_open(self) -> None:
        """Wait until the first call has reached its provider."""
        async with asyncio.timeout(5):
            while "open" not in self.gateway.log:
                await asyncio.sleep(0.001)

    async def sweep(self, now_s: float, *, connections: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(ServerProtocol.open_connections) < connections:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # what was sent has arrived
        for connection in list(ServerProtocol.open_connections):
            connection.sweep(now_s)


@asynccontextmanager
async def serve_fakes(gateway: FakeGateway | None = None) -> AsyncIterator[Served]:
    """Serve until left, on a port that the system chooses."""
    gateway = gateway or FakeGateway()
    config = uvicorn.Config(
        gateway.app, http=_Protocol, lifespan="off", log_config=None, timeout_keep_alive=KEEP_ALIVE_S
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        task = asyncio.ensure_future(server.serve(sockets=[sock]))
        try:
            yield Served(gateway, sock.getsockname()[1])
        finally:
            server.should_exit = server.force_exit = True
            for connection in list(ServerProtocol.open_connections):
                connection.transport.abort()
            await task


def post(body: object = None) -> bytes:
    return render(f"POST {CHAT}", HEADERS, msgspec.json.encode(chat() if body is None else body))


def error_in(answered: bytes) -> dict[str, object]:
    head, _, body = answered.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    return dict(msgspec.json.decode(body)["error"])
