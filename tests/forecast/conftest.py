"""What the tests of forecasts stand on: a workshop of people whose every call is known, on either database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.analytics.ledger import Ledger, open_ledger

from tollkeeper.store.engine import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "admin"))


@pytest.fixture
async def ledger(store: Store) -> Ledger:
    return await open_ledger(store)
