"""What the tests of credit stand on: one organization without any yet, on either database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tollkeeper.store.engine import Store

sys.path.insert(0, str(Path(__file__).parent))

from credit_factories import Purse, open_purse


@pytest.fixture
async def purse(store: Store) -> Purse:
    return await open_purse(store)
