"""A small HTTP server of our own on 127.0.0.1 that keeps what it is posted, and answers what it is told to."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Posted:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HookServer:
    """`statuses` are what it answers first, then 200; `hangs` never answers."""

    port: int = 0
    taken: list[Posted] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    hangs: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=t0ken-canary"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {}
            for line in lines:
                name, colon, value = line.partition(": ")
                if colon:
                    headers[name.lower()] = value
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.taken.append(Posted(first.split(" ")[1], headers, body))
            while self.hangs:
                await asyncio.sleep(0.01)
            status = self.statuses.pop(0) if self.statuses else 200
            where = f"location: {self.location}\r\n" if self.location else ""
            answer = f"HTTP/1.1 {status} X\r\n{where}content-length: 9\r\nconnection: close\r\n\r\nSECRET-OK"
            writer.write(answer.encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hook_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[HookServer]:
    """Serve on a port of the system's choice."""
    hooks = HookServer()
    server = await asyncio.start_server(hooks._serve, "127.0.0.1", 0, ssl=tls)
    hooks.port = server.sockets[0].getsockname()[1]
    try:
        yield hooks
    finally:
        hooks.hangs = False
        server.close()
        await server.wait_closed()
