"""Runs every asynchronous test of this folder on both event loops, and gives each a client that is closed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tollkeeper.upstream.client import UpstreamClient


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"stdlib": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    made = UpstreamClient()
    yield made
    await made.aclose()


@pytest.fixture(autouse=True)
async def _no_loop_complaints() -> AsyncIterator[None]:
    """Fail when the event loop had to report an exception that nobody retrieved."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    yield
    assert not complaints, complaints
