"""`tollkeeper serve`: it owns its port from the first moment, and a start that fails says why in one line and exits 1."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.processes import Process, free_port

EXIT_S = 60


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings of an installation that can be served, once `init` has run on it."""
    return {
        **os.environ,
        "TOLLKEEPER_DATABASE__URL": f"sqlite:///{tmp_path / 'tollkeeper.db'}",
        "TOLLKEEPER_JOURNAL__DIRECTORY": str(tmp_path / "journal"),
        "TOLLKEEPER_KEYS__PEPPER_FILE": str(tmp_path / "tollkeeper.pepper"),
        "TOLLKEEPER_SERVER__PORT": str(free_port()),
    }


@pytest.fixture
def initialized(environment: dict[str, str]) -> dict[str, str]:
    assert run(["init", "--org", "acme"], environment).returncode == 0
    return environment


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tollkeeper", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=EXIT_S)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_one_clear_line(initialized: dict[str, str], taken_port: int, workers: str) -> None:
    done = run(["serve", "--port", str(taken_port), "--workers", workers], initialized)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"tollkeeper: 127.0.0.1 port {taken_port} cannot be listened on: Address already in use"
    ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_empty_database_is_one_clear_line(environment: dict[str, str], workers: str) -> None:
    done = run(["serve", "--workers", workers], environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("tollkeeper: The database is empty.")
    assert "tollkeeper init" in line


@pytest.mark.parametrize(
    ("variable", "setting"),
    [("TOLLKEEPER_JOURNAL__DIRECTORY", "journal.directory"), ("TOLLKEEPER_UPSTREAM__CA_FILE", "upstream.ca_file")],
)
def test_a_start_that_fails_late_is_one_clear_line(
    initialized: dict[str, str], tmp_path: Path, variable: str, setting: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("neither a folder nor a certificate")
    done = run(["serve"], {**initialized, variable: str(wrong)})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"tollkeeper: {setting}: '{wrong}' cannot be used: ")


def test_workers_that_cannot_start_log_why_and_end_the_command(initialized: dict[str, str]) -> None:
    Path(initialized["TOLLKEEPER_JOURNAL__DIRECTORY"]).write_text("not a folder")
    done = run(["serve", "--workers", "2"], initialized)
    assert done.returncode == 1
    assert "not started: " in done.stderr
    assert "Traceback" not in done.stderr


def test_only_one_of_two_servers_gets_the_port(initialized: dict[str, str], tmp_path: Path) -> None:
    port = initialized["TOLLKEEPER_SERVER__PORT"]
    command = [sys.executable, "-m", "tollkeeper", "serve"]
    both = [Process(command, tmp_path / f"{name}.log", env=initialized) for name in ("first", "second")]
    try:
        first_ended = wait_for_one(both)
        survivor = both[1 - both.index(first_ended)]
        survivor.wait_for(f"http://127.0.0.1:{port}/readyz")
        assert first_ended.popen.returncode == 1
        assert first_ended.log.read_text().splitlines() == [
            f"tollkeeper: 127.0.0.1 port {port} cannot be listened on: Address already in use"
        ]
        assert survivor.stop() == 0
    finally:
        for process in both:
            process.stop(signal.SIGKILL)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_served_port_answers_until_sigterm_and_then_the_exit_is_orderly(
    initialized: dict[str, str], tmp_path: Path, workers: str
) -> None:
    command = [sys.executable, "-m", "tollkeeper", "serve", "--workers", workers]
    server = Process(command, tmp_path / "serve.log", env=initialized)
    try:
        server.wait_for(f"http://127.0.0.1:{initialized['TOLLKEEPER_SERVER__PORT']}/readyz")
        assert server.stop() == 0
    finally:
        server.stop(signal.SIGKILL)
    assert "Traceback" not in server.log.read_text()


def wait_for_one(processes: list[Process]) -> Process:
    """Return the first of two processes that ends."""
    while True:
        for process in processes:
            try:
                process.popen.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return process
