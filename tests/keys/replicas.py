"""Two real servers over one database, as behind a load balancer, and how to ask each of them as a key."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.live.processes import GatewayProcess, Process, SimulatorProcess, free_port

from tollkeeper.control.administration import Administration, Caller, Secrets, operator
from tollkeeper.kit.secrets import read_pepper
from tollkeeper.store.engine import Store


class Replicas:
    """`origins` are the addresses of both; `organization_id`, `project_id` and `admin_key` are what `init` made."""

    def __init__(self, first: GatewayProcess, origins: tuple[str, str]) -> None:
        self.organization_id, self.project_id = first.organization_id, first.project_id
        self.admin_key, self.origins = first.admin_key, origins
        self.database_url = first.database_url
        self.pepper = read_pepper(first.folder / "tollkeeper.pepper")

    def admin(self, client: httpx.AsyncClient, replica: int) -> Admin:
        return Admin(client, self.origins[replica], self.admin_key)

    def operator(self, store: Store) -> tuple[Administration, Caller]:
        """Return the administration as a command on another machine has it."""
        return Administration(store, Secrets.of(self.pepper)), operator(self.organization_id, name="a test")


class Admin:
    """The administration API of one replica."""

    def __init__(self, client: httpx.AsyncClient, origin: str, key: str) -> None:
        self._client, self._origin, self._headers = client, origin, {"authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        return await self._client.request(
            method, f"{self._origin}/v1/{path}", json=body, headers=self._headers, timeout=30
        )


async def status_of(client: httpx.AsyncClient, origin: str, key: str, path: str = "models") -> int:
    """Use a key at a replica: list the models, which asks for the key and nothing else."""
    answered = await client.get(f"{origin}/v1/{path}", headers={"authorization": f"Bearer {key}"}, timeout=30)
    return answered.status_code


async def seconds_until(client: httpx.AsyncClient, origin: str, key: str, status: int, path: str = "models") -> float:
    """Return how long it takes until a replica answers so."""
    started = time.monotonic()
    while await status_of(client, origin, key, path) != status:
        assert time.monotonic() - started < 10, f"still not {status}"
    return time.monotonic() - started


@contextmanager
def two_replicas(folder: Path, database_url: str) -> Iterator[Replicas]:
    """Start both; the second has a journal of its own, as on another machine."""
    simulator = SimulatorProcess(folder)
    running: list[Process] = [simulator]
    try:
        first = GatewayProcess(folder, simulator, database_url).start()
        assert isinstance(first.process, Process)
        running.append(first.process)
        port = free_port()
        config = folder / "second.toml"
        text = first.config.read_text().replace(f"port = {first.port}", f"port = {port}")
        config.write_text(text.replace(str(folder / "journal"), str(folder / "second journal")))
        second = Process(
            [sys.executable, "-m", "tollkeeper", "serve", "--config", str(config)],
            folder / "second.log",
            env=first.env,
        )
        running.append(second)
        origin = f"http://127.0.0.1:{port}"
        second.wait_for(f"{origin}/healthz")
        yield Replicas(first, (first.origin, origin))
        for log in (folder / "gateway.log", folder / "second.log"):
            assert "Traceback" not in log.read_text(), log.read_text()[-4000:]
    finally:
        for process in reversed(running):
            process.stop()
