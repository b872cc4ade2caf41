"""What the simulator's tests share: a small chat call, a tool, and waiting for the bill."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tollkeeper_simulator import Simulator

KEY = "sk-sim-abc123"
WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city", "unit", "days"],
            "additionalProperties": False,
        },
    },
}


def asking(text: str = "hello", **more: Any) -> dict[str, Any]:
    """Return the arguments of a small chat call."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


async def settled(simulator: Simulator) -> None:
    """Wait until everything that was served is on the bill."""
    async with asyncio.timeout(10):
        while simulator.bill.in_flight:
            await asyncio.sleep(0.005)


class Wire:
    """A bare keep-alive connection: a tenth of what a general HTTP client costs, where thousands of calls are made."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, simulator: Simulator) -> Wire:
        host, _, port = simulator.origin.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def post(self, path: str, body: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Return headers (`:status` among them) and body of one call."""
        payload = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(payload)}\r\n\r\n"
        self._writer.write(head.encode() + payload)
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines) | {":status": status.split()[1]}
        if "content-length" in headers:
            return headers, await self._reader.readexactly(int(headers["content-length"]))
        data = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            data += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return headers, data

    def close(self) -> None:
        self._writer.close()
