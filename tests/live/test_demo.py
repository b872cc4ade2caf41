"""`tollkeeper demo`, as a stranger runs it: what it prints works as pasted, and afterwards nothing is left running."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from tests.live.processes import Process, free_port

FOREIGN = {
    "TOLLKEEPER_SERVER__PORT": "1",
    "TOLLKEEPER_DATABASE__URL": "postgresql://nobody@203.0.113.1/none",
    "TOLLKEEPER_CONFIG": "/nowhere/tollkeeper.toml",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "OPENAI_API_KEY": "",
    "DEEPSEEK_API_KEY": "",
    "XAI_API_KEY": "",
}
ROWS = ("a question", "a streamed answer", "a long prompt", "the same again, cached", "two embeddings", "together")


def start(folder: Path, port: int, *options: str) -> Process:
    command = [sys.executable, "-m", "tollkeeper", "demo", "--port", str(port), "--folder", str(folder), *options]
    return Process(command, folder.parent / "demo.log", env=FOREIGN)


def left_running(folder: Path) -> list[str]:
    """Return the command lines of processes that work in this demo's folder, or write their log there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            targets = {str((process / "fd" / name).resolve()) for name in ("1", "2")}
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in command or any(target.startswith(f"{folder}/") for target in targets):
            found.append(command)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for processes in /proc")
def test_once_prints_what_every_call_cost_and_leaves_nothing_running(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo", free_port(), "--once")
    assert demo.popen.wait(90) == 0, demo.log.read_text()
    printed = demo.log.read_text()
    for row in ROWS:
        (line,) = [line for line in printed.splitlines() if line.startswith(row)]
        assert re.search(r"\d\.\d{9}$", line.rstrip()), line
    assert "no money is spent" in printed
    assert re.search(r"Budget of project 'default': \$1.00 monthly, \$0\.\d+ used, \$0\.\d+ left\.", printed)
    assert "Monthly budget of $1.00 exceeded for project 'default'" in printed
    (together,) = re.findall(r"^together +([\d.]+)$", printed, re.MULTILINE)
    used = re.findall(r"\$(0\.\d+) used", printed)
    assert [Decimal(each) for each in used] == [Decimal(together)] * 2, "the table, the budget and the refusal agree"
    assert re.search(r"sk-tk-\w{12}-\w{49}", printed)
    assert left_running(tmp_path / "demo") == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="pastes into curl")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for processes in /proc")
def test_the_curl_line_works_as_pasted_until_sigterm_which_leaves_nothing_running(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo", free_port())
    try:
        wait_for(demo, "Serving. Ctrl-C stops it.")
        (line,) = [line for line in demo.log.read_text().splitlines() if line.strip().startswith("curl ")]
        answered = subprocess.run(
            [*shlex.split(line), "--silent", "--noproxy", "*"], capture_output=True, check=True, timeout=30
        )
        assert json.loads(answered.stdout)["choices"][0]["message"]["content"]
        assert len(left_running(tmp_path / "demo")) >= 3, "the demo, the simulator and the gateway are seen"
        demo.stop()
    finally:
        demo.stop(signal.SIGKILL)
    assert "Traceback" not in demo.log.read_text()
    assert left_running(tmp_path / "demo") == []


def wait_for(demo: Process, text: str) -> None:
    deadline = time.monotonic() + 90
    while text not in demo.log.read_text():
        assert demo.popen.poll() is None, demo.log.read_text()
        assert time.monotonic() < deadline, demo.log.read_text()
        time.sleep(0.05)
