"""A fake of outbound HTTP: each answer follows a script of bytes, gates to wait at, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Deadlines, Exchange, Origin, Upstream, UpstreamRequest

JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
REQUEST_ID = (b"x-request-id", b"req_provider")

Step = bytes | asyncio.Event | Exception


@dataclass
class Script:
    """One answer. `before` is played while the request is opened, `steps` while its body is read."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (JSON, REQUEST_ID)
    steps: Iterable[Step] = ()
    before: Iterable[Step] = ()


class FakeExchange:
    """Plays a script. Knows how often it was closed, and what time it was given at last."""

    def __init__(self, script: Script, log: list[str]) -> None:
        self.status, self.headers = script.status, list(script.headers)
        self.closed = 0
        self.tightened: list[float] = []
        self._steps = iter(script.steps)
        self._log = log
        self._due_s = float("inf")

    async def read(self) -> bytes:
        assert not self.closed, "read after close"
        await asyncio.sleep(0)
        for step in self._steps:
            self._check_due()
            if isinstance(step, asyncio.Event):
                await self._wait(step)
            elif isinstance(step, Exception):
                raise step
            else:
                return step
        return b""

    async def read_all(self, bytes_max: int) -> bytes:
        parts = []
        while piece := await self.read():
            parts.append(piece)
        body = b"".join(parts)
        if len(body) > bytes_max:
            raise UpstreamFault("too_large", "the provider's answer is too large", sent=True)
        return body

    async def pass_on(self, sink: Callable[[bytes], bool]) -> None:
        while data := await self.read():
            if not sink(data):
                return

    def tighten(self, total_s: float) -> None:
        self.tightened.append(total_s)
        self._due_s = asyncio.get_running_loop().time() + total_s

    def close(self) -> None:
        self._log.append("close")
        self.closed += 1
        assert self.closed == 1, "closed twice"

    async def _wait(self, gate: asyncio.Event) -> None:
        while not gate.is_set():
            self._check_due()
            await asyncio.sleep(0.001)

    def _check_due(self) -> None:
        if asyncio.get_running_loop().time() >= self._due_s:
            raise UpstreamFault("total_timeout", "the provider took too long", sent=True)


@dataclass
class FakeUpstream:
    """Hands out the scripted answers in order and keeps the requests; opening without a script left is a test's mistake."""

    log: list[str]
    scripts: list[Script] = field(default_factory=list)
    requests: list[UpstreamRequest] = field(default_factory=list)
    exchanges: list[FakeExchange] = field(default_factory=list)

    def render_head(self, origin: Origin, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"%b %b%b HTTP/1.1\r\nhost: %b\r\n" % (
            method.encode(), origin.path_prefix.encode(), path.encode(), origin.host.encode(),
        ) + lines  # fmt: skip

    async def open(self, request: UpstreamRequest, deadlines: Deadlines) -> Exchange:
        self.log.append("open")
        self.requests.append(request)
        assert self.scripts, "a call was forwarded that should not have been"
        script = self.scripts.pop(0)
        await asyncio.sleep(0)
        for step in script.before:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Exception):
                raise step
        exchange = FakeExchange(script, self.log)
        self.exchanges.append(exchange)
        return exchange


def _are_the_ports(upstream: FakeUpstream, exchange: FakeExchange) -> tuple[Upstream, Exchange]:
    return upstream, exchange
