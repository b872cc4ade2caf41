"""A small run of strangers' requests at every route; `python -m tests.fuzz` fires a hundred thousand."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.run import run_fuzz
from tests.fuzz.strangers import StrangerMaker

REQUESTS = 2_000


def test_nobody_is_let_in_without_a_good_credential(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tollkeeper.db'}"
    report = run_fuzz(tmp_path, url, requests=REQUESTS, seed=29, maker_of=StrangerMaker, moving=())
    print(f"\n{report.table()}")
    assert report.problems == []
    assert report.requests == REQUESTS
    assert len(report.kinds) == 6
    assert {400, 401, 404, 405} <= report.statuses.keys()
    assert report.verdict.records == 0
