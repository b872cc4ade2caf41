"""`python -m tollkeeper_simulator` as another process: greeting, SIGTERM, and a bill that survives kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from simulator_calls import KEY, WITH_USAGE, asking

from tollkeeper_simulator.__main__ import main, settings_from

HEADERS = {"authorization": f"Bearer {KEY}"}


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command on a free port; yield it and the line that it greets with."""
    command = [sys.executable, "-m", "tollkeeper_simulator", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_it_says_where_it_is_and_ends_at_once_on_sigterm() -> None:
    with running("--json", "--tokens-per-second", "10") as (process, greeting):
        where = json.loads(greeting)
        with httpx.stream(
            "POST", f"{where['base_url']}/chat/completions", json=asking(**WITH_USAGE), headers=HEADERS, verify=False
        ) as open_stream:
            next(open_stream.iter_raw())
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=5) == 0


def test_the_bill_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    with running("--bill-file", str(path)) as (process, greeting):
        assert greeting.startswith("Simulated provider: base URL http://127.0.0.1:")
        base_url = greeting.split("base URL ")[1].split(",")[0]
        with httpx.Client(headers=HEADERS, verify=False) as http:
            answers = [http.post(f"{base_url}/chat/completions", json=asking(str(n))) for n in range(3)]
            with pytest.raises(httpx.ReadError):
                http.post(f"{base_url}/chat/completions", json=asking("[[sim:reset=50]]"))
        process.kill()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["request_id"] for record in records[:3]] == [each.headers["x-request-id"] for each in answers]
    assert records[3]["complete"] is False


def test_a_taken_port_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with running("--json") as (_, greeting):
        port = json.loads(greeting)["base_url"].split(":")[2].removesuffix("/v1")
        assert main(["--port", port]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tollkeeper simulate: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("wrong", [["--port", "x"], ["--port", "70000"], ["--tokens-per-second", "0"], ["--what"]])
def test_wrong_usage_exits_with_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings_from(wrong)
    assert ended.value.code == 2
