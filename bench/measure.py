"""One contender under load: the bursts, and the CPU, latency and memory that belong to them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.figures import Latency, Load, Sample
from bench.procfs import cpu_us_of, memory_of
from bench.stream_load import run_stream_burst
from bench.systems import System
from bench.upstream import Upstream
from bench.wrk import Wrk, run_burst

CONNECTIONS = 32
QUIET_US_MAX = 10_000
"""One tick of the system's clock: less than that in a quarter second is a process at rest."""


@dataclass(frozen=True)
class Contender:
    """A running system. `stream_fault` says why its streams cannot be measured, None when they can."""

    system: System
    pid: int
    stream_fault: str | None


@dataclass(frozen=True)
class Bench:
    """What every measurement needs, and how long one lasts."""

    wrk: Wrk
    upstream: Upstream
    seconds: int

    def warm_up(self, contender: Contender) -> None:
        """Run every path long enough for caches, pools and just-in-time compilers."""
        run_burst(self.wrk, contender.system.call, connections=CONNECTIONS, seconds=2)
        if contender.stream_fault is None:
            run_stream_burst(contender.system.stream, connections=8, seconds=1, core=self.wrk.core)
        # Calls that wrk cut off are still being served; they would be counted into the next contender's figures.
        wait_until_quiet(contender.pid)

    def measure(self, contender: Contender, *, number: int) -> Sample:
        """Take one round's figures of one contender.

        Raises:
            ProcessLookupError: the contender has ended.
            ValueError: the load itself broke.
        """
        call = self._measure_calls(contender)
        latency = self._measure_latency(contender)
        stream = self._measure_streams(contender) if contender.stream_fault is None else None
        memory = memory_of(contender.pid)
        return Sample(
            system=contender.system.name,
            round=number,
            call=call,
            latency=latency,
            stream=stream,
            resident_kb=memory.resident_kb,
            proportional_kb=memory.proportional_kb,
        )

    def _measure_calls(self, contender: Contender) -> Load:
        """Count answers where they are made: calls that wrk cuts off at its end have cost their CPU all the same."""
        served, cpu_us = self.upstream.served(), cpu_us_of(contender.pid)
        burst = run_burst(self.wrk, contender.system.call, connections=CONNECTIONS, seconds=self.seconds)
        wait_until_quiet(contender.pid)
        used_us = cpu_us_of(contender.pid) - cpu_us
        answers = self.upstream.served() - served - 1
        # Fewer calls upstream than answers: something was answered by the gateway itself. More than were under way: it
        # called twice for one answer. Either way it is not the call that all others are measured on.
        strays = max(0, burst.answers - answers) + max(0, answers - burst.answers - CONNECTIONS)
        return Load(answers=answers, errors=burst.errors + strays, cpu_us=used_us, duration_us=burst.duration_us)

    def _measure_latency(self, contender: Contender) -> Latency:
        seconds = max(1, self.seconds // 2)
        direct = run_burst(self.wrk, self.upstream.direct(), connections=1, seconds=1)
        through = run_burst(self.wrk, contender.system.call, connections=1, seconds=seconds)
        wait_until_quiet(contender.pid)
        return Latency(
            p50_us=through.p50_us,
            p99_us=through.p99_us,
            direct_p50_us=direct.p50_us,
            direct_p99_us=direct.p99_us,
            errors=through.errors + direct.errors + (not through.answers),
        )

    def _measure_streams(self, contender: Contender) -> Load:
        cpu_us = cpu_us_of(contender.pid)
        burst = run_stream_burst(
            contender.system.stream, connections=CONNECTIONS, seconds=self.seconds, core=self.wrk.core
        )
        wait_until_quiet(contender.pid)
        used_us = cpu_us_of(contender.pid) - cpu_us
        return Load(answers=burst.streams, errors=burst.errors, cpu_us=used_us, duration_us=burst.duration_us)


def wait_until_quiet(pid: int, *, timeout_s: float = 3) -> None:
    """Wait until a process tree rests, so that work it put off (records, logs) is booked to the burst that caused it."""
    deadline = time.monotonic() + timeout_s
    before = cpu_us_of(pid)
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = cpu_us_of(pid)
        if now - before <= QUIET_US_MAX:
            return
        before = now
