"""An issuer of our own for each test that needs one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from own_issuer import OwnIssuer, running


@pytest.fixture
async def own() -> AsyncIterator[OwnIssuer]:
    async with running() as issuer:
        yield issuer
