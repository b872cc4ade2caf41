"""What the tests of reports stand on: a workshop whose every call is known, on either database."""

from __future__ import annotations

import pytest
from tests.analytics.ledger import Ledger, open_ledger

from tollkeeper.store.engine import Store


@pytest.fixture
async def ledger(store: Store) -> Ledger:
    return await open_ledger(store)
