"""A town of people on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.accounts.people_factories import Town, running_town

from tollkeeper.store.engine import Store


@pytest.fixture
async def town(store: Store) -> AsyncIterator[Town]:
    async with running_town(store) as town:
        yield town
