"""A server that has just started: probes and calls need no administration, and its first requests are answered rightly."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.live.processes import GatewayProcess, SimulatorProcess


@pytest.fixture
def fresh(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    """A gateway whose log tells what it imports."""
    gateway = GatewayProcess(tmp_path, simulator, f"sqlite:///{tmp_path / 'tollkeeper.db'}")
    gateway.env["PYTHONPROFILEIMPORTTIME"] = "1"
    yield gateway.start()
    assert gateway.stop() == 0


def _ask(gateway: GatewayProcess, method: str, path: str, key: str = "") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(gateway.origin).netloc, timeout=30)
    try:
        connection.request(method, path, headers={"authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def _is_assembled(gateway: GatewayProcess) -> bool:
    assert re.search(r"\| +tollkeeper\.bootstrap\n", gateway.log), "the log tells of imports"
    return re.search(r"\| +fastapi\n", gateway.log) is not None


def test_probes_and_calls_do_without_the_administration(fresh: GatewayProcess) -> None:
    status, headers, body = _ask(fresh, "GET", "/readyz")
    assert (status, json.loads(body)["checks"]) == (200, {"database": "ok", "journal": "ok"})
    assert headers["x-request-id"].startswith("req_")
    assert _ask(fresh, "HEAD", "/healthz")[::2] == (200, b"")
    assert _ask(fresh, "GET", "/v1/models", fresh.key)[0] == 200
    assert not _is_assembled(fresh)
    assert _ask(fresh, "GET", "/v1/organization/usage/completions", fresh.admin_key)[0] == 400
    assert _is_assembled(fresh)


def test_first_requests_at_once_are_all_answered_rightly(fresh: GatewayProcess) -> None:
    asked = {
        ("GET", "/v1/api-keys", fresh.admin_key): 200,
        ("GET", "/v1/account", ""): 401,
        ("GET", "/v1/nowhere", fresh.admin_key): 404,
        ("POST", "/healthz", ""): 405,
        ("GET", "/openapi.json", ""): 200,
        ("GET", "/", ""): 200,
        ("GET", "/v1/models", fresh.key): 200,
    }
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda each: _ask(fresh, *each), asked))
    assert [status for status, _, _ in answers] == list(asked.values())
    refused = [json.loads(body)["error"]["message"] for status, _, body in answers if status >= 400]
    assert all(refused)
    assert fresh.log.count("Traceback") == 0
