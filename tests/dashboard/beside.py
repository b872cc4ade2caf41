"""Calls at a steady rate while people load pages: by how much later the slowest of them are answered than without the people."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit

CALLS_PER_S = 100
CONNECTIONS = 20
PAUSE_S = (1.0, 3.0)


class Caller:
    """One kept-alive connection; `call` answers after how many milliseconds the whole answer was there."""

    def __init__(self, origin: str, head: str, body: bytes = b"") -> None:
        self._place, self._sent = urlsplit(origin), head.encode() + b"\r\n" + body
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, sent: bytes = b"") -> float:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._place.hostname, self._place.port, limit=2**24)
        reader, writer = self._streams
        began = time.perf_counter()
        writer.write(sent or self._sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.partition(b"\r\n")[0] + b" ":
            raise AssertionError((sent.partition(b"\r\n")[0], head, await reader.read(2**14)))
        if b"transfer-encoding: chunked" in head:
            while size := int((await reader.readline()).strip() or b"0", 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        else:
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        return (time.perf_counter() - began) * 1000


async def call_steadily(origin: str, head: str, body: bytes, seconds: float) -> list[float]:
    """Return the times of calls that begin at a steady rate, whether or not those before them have ended."""
    idle = [Caller(origin, head, body) for _ in range(CONNECTIONS)]
    took: list[float] = []
    tasks = set()

    async def one(caller: Caller) -> None:
        took.append(await caller.call())
        idle.append(caller)

    began = time.perf_counter()
    for number in range(int(seconds * CALLS_PER_S)):
        await asyncio.sleep(max(0.0, began + number / CALLS_PER_S - time.perf_counter()))
        caller = idle.pop() if idle else Caller(origin, head, body)
        tasks.add(asyncio.create_task(one(caller)))
    await asyncio.gather(*tasks)
    return took


async def load_pages(origin: str, cookie: str, pages: list[str], people: int, seconds: float) -> list[float]:
    """Return the times of pages that so many people load, each with a pause of a second or three behind it."""
    host = urlsplit(origin).netloc
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def person(number: int) -> None:
        dice = random.Random(number)
        caller = Caller(origin, "")
        await asyncio.sleep(dice.uniform(0, PAUSE_S[0]))
        while time.perf_counter() < until:
            page = dice.choice(pages)
            took.append(await caller.call(f"GET {page} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n".encode()))
            await asyncio.sleep(dice.uniform(*PAUSE_S))

    await asyncio.gather(*(person(number) for number in range(people)))
    return took


async def _main(given: dict[str, object]) -> dict[str, object]:
    work = given.pop("work")
    took = await (call_steadily(**given) if work == "calls" else load_pages(**given))  # type: ignore[arg-type]
    return {"took": took}


if __name__ == "__main__":
    what = json.load(sys.stdin)
    if isinstance(what.get("body"), str):
        what["body"] = what["body"].encode()
    print(json.dumps(asyncio.run(_main(what))))
