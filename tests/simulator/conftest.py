"""Fixtures of the simulator's tests: one simulator for each test, clients of the official SDK, its bill."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import openai
import pytest
from simulator_calls import KEY

from tollkeeper_simulator import Settings, Simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(Settings()) as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    # Reading the system's certificates takes longer than most of these tests.
    transport = openai.DefaultAsyncHttpxClient(verify=False)
    async with openai.AsyncOpenAI(
        base_url=simulator.base_url, api_key=KEY, max_retries=0, timeout=10, http_client=transport
    ) as sdk:
        yield sdk


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=simulator.origin, headers=headers, timeout=10, verify=False) as plain:
        yield plain
