"""Rotation, deletion, stopping and use of the same keys at once, on two servers: no answer contradicts what holds for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.keys.interleavings import interleave
from tests.keys.replicas import two_replicas
from tests.live.databases import new_postgres_database


async def test_many_hands_on_the_same_keys_leave_no_answer_that_contradicts(
    tmp_path: Path, postgres_server: Callable[[str], str]
) -> None:
    url = await asyncio.to_thread(new_postgres_database, postgres_server)
    with two_replicas(tmp_path, url) as replicas:
        report = await interleave(replicas, seconds=5, seed=1, changes_min=25)
    assert report.problems == []
    assert report.judged > report.changes >= 25, "without uses between changes this shows nothing"
    assert all(answer.split()[1] in {"200", "404", "409"} for answer in report.answers), report.answers
