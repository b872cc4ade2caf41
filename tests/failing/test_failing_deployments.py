"""One of two deployments fails in every way there is: clients see nothing of it that the other one could keep from them.

`python -m tests.failing` makes ten thousand calls of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.failing.failures import FAILURES
from tests.failing.run import run_failing

SEED = int(os.environ.get("TOLLKEEPER_SEED", "20261122"))


def test_what_a_healthy_deployment_can_serve_is_served_and_charged_once(tmp_path: Path) -> None:
    calls = 2 * len(FAILURES) + 60
    report = run_failing(tmp_path, f"sqlite:///{tmp_path / 'tollkeeper.db'}", calls=calls, seed=SEED)
    print(f"\n{report.table()}")
    assert report.problems == []
    assert len({(name, is_stream) for _, name, is_stream in report.fates}) == 2 * len(FAILURES)
    assert report.of_rule("served").served > 40
    assert report.of_rule("lost").lost_tries > 20
    assert report.second > 0
