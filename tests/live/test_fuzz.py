"""A small run of hostile requests; `python -m tests.fuzz` fires a hundred thousand."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.run import run_fuzz

REQUESTS = 1_500


def test_hostile_requests_leave_the_server_alive_and_the_books_right(tmp_path: Path) -> None:
    report = run_fuzz(tmp_path, f"sqlite:///{tmp_path / 'tollkeeper.db'}", requests=REQUESTS, seed=11)
    print(f"\n{report.table()}")
    assert report.problems == []
    assert report.requests == REQUESTS
    assert report.good > 20
    assert len(report.kinds) == 14
    assert {200, 400, 401, 404, 405} <= report.statuses.keys()
