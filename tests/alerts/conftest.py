"""What the tests of alerts stand on: a company of people with roles, on either database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.tenancy.company import Company, found_company

from tollkeeper.store.engine import Store

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def company(store: Store) -> Company:
    return await found_company(store)
