"""Two hundred seeds of the simulation, every one of which must hold; `python -m tests.simulation` runs as many as you like."""

from __future__ import annotations

import pytest
from tests.simulation.world import run_seed

SEEDS = 200
GROUP = 10


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_nothing_is_overdrawn_lost_or_doubled(first: int) -> None:
    for seed in range(first, first + GROUP):
        try:
            figures = run_seed(seed)
        except Exception as error:
            pytest.fail(f"seed {seed}: {error!r}; replay it: python -m tests.simulation --seed {seed}")
        assert figures["checks"] > 10, f"seed {seed} checked nothing"


def test_a_seed_tells_the_same_story_twice() -> None:
    assert run_seed(7) == run_seed(7)
