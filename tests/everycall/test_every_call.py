"""Some hundred calls of every dialect at every provider through real processes: the ledger is the bill, to the nano-dollar.

`python -m tests.everycall` makes it twenty thousand.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.everycall.calls import FAULTS, PAIRS, RARE_FAULTS, SEARCHES
from tests.everycall.run import run_every_call

from tollkeeper_simulator import faults

SEED = int(os.environ.get("TOLLKEEPER_SEED", "20261122"))


def test_every_call_is_booked_at_what_its_provider_billed(tmp_path: Path) -> None:
    report = run_every_call(tmp_path, f"sqlite:///{tmp_path / 'tollkeeper.db'}", calls=420, seed=SEED, sweep_tokens=3)
    print(f"\n{report.table()}\nwithout a usage, one by one:")
    print("\n".join(each.as_text() for each in (*report.books.untold, *report.books.estimated)))
    assert report.problems == []
    assert len(report.pairs) == len(PAIRS)
    assert sum(report.books.exact.values()) > 200
    assert len(report.swept) >= 10
    assert min(report.left, report.slow, report.refused, report.taken_over, report.books.tries) > 0


def test_every_fault_that_the_simulator_knows_is_among_the_calls() -> None:
    made = {part.partition("=")[0] for fault in (*FAULTS, *RARE_FAULTS, *SEARCHES) for part in fault.split(";")}
    known = {*faults._FLAGS, *faults._NUMBERS, "status", "drip"}
    assert known <= made
    statuses = {int(fault.removeprefix("status=").partition(":")[0]) for fault in FAULTS if fault.startswith("status=")}
    assert statuses == faults._STATUSES
