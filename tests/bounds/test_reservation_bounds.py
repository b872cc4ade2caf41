"""A few hundred realistic requests of each operation never cost more than was reserved for them (`make bounds`: 10,000)."""

from __future__ import annotations

import pytest
from tests.bounds.bound_run import OPERATIONS, compare

from tollkeeper.gateway.wire.openai_body import OpenAIOperation as Operation

REQUESTS, SEED = 300, 20_261_122


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_costs_more_than_was_reserved_for_it(operation: Operation) -> None:
    found = compare(operation, REQUESTS, SEED)[""]
    assert found.violations == []
    assert len(found.ratios) == REQUESTS
