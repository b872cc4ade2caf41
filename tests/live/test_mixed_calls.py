"""Hundreds of mixed calls through real processes: the sum of the records is the provider's bill, to the nano-dollar.

TOLLKEEPER_CALLS=10000 makes it ten thousand; `python -m tests.chaos --calls 10000` does the same with a progress line.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.live.mixed_run import run_mixed_calls

CALLS = int(os.environ.get("TOLLKEEPER_CALLS", "600"))
SEED = int(os.environ.get("TOLLKEEPER_SEED", "20261122"))


def test_records_equal_the_providers_bill(tmp_path: Path, new_database_url: str) -> None:
    calls = CALLS if new_database_url.startswith("sqlite") else CALLS // 3
    report = run_mixed_calls(tmp_path, new_database_url, calls=calls, seed=SEED)
    print(f"\n{report.table()}\nestimated, one by one:\n{report.verdict.estimated_list()}")
    assert report.problems == []
    assert report.models >= 20
    assert report.verdict.exact > calls * 3 // 4
    assert report.costs_told > calls // 3
    assert report.left > 0
    assert report.refused > 0
