"""Every planted bug is noticed by a seed that is known to notice it."""

from __future__ import annotations

import pytest
from tests.simulation.mutants import CAUGHT_BY, MUTANTS
from tests.simulation.world import run_seed

BUGS_MIN = 20
OTHERS = 40


def test_there_are_enough_bugs() -> None:
    assert len(MUTANTS) >= BUGS_MIN
    assert MUTANTS.keys() == CAUGHT_BY.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_noticed(name: str) -> None:
    """The seed that noticed it last comes first; after a change elsewhere it may be another one."""
    for seed in (CAUGHT_BY[name], *range(OTHERS)):
        try:
            with MUTANTS[name]():
                run_seed(seed)
        except Exception:
            return
    pytest.fail(f"nobody noticed {name}: look further with python -m tests.simulation --mutants --only {name}")
