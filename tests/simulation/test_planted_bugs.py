"""Every planted bug is noticed by a seed that is known to notice it."""

from __future__ import annotations

import pytest
from tests.simulation.mutants import CAUGHT_BY, MUTANTS
from tests.simulation.world import run_seed

BUGS_MIN = 20


def test_there_are_enough_bugs() -> None:
    assert len(MUTANTS) >= BUGS_MIN
    assert MUTANTS.keys() == CAUGHT_BY.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_noticed(name: str) -> None:
    seed = CAUGHT_BY[name]
    run_seed(seed)
    with MUTANTS[name](), pytest.raises(Exception) as noticed:
        run_seed(seed)
    assert noticed.value is not None
