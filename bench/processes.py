"""Processes that the benchmark starts: each in its own group, on its own core, and all ended whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
"""The repository: where `bench` can be imported from and `.bench` and `docs` are."""


class StartFailure(Exception):
    """A process ended, or did not answer, while it was being waited for; the message holds the end of its log."""


class Fleet:
    """Starts processes and answers for their end: `stop` runs at exit and on SIGINT, SIGTERM and SIGHUP."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)
        atexit.register(self.stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)

    def start(self, name: str, command: Sequence[str], *, core: int, folder: Path | None = None) -> int:
        """Start `command` on one core and return its pid; its output goes to NAME.log."""
        assert name not in self._running, f"{name} runs already"
        with (self._logs / f"{name}.log").open("wb") as log, on_core(core):
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, start_new_session=True
            )
        self._running[name] = process
        return process.pid

    def wait_until(self, name: str, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Poll `is_ready` until it holds.

        Raises:
            StartFailure: the process ended first, or the time ran out.
        """
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            status = self._running[name].poll()
            if status is not None:
                raise StartFailure(f"{name} ended with status {status}\n{self.log_end(name)}")
            if time.monotonic() > deadline:
                raise StartFailure(f"{name} did not answer within {timeout_s:.0f} s\n{self.log_end(name)}")
            time.sleep(0.1)

    def check(self, names: Sequence[str]) -> None:
        """Make sure that these processes still run.

        Raises:
            StartFailure: one has ended.
        """
        for name in names:
            status = self._running[name].poll()
            if status is not None:
                raise StartFailure(f"{name} ended with status {status} in the middle of the run\n{self.log_end(name)}")

    def log_end(self, name: str, lines: int = 12) -> str:
        """Return the last lines of a process's output."""
        text = (self._logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, name: str | None = None) -> None:
        """End one process group, or all: first asked with SIGTERM, after three seconds killed."""
        ending = [name] if name else list(self._running)
        processes = [self._running.pop(each) for each in ending if each in self._running]
        for process in processes:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 3
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            # The leader may be gone while a worker of its group lingers.
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()


class on_core:  # noqa: N801 - reads as a phrase: with on_core(1)
    """Within this block new processes are born on one core; they keep it, the benchmark itself gets its own back."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._before: set[int] = set()

    def __enter__(self) -> None:
        self._before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self._core})

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self._before)


def hermetic(command: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Wrap `command` so that it sees these environment variables and a plain PATH, nothing of the caller's.

    A provider key or a proxy in the caller's environment would change what is measured.
    """
    pairs = [f"{name}={value}" for name, value in {"PATH": os.defpath, "LANG": "C.UTF-8", **variables}.items()]
    return ["/usr/bin/env", "-i", *pairs, *command]


def free_port() -> int:
    """Ask the system for a port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def choose_cores() -> tuple[int, int]:
    """Return the core for the gateway under test and the one for upstream and load.

    Raises:
        StartFailure: the benchmark may use only one core, where load and gateway would measure each other.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise StartFailure("the benchmark needs two cores: one for the gateway, one for upstream and load")
    return cores[0], cores[1]


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # runs the exit handlers, which end every process
