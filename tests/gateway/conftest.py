"""Runs the tests of the server's protocol on the loop that serves in production; the others need none in particular."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop
from served import Served, serve_fakes


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_fakes() as serving:
        yield serving


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name.startswith("test_server_protocol"):
        return {"uvloop": uvloop.new_event_loop}
    return {"stdlib": asyncio.SelectorEventLoop}
