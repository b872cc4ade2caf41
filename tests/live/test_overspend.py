"""Budgets under a race and under kill -9, in a small form on each database; `python -m tests.overspend` has the large ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.overspend.kill import kill_under_race
from tests.overspend.race import race

KILLS = 3


@pytest.mark.timeout(300)
def test_clients_at_two_replicas_never_overspend_a_budget(tmp_path: Path, new_database_url: str) -> None:
    report = race(tmp_path, new_database_url, replicas=2, clients=16, attempts=1_500, seed=4, calls=200)
    print("\n", *report.rows(), *report.missed, sep="\n")
    assert report.problems == []
    assert report.watched.overspend == 0
    assert report.tally.told["429 insufficient_quota"] > 0
    assert report.books.used_part > 0.95


@pytest.mark.timeout(300)
def test_a_replica_that_is_killed_takes_nothing_along(tmp_path: Path, new_database_url: str) -> None:
    report = kill_under_race(tmp_path, new_database_url, replicas=2, clients=8, kills=KILLS, seed=4)
    print("\n", *report.rows(), *report.missed, sep="\n")
    assert report.problems == []
    assert report.watched.overspend == 0
    assert len(report.kills) == KILLS
    assert report.books.escrow_left == 0
