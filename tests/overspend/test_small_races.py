"""The small forms of the races: a few replicas, a budget that is used up, kills; `make chaos` runs the long ones."""

from __future__ import annotations

from pathlib import Path

from tests.overspend.kill import kill_under_race
from tests.overspend.race import race

SEED = 4


def test_replicas_that_race_for_a_budget_never_go_beyond_it(tmp_path: Path, empty_database_url: str) -> None:
    report = race(
        tmp_path, empty_database_url, replicas=2, clients=16, attempts=1_500, calls=150, seed=SEED, ends_when_idle=True
    )
    print("\n".join(f"{what:<40} {figure}" for what, figure in report.rows()))
    assert report.problems == []
    assert report.tally.told["429 insufficient_quota"] > 0
    assert report.books.used_part > 0.9


def test_a_killed_replica_takes_no_money_along(tmp_path: Path, empty_database_url: str) -> None:
    report = kill_under_race(tmp_path, empty_database_url, replicas=2, clients=8, kills=3, seed=SEED, calls=150)
    print("\n".join(f"{what:<40} {figure}" for what, figure in report.rows()))
    assert report.problems == []
    assert len(report.kills) == 3
