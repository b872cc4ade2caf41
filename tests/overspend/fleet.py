"""Several serving processes over one database and one simulated provider, as on several hosts: each has a journal of its own."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.processes import GatewayProcess, Process, SimulatorProcess, free_port

from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.secrets import read_pepper

START_S = 120.0

SETTINGS = """
[upstream]
drains_max = 2048
"""
"""Every call whose client left is read to its end: then nothing has to be estimated."""


class Replica:
    """One serving process. `holder` is what it is called in the tables of leases, once it ran."""

    def __init__(
        self,
        folder: Path,
        config: Path,
        *,
        port: int,
        env: dict[str, str],
        program: tuple[str, ...] = ("-m", "tollkeeper"),
    ) -> None:
        self.folder, self.config, self.port, self.env = folder, config, port, dict(env)
        self.origin = f"http://127.0.0.1:{port}"
        self.log_path = folder / "gateway.log"
        self.program = program
        self.process: Process | None = None

    def launch(self) -> Process:
        """Start it without waiting for it."""
        command = [sys.executable, *self.program, "serve", "--config", str(self.config)]
        self.process = Process(command, self.log_path, env=self.env)
        return self.process

    def wait(self) -> None:
        """Return when it answers; many that start at once on a busy machine take their time."""
        assert self.process is not None
        deadline_s = monotonic_s() + START_S
        while self.process.popen.poll() is None and monotonic_s() < deadline_s:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.origin}/healthz", timeout=1) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.folder.name} did not come up:\n{self.log_path.read_text()[-4000:]}")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.popen.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.stop(signal.SIGKILL)

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop()

    @property
    def holder(self) -> str:
        return (self.folder / "journal" / "replica").read_text() + "-0"


class Fleet:
    """The provider and so many replicas, none of them started. What `init` made is the first's."""

    def __init__(self, folder: Path, database_url: str, *, count: int, tokens_per_second: int, extra: str = "") -> None:
        self.folder, self.database_url = folder, database_url
        self.simulator = SimulatorProcess(folder, "--tokens-per-second", str(tokens_per_second))
        first_folder = folder / "replica-0"
        first_folder.mkdir()
        first = GatewayProcess(first_folder, self.simulator, database_url, extra=SETTINGS + extra)
        self.first = first
        self.organization_id, self.project_id = first.organization_id, first.project_id
        self.pepper = read_pepper(first_folder / "tollkeeper.pepper")
        self.replicas = [Replica(first_folder, first.config, port=first.port, env=first.env)]
        for number in range(1, count):
            self.replicas.append(self._further(number))

    def start(self) -> None:
        """Start all, at once."""
        for replica in self.replicas:
            replica.launch()
        for replica in self.replicas:
            replica.wait()

    def stop(self) -> list[str]:
        """Stop all in order and return what was wrong with it."""
        codes = [(replica, replica.stop()) for replica in self.replicas]
        return [f"{replica.folder.name} ended with {code}" for replica, code in codes if code]

    def faults(self) -> list[str]:
        """Return tracebacks in logs: the processes' own mistakes."""
        found = []
        for replica in self.replicas:
            text = replica.log_path.read_text() if replica.log_path.exists() else ""
            if "Traceback" in text:
                found.append(
                    f"a traceback in the log of {replica.folder.name}: {text[text.index('Traceback') :][:2000]}"
                )
        return found

    def tollkeeper(self, *arguments: str) -> str:
        return self.first.tollkeeper(*arguments)

    def _further(self, number: int) -> Replica:
        folder = self.folder / f"replica-{number}"
        folder.mkdir()
        port = free_port()
        text = self.first.config.read_text().replace(f"port = {self.first.port}\n", f"port = {port}\n", 1)
        config = folder / "tollkeeper.toml"
        config.write_text(text.replace(str(self.first.folder / "journal"), str(folder / "journal")))
        return Replica(folder, config, port=port, env=self.first.env)


@contextmanager
def fleet(folder: Path, database_url: str, *, count: int, tokens_per_second: int, extra: str = "") -> Iterator[Fleet]:
    """Yield a fleet, and leave no process behind."""
    made = Fleet(folder, database_url, count=count, tokens_per_second=tokens_per_second, extra=extra)
    try:
        yield made
    finally:
        for replica in made.replicas:
            if replica.process is not None:
                replica.signal(signal.SIGCONT)
                replica.kill()
        made.simulator.stop(signal.SIGKILL)
