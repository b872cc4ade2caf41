"""Real processes for tests: the provider simulator and the gateway, started, killed and read as an operator would."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START_S = 30.0


def free_port() -> int:
    """Return a port that is free now; the kernel does not hand it out again at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A child process whose output goes to a file."""

    def __init__(
        self, arguments: list[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ):
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                arguments, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=cwd
            )

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 40.0) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(timeout_s)

    def wait_for(self, url: str) -> None:
        """Wait until `url` answers 200."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"{url} did not come up:\n{self.log.read_text()[-4000:]}")


class SimulatorProcess(Process):
    """The provider simulator; `bill` is its own exact account."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "tollkeeper_simulator", "--port", str(self.port), *options]
        super().__init__(command, folder / "simulator.log")
        self.wait_for(f"{self.origin}/_bill/summary")

    def bill(self) -> list[dict[str, Any]]:
        """Return every request on the bill, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            since = f"?since_request={found[-1]['request_id']}" if found else ""
            page = get_json(f"{self.origin}/_bill{since}")
            found += page["requests"]
            if not page.get("has_more"):
                return found

    def fault(self, fault: str, *, count: int = 1, match: dict[str, Any] | None = None) -> None:
        post_json(f"{self.origin}/_faults", {"match": match or {}, "fault": fault, "count": count})


class GatewayProcess:
    """A gateway over the simulator. It can be started, killed and started again on the same database and journal."""

    def __init__(
        self,
        folder: Path,
        simulator: SimulatorProcess,
        database_url: str,
        *,
        extra: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.simulator, self.database_url = folder, simulator, database_url
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.origin}/v1"
        self.config = folder / "tollkeeper.toml"
        self.config.write_text(
            f"""
[server]
port = {self.port}
shutdown_grace_s = 10
[database]
url = "{database_url}"
[journal]
directory = "{folder / "journal"}"
[keys]
pepper_file = "{folder / "tollkeeper.pepper"}"
[[providers]]
name = "openai"
kind = "openai"
base_url = "{simulator.origin}/v1"
api_key_env = "SIMULATOR_KEY"
{extra}
"""
        )
        self.env = {"SIMULATOR_KEY": "sk-sim-gateway-000001", **(env or {})}
        made = json.loads(self.tollkeeper("init", "--org", "acme", "--json"))
        self.organization_id, self.project_id = made["organization_id"], made["project_id"]
        self.admin_key, self.key = made["admin_key"], made["project_key"]
        self.process: Process | None = None

    def start(self, *program: str) -> GatewayProcess:
        """Start it; `program` is what Python runs instead of the package itself."""
        command = [sys.executable, *(program or ("-m", "tollkeeper")), "serve", "--config", str(self.config)]
        self.process = Process(command, self.folder / "gateway.log", env=self.env)
        self.process.wait_for(f"{self.origin}/healthz")
        return self

    def neighbour(self) -> GatewayProcess:
        """Return another one on the same database, with a port, a journal and a log of its own; it is not started."""
        other = copy.copy(self)
        other.folder, other.process, other.port = self.folder / "neighbour", None, free_port()
        other.folder.mkdir(exist_ok=True)
        other.origin = f"http://127.0.0.1:{other.port}"
        other.base_url, other.config = f"{other.origin}/v1", other.folder / self.config.name
        settings = self.config.read_text().replace(f"port = {self.port}\n", f"port = {other.port}\n")
        other.config.write_text(settings.replace(str(self.folder / "journal"), str(other.folder / "journal")))
        return other

    def kill(self) -> None:
        assert self.process is not None
        self.process.stop(signal.SIGKILL)

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop()

    def tollkeeper(self, *arguments: str) -> str:
        """Run a `tollkeeper` command on this gateway's settings and return its output."""
        command = [sys.executable, "-m", "tollkeeper", *arguments, "--config", str(self.config)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **self.env}, timeout=60
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()


def get_json(url: str, headers: Mapping[str, str] | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=30) as answer:
        return json.load(answer)


def post_json(url: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"content-type": "application/json", **(headers or {})}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
