"""Turns at an SQLite file: in the order they were asked for, across processes, bounded, and never lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.store.write_turns import SUFFIX, WriteTurns

HOLDER = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def turns(tmp_path: Path, timeout_s: float = 20.0) -> WriteTurns:
    return WriteTurns(str(tmp_path / "some.db"), timeout_s=timeout_s)


def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / f"some.db{SUFFIX}")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_one_after_the_other_in_the_order_they_came(tmp_path: Path) -> None:
    mine, other = turns(tmp_path), turns(tmp_path)
    order: list[int] = []

    async def write(number: int, whose: WriteTurns) -> None:
        async with whose.take():
            order.append(number)
            await asyncio.sleep(0.001)
            assert order[-1] == number, "somebody else wrote meanwhile"

    for number in range(20):  # each begins to wait before the next one comes
        order_task = asyncio.ensure_future(write(number, mine if number % 2 else other))
        await asyncio.sleep(0)
        if number == 19:
            await order_task
    await asyncio.sleep(0.1)
    assert sorted(order) == list(range(20))
    assert [number for number in order if number % 2] == sorted(number for number in order if number % 2)


async def test_a_busy_writer_does_not_starve_another_one(tmp_path: Path) -> None:
    busy, patient = turns(tmp_path), turns(tmp_path)
    rounds = 0

    async def write_on_and_on() -> None:
        nonlocal rounds
        while True:
            async with busy.take():
                rounds += 1
                await asyncio.sleep(0.02)

    writing = asyncio.ensure_future(write_on_and_on())
    await asyncio.sleep(0.05)
    waits = []
    for _ in range(5):
        before = rounds
        async with patient.take():
            waits.append(rounds - before)
    writing.cancel()
    assert max(waits) <= 20, waits  # until a thread waits in the kernel; from then on it is next


async def test_who_hangs_is_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGSTOP)
    before = descriptors()
    try:
        mine = turns(tmp_path, 0.1)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="busy"):
                async with mine.take():
                    raise AssertionError
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    async with turns(tmp_path).take():  # the dead one's lock fell, and those that gave up keep nothing
        pass
    for _ in range(100):
        if descriptors() < before:
            break
        await asyncio.sleep(0.02)
    assert descriptors() < before


async def test_whoever_is_cancelled_while_waiting_keeps_nothing(tmp_path: Path) -> None:
    mine = turns(tmp_path)

    async def take() -> None:
        async with mine.take():
            raise AssertionError

    async with mine.take():
        waiting = [asyncio.ensure_future(take()) for _ in range(3)]
        await asyncio.sleep(0.05)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(5), mine.take():
        pass
