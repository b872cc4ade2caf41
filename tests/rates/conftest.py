"""What the tests of rate limits stand on: a company of people with roles, on either database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.keys.workshop import Workshop, open_workshop

from tollkeeper.store.engine import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "admin"))


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)
