"""kill -9 under load, five times on each database; `python -m tests.chaos` does it two hundred times."""

from __future__ import annotations

from pathlib import Path

from tests.live.kills import kill_again_and_again

KILLS = 5


def test_kill_nine_loses_nothing_and_doubles_nothing(tmp_path: Path, new_database_url: str) -> None:
    report = kill_again_and_again(tmp_path, new_database_url, kills=KILLS, seed=5)
    print(f"\n{report.table()}")
    assert report.problems == []
    assert report.kills == KILLS
    assert report.seen_complete > 0
    assert report.cut_by_kill > 0
