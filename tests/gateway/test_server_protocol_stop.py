"""A server that stops lets answers end, but waits for nobody who only listens."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
from tests.gateway.served import BOUNDS

from tollkeeper.gateway.server_protocol import ServerProtocol
from tollkeeper.ports.open_answers import ENDS_AT_STOP

GRACE_S = 5


class _Protocol(ServerProtocol):
    bounds = BOUNDS


class _Streams:
    """An application whose streams say "first", and "last" when they may; `marked` ones a server need not wait for."""

    def __init__(self) -> None:
        self.may_end, self.cut = asyncio.Event(), 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})[ENDS_AT_STOP] = scope["path"] == "/marked"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        ending = asyncio.ensure_future(self.may_end.wait())
        leaving = asyncio.ensure_future(self._left(receive))
        await asyncio.wait((ending, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            self.cut += 1
            ending.cancel()
            return
        leaving.cancel()
        await send({"type": "http.response.body", "body": b"last", "more_body": False})

    async def _left(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


@pytest.mark.parametrize("path", ["/marked", "/unmarked"])
async def test_who_only_listens_is_not_waited_for_and_an_answer_is(path: str) -> None:
    streams = _Streams()
    settings = uvicorn.Config(
        streams, http=_Protocol, lifespan="off", log_config=None, timeout_graceful_shutdown=GRACE_S
    )
    server = uvicorn.Server(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.ensure_future(server._serve(sockets=[listener]))  # without its signal handlers
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(f"GET {path} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
        await reader.readuntil(b"first")
        server.should_exit = True
        if path == "/marked":
            async with asyncio.timeout(GRACE_S - 1):
                await serving
            assert streams.cut == 1
        else:
            (connection,) = ServerProtocol.open_connections
            while connection.cycle.keep_alive:  # until it has begun to stop
                await asyncio.sleep(0.001)
            assert not connection.transport.is_closing()
            streams.may_end.set()
            assert b"last" in await reader.readuntil(b"last")
            await serving
            assert streams.cut == 0
        writer.close()
