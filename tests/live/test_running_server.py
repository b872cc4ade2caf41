"""What an operator does to a running server: stop it under load, switch a key off, lose its database; each shows at once."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.databases import read_records
from tests.live.judge import judge
from tests.live.mixed_calls import CallMaker, MadeCall
from tests.live.processes import GatewayProcess, Process, SimulatorProcess
from tests.live.raw_http import RawConnection

KEY_CHANGE_S = 1.0  # after the command has returned


@pytest.fixture
def paced(tmp_path: Path) -> Iterator[SimulatorProcess]:
    simulator = SimulatorProcess(tmp_path, "--tokens-per-second", "150")
    yield simulator
    simulator.stop()


def test_sigterm_under_load_lets_calls_finish_and_writes_everything_down(
    tmp_path: Path, paced: SimulatorProcess, new_database_url: str
) -> None:
    gateway = GatewayProcess(tmp_path, paced, new_database_url).start()
    made = asyncio.run(_load_and_stop(gateway))
    answered = [call for call in made if call.reply.status]
    assert [call for call in answered if not call.reply.is_complete] == []
    assert len([call for call in answered if call.reply.status == 200]) >= 12
    assert {call.reply.status for call in answered} <= {200, 503}
    verdict = judge(read_records(new_database_url), paced.bill())
    assert verdict.faults == []
    assert verdict.exact == verdict.lines == len([call for call in answered if call.reply.status == 200])
    assert list((tmp_path / "journal").glob("*/*.journal")) == []
    assert "Traceback" not in gateway.log


def test_a_disabled_key_is_refused_within_a_second_and_an_enabled_one_works_again(gateway: GatewayProcess) -> None:
    made = json.loads(gateway.tollkeeper("keys", "create", "--name", "to be switched off", "--json"))
    assert _status(gateway, made["key"]) == 200
    gateway.tollkeeper("keys", "disable", made["id"])
    assert _until(gateway, made["key"], 401) <= KEY_CHANGE_S
    gateway.tollkeeper("keys", "enable", made["id"])
    assert _until(gateway, made["key"], 200) <= KEY_CHANGE_S


def test_a_new_key_works_at_once(gateway: GatewayProcess) -> None:
    made = json.loads(gateway.tollkeeper("keys", "create", "--name", "new", "--json"))
    assert _status(gateway, made["key"]) == 200


def test_a_server_whose_database_file_was_deleted_says_that_it_is_not_ready(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    database, kept = tmp_path / "tollkeeper.db", tmp_path / "kept.db"
    gateway = GatewayProcess(tmp_path, simulator, f"sqlite:///{database}").start()
    assert _readiness(gateway) == (200, "ok")
    database.rename(kept)
    assert _readiness(gateway) == (503, "out of reach")
    assert not database.exists(), "a look must not make an empty file in its place"
    kept.rename(database)
    assert _readiness(gateway) == (200, "ok")
    assert gateway.stop() == 0


async def _load_and_stop(gateway: GatewayProcess) -> list[MadeCall]:
    maker = CallMaker(seed=3, has_faults=False, only_streams=True)
    made: list[MadeCall] = []
    is_stopping = asyncio.Event()

    async def client() -> None:
        connection = RawConnection(gateway.port)
        while not is_stopping.is_set():
            plan = maker.plan()
            made.append(MadeCall(plan, await connection.post(plan.path, plan.body, key=gateway.key)))
        connection.drop()

    clients = [asyncio.ensure_future(client()) for _ in range(12)]
    await asyncio.sleep(0.5)
    assert isinstance(gateway.process, Process)
    gateway.process.popen.terminate()
    is_stopping.set()
    await asyncio.gather(*clients)
    assert await asyncio.to_thread(gateway.process.popen.wait, 40) == 0
    return made


def _readiness(gateway: GatewayProcess) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{gateway.origin}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)["checks"]["database"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["checks"]["database"]


def _status(gateway: GatewayProcess, key: str) -> int:
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}).encode()
    return asyncio.run(RawConnection(gateway.port).post("/v1/chat/completions", body, key=key)).status


def _until(gateway: GatewayProcess, key: str, status: int) -> float:
    started = time.monotonic()
    while _status(gateway, key) != status:
        assert time.monotonic() - started < 10, f"still not {status}"
        time.sleep(0.01)
    return time.monotonic() - started
