"""Ids sort by time and never repeat; shielded work outlives cancels; peppers are kept safe."""

from __future__ import annotations

import asyncio
import stat
import uuid
from pathlib import Path

import pytest

from tollkeeper.kit import clock
from tollkeeper.kit.ids import new_id, uuid7, uuid7_ms
from tollkeeper.kit.secrets import create_pepper, fingerprint, keyed_digest, read_pepper
from tollkeeper.kit.shield import run_shielded


def test_uuid7_is_one_by_the_standard_and_carries_its_time() -> None:
    before_ms = clock.now_us() // 1000
    made = [uuid7() for _ in range(2000)]
    after_ms = clock.now_us() // 1000
    assert len(set(made)) == len(made)
    assert all(before_ms <= uuid7_ms(each) <= after_ms for each in made)
    for each in made[:50]:
        parsed = uuid.UUID(bytes=each)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_a_named_id_has_its_prefix_and_only_base62() -> None:
    made = new_id("proj")
    assert made.startswith("proj_")
    assert len(made) == 25
    assert made.removeprefix("proj_").isalnum()


async def test_shielded_work_ends_although_its_task_is_cancelled_twice() -> None:
    done = asyncio.Event()
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(0.05)
        done.set()

    task = asyncio.ensure_future(run_shielded(work(), timeout_s=5))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_shielded_work_hands_on_its_result_and_its_failure() -> None:
    async def give() -> int:
        return 7

    async def fail() -> None:
        raise ValueError

    assert await run_shielded(give(), timeout_s=1) == 7
    with pytest.raises(ValueError):
        await run_shielded(fail(), timeout_s=1)
    with pytest.raises(TimeoutError):
        await run_shielded(asyncio.sleep(5), timeout_s=0.01)


def test_a_pepper_is_readable_by_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "tollkeeper.pepper"
    pepper = create_pepper(path)
    assert read_pepper(path) == pepper
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        create_pepper(path)
    path.write_text("abc")
    with pytest.raises(ValueError):
        read_pepper(path)


def test_digests_depend_on_pepper_and_secret_and_the_fingerprint_gives_neither_away() -> None:
    one, other = b"1" * 32, b"2" * 32
    assert len({keyed_digest(one, b"a"), keyed_digest(one, b"b"), keyed_digest(other, b"a")}) == 3
    assert fingerprint(one) != fingerprint(other)
    assert one.hex() not in fingerprint(one)
