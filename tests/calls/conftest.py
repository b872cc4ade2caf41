"""What the tests of finding calls stand on: a workshop of people with calls of every kind, all of them known."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.analytics.ledger import Ledger, open_ledger
from tests.calls.varied_calls import add_varied

from tollkeeper.store.engine import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "admin"))


@pytest.fixture
async def ledger(store: Store) -> Ledger:
    return await open_ledger(store)


@pytest.fixture
async def busy(ledger: Ledger) -> Ledger:
    await add_varied(ledger, 120, seed=3)
    return ledger
