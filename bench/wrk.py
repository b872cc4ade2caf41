"""Driving wrk: one burst of calls against one target, and reading what it says of it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import hermetic, on_core
from bench.targets import Target

SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Wrk:
    """Where wrk is, the folders of the libraries it needs, and the core it may use."""

    program: str
    library_path: str
    core: int


@dataclass(frozen=True)
class Burst:
    """What wrk saw. Latency is from its histogram, in microseconds; `errors` are non-2xx/3xx answers and lost calls."""

    answers: int
    errors: int
    duration_us: int
    p50_us: int
    p99_us: int


def parse_burst(output: str) -> Burst:
    """Read the line of JSON that post.lua writes at the end.

    Raises:
        ValueError: there is none, so wrk did not come to its end.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk gave no figures: {output.strip()[-300:]!r}")
    figures = json.loads(lines[-1])
    return Burst(
        answers=figures["answers"],
        errors=figures["failed_status"] + figures["failed_socket"],
        duration_us=figures["duration_us"],
        p50_us=figures["p50_us"],
        p99_us=figures["p99_us"],
    )


def run_burst(wrk: Wrk, target: Target, *, connections: int, seconds: int) -> Burst:
    """Call `target` over `connections` kept-alive connections for so many seconds."""
    arguments = [wrk.program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT)]
    for name, value in target.headers.items():
        arguments += ["-H", f"{name}: {value}"]
    variables = {"LD_LIBRARY_PATH": wrk.library_path, "BENCH_BODY": target.body.decode()}
    with on_core(wrk.core):
        finished = subprocess.run(
            hermetic([*arguments, target.url], variables),
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    return parse_burst(finished.stdout + finished.stderr)
