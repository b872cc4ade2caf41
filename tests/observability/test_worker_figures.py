"""Workers answer for each other while they live, and for nobody who does not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tollkeeper.observability.figures import Figures, FigureSheet
from tollkeeper.observability.worker_figures import WorkerFigures

ANOTHER = """
import asyncio, sys
from pathlib import Path
from tollkeeper.observability.figures import FigureSheet
from tollkeeper.observability.worker_figures import WorkerFigures
async def collect():
    sheet = FigureSheet(); sheet.add("tollkeeper_calls_in_flight", 7); return sheet.figures
async def main():
    worker = WorkerFigures(Path(sys.argv[1]), collect)
    await worker.publish()
    print(worker.name, flush=True)
    sys.stdin.read()
asyncio.run(main())
"""


def worker_of(folder: Path, in_flight: int) -> WorkerFigures:
    async def collect() -> Figures:
        sheet = FigureSheet()
        sheet.add("tollkeeper_calls_in_flight", in_flight)
        return sheet.figures

    return WorkerFigures(folder, collect, interval_s=0.01)


def in_flight(found: dict[str, Figures]) -> dict[str, int]:
    return {name: figures["tollkeeper_calls_in_flight"][0].value for name, figures in found.items()}


async def test_each_worker_shows_all_of_them(tmp_path: Path) -> None:
    first, second = worker_of(tmp_path, 1), worker_of(tmp_path, 2)
    await first.publish()
    await second.publish()
    assert in_flight(await first.collect_all()) == in_flight(await second.collect_all()) == {"0": 1, "1": 2}
    await first.aclose()
    assert in_flight(await second.collect_all()) == {"1": 2}
    await second.aclose()
    assert list(tmp_path.glob("*.figures")) == []


async def test_the_one_that_is_asked_is_as_it_is_now(tmp_path: Path) -> None:
    value = 1

    async def collect() -> Figures:
        sheet = FigureSheet()
        sheet.add("tollkeeper_calls_in_flight", value)
        return sheet.figures

    worker = WorkerFigures(tmp_path, collect)
    await worker.publish()
    value = 9
    assert in_flight(await worker.collect_all()) == {"0": 9}
    await worker.aclose()


async def test_a_killed_worker_is_not_shown_and_its_number_is_taken_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANOTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "0"
        mine = worker_of(tmp_path, 1)
        assert in_flight(await mine.collect_all()) == {"0": 7, "1": 1}
        other.send_signal(signal.SIGKILL)
        other.wait(10)
    assert (tmp_path / "0.figures").exists()
    assert in_flight(await mine.collect_all()) == {"1": 1}
    successor = worker_of(tmp_path, 3)
    assert successor.name == "0"
    await successor.aclose()
    await mine.aclose()


@pytest.mark.parametrize("rubbish", [b"", b"\xff\xff", b"\x91\x01"])
async def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path, rubbish: bytes) -> None:
    mine, other = worker_of(tmp_path, 1), worker_of(tmp_path, 2)
    (tmp_path / f"{other.name}.figures").write_bytes(rubbish)
    (tmp_path / "somebody-elses.figures").write_bytes(rubbish)
    assert in_flight(await mine.collect_all()) == {"0": 1}
    await mine.aclose()
    await other.aclose()


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        worker_of(tmp_path / "file", 1)


async def test_a_folder_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    folder = tmp_path / "folder"
    worker = worker_of(folder, 1)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    worker.start()
    async with asyncio.timeout(5):
        while "cannot show" not in caplog.text:
            await asyncio.sleep(0.01)
    assert in_flight(await worker.collect_all()) == {"0": 1}
    await worker.aclose()
