"""A thousand slow streams at once: how much later each event arrives for the gateway in between, and what memory it takes.

The load runs as `python -m bench.slow_streams` with `{"url", "headers", "body", "streams", "ramp_s", "seconds"}` as JSON on
stdin; prints Latencies as JSON. Server and load share the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.figures import Verdict, at_most
from bench.processes import ROOT, on_core
from bench.procfs import cpu_us_of, memory_of
from bench.stream_load import DRAIN_S, render_request
from bench.targets import MODEL, Target
from bench.upstream import JSON_HEADERS

STREAMS, GAP_MS, RAMP_S = 1_000, 50, 4
ADDED_P99_MS_MAX, RESIDENT_MB_MAX = 5, 200
FILES = 8_192
"""How many sockets a process may have open: one stream takes two of the gateway's."""
_STAMP = re.compile(rb"@(\d{20})@")


@dataclass
class Latencies:
    """What the load saw between ramp and end: events, and by how many tenths of a millisecond they were late."""

    streams: int = 0
    errors: int = 0
    events: int = 0
    tenths: Counter[int] = field(default_factory=Counter)

    def percentile_ms(self, percent: float) -> float:
        """Return below what latency so many percent of the events stay."""
        wanted, passed = self.events * percent / 100, 0
        for tenth, count in sorted(self.tenths.items()):
            passed += count
            if passed >= wanted:
                return (tenth + 1) / 10
        return 0.0


@dataclass(frozen=True)
class SlowSample:
    """One round, through the gateway and straight to the upstream, in milliseconds."""

    round: int
    streams: int
    events: int
    errors: int
    p50_ms: float
    p99_ms: float
    direct_p50_ms: float
    direct_p99_ms: float
    cpu_percent: float
    """Of one core, while all streams were open."""
    resident_kb: int

    @property
    def added_p50_ms(self) -> float:
        return self.p50_ms - self.direct_p50_ms

    @property
    def added_p99_ms(self) -> float:
        return self.p99_ms - self.direct_p99_ms


class SlowReader(asyncio.Protocol):
    """One connection with one stream."""

    _transport: asyncio.Transport

    def __init__(self, request: bytes, seen: Latencies, counted_ns: range) -> None:
        self._request, self._seen, self._counted_ns = request, seen, counted_ns
        self._rest = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns, seen = time.monotonic_ns(), self._seen
        data, end = self._rest + data, 0
        for found in _STAMP.finditer(data):
            end = found.end()
            sent_ns = int(found[1])
            if sent_ns in self._counted_ns:
                seen.events += 1
                seen.tenths[(now_ns - sent_ns) // 100_000] += 1
        self._rest = data[max(end, len(data) - 64) :]  # a moment may be cut in two
        if b"data: [DONE]" in self._rest:
            seen.streams += 1
            self._end()

    def connection_lost(self, _fault: Exception | None) -> None:
        if not self.ended.done():
            self._seen.errors += 1
            self._end()

    def _end(self) -> None:
        self.ended.set_result(None)
        self._transport.close()


async def load(target: Target, *, streams: int, ramp_s: float, seconds: float) -> Latencies:
    """Open so many streams over the ramp, and read them to their end; what is sent while all are open counts."""
    loop, place, seen = asyncio.get_running_loop(), urlsplit(target.url), Latencies()
    begun, begun_ns = loop.time(), time.monotonic_ns()
    counted_ns = range(begun_ns + int((ramp_s + 1) * 1e9), begun_ns + int((ramp_s + 1 + seconds) * 1e9))
    request = render_request(target)
    readers: list[asyncio.Future[None]] = []
    for number in range(streams):
        await asyncio.sleep(begun + ramp_s * number / streams - loop.time())
        _transport, reader = await loop.create_connection(
            lambda: SlowReader(request, seen, counted_ns), place.hostname or "", place.port or 80
        )
        readers.append(reader.ended)
    _done, hanging = await asyncio.wait(readers, timeout=ramp_s + seconds + DRAIN_S)
    seen.errors += len(hanging)
    return seen


def slow_target(url: str, headers: dict[str, str], model: str, *, seconds: float) -> Target:
    """Return a request for a stream that lasts through ramp and measurement."""
    chunks = int((RAMP_S + 1 + seconds) * 1_000 / GAP_MS)
    request = {
        "model": model,
        "messages": [{"role": "user", "content": "y" * 100}],
        "max_tokens": 64,
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": f"{chunks}@{GAP_MS}",
    }
    return Target(url, {**JSON_HEADERS, **headers}, json.dumps(request).encode())


def measure_slow_streams(
    origin: str, key: str, pid: int, *, slow_url: str, core: int, seconds: int, number: int
) -> SlowSample:
    """Take one round: the same streams straight from the upstream, then through the gateway.

    Raises:
        ProcessLookupError: the gateway has ended.
        ValueError: the load itself broke.
    """
    direct = _run(slow_target(f"{slow_url}/chat/completions", {}, MODEL, seconds=seconds), seconds, core)
    headers = {"authorization": f"Bearer {key}"}
    target = slow_target(f"{origin}/v1/chat/completions", headers, f"slow/{MODEL}", seconds=seconds)
    seen: list[int] = []
    through = _run(target, seconds, core, meanwhile=lambda: seen.append(memory_of(pid).resident_kb), pid=pid)
    return SlowSample(
        round=number,
        streams=STREAMS,
        events=through.seen.events,
        errors=through.seen.errors + direct.seen.errors + abs(STREAMS - through.seen.streams),
        p50_ms=through.seen.percentile_ms(50),
        p99_ms=through.seen.percentile_ms(99),
        direct_p50_ms=direct.seen.percentile_ms(50),
        direct_p99_ms=direct.seen.percentile_ms(99),
        cpu_percent=through.cpu_percent,
        resident_kb=max(seen, default=0),
    )


@dataclass(frozen=True)
class _Burst:
    seen: Latencies
    cpu_percent: float = 0.0


def _run(
    target: Target, seconds: int, core: int, *, meanwhile: Callable[[], None] = lambda: None, pid: int | None = None
) -> _Burst:
    """Run the load in a process of its own; `meanwhile` is called while all streams are open."""
    order = {
        "url": target.url,
        "headers": dict(target.headers),
        "body": target.body.decode(),
        "streams": STREAMS,
        "ramp_s": RAMP_S,
        "seconds": seconds,
    }
    allow_files()
    with on_core(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.slow_streams"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order))
    process.stdin.close()
    process.stdin = None
    time.sleep(RAMP_S + 1)
    begun, before_us = time.monotonic(), 0 if pid is None else cpu_us_of(pid)
    time.sleep(max(0.5, seconds - 1))
    used_us = 0 if pid is None else cpu_us_of(pid) - before_us
    percent = used_us / 10_000 / (time.monotonic() - begun)
    meanwhile()
    output, complaint = process.communicate(timeout=seconds + RAMP_S + DRAIN_S + 30)
    if process.returncode:
        raise ValueError(f"the load of slow streams broke: {complaint.strip()[-300:]}")
    found = json.loads(output)
    tenths = Counter({int(tenth): count for tenth, count in found.pop("tenths").items()})
    return _Burst(Latencies(**found, tenths=tenths), percent)


def allow_files() -> None:
    """Let this process, and those that it starts, open enough sockets, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def judge_slow(samples: list[SlowSample]) -> list[Verdict]:
    """Hold the worst round against the targets; a failed stream makes the figure invalid."""
    is_valid = bool(samples) and not any(sample.errors for sample in samples)
    added = max(sample.added_p99_ms for sample in samples) if is_valid else None
    memory = max(sample.resident_kb for sample in samples) / 1024 if is_valid else None
    what = f"{STREAMS:,} slow streams:"
    return [
        at_most(f"{what} added p99 at most {ADDED_P99_MS_MAX} ms", added, ADDED_P99_MS_MAX, "ms"),
        at_most(f"{what} resident memory at most {RESIDENT_MB_MAX} MB", memory, RESIDENT_MB_MAX, "MB"),
    ]


def main() -> None:
    """Read the order from stdin, run it, print what was seen."""
    order = json.load(sys.stdin)
    target = Target(url=order["url"], headers=order["headers"], body=order["body"].encode())
    seen = uvloop.run(load(target, streams=order["streams"], ramp_s=order["ramp_s"], seconds=order["seconds"]))
    print(json.dumps(vars(seen) | {"tenths": dict(seen.tenths)}))


if __name__ == "__main__":
    main()
