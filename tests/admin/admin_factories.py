"""A store with two organizations whose every call is known, the application over it, and a client for it."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from tests.fakes.new_keys import create_admin_key, create_project_key

from tollkeeper.admin.app import make_app
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import create_organization
from tollkeeper.store.projects import create_project

PEPPER = b"p" * 32
ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests in which the engine makes no difference."""
START_S = 1_793_491_200  # 2026-11-01 00:00 UTC
DAY_S, HOUR_S = 86_400, 3_600
EMPTY_DAY = 3
MODELS = ("gpt-4o-mini", "gpt-4o", "text-embedding-3-small", "mystery-1")


@dataclass(frozen=True)
class Acme:
    """An organization with two projects, three keys and an administration key."""

    organization_id: str
    projects: tuple[str, str]
    keys: tuple[NewApiKey, NewApiKey, NewApiKey]
    admin: NewApiKey
    records: tuple[UsageRecord, ...]


async def make_acme(store: Store, name: str = "Acme", *, seed: int = 1, calls: int = 150) -> Acme:
    """Create an organization and its calls over ten days; the fourth day has none."""
    organization = await store.write(lambda c: create_organization(c, name, timezone="Asia/Seoul"))
    first = await store.write(lambda c: create_project(c, organization.id, name="search"))
    second = await store.write(lambda c: create_project(c, organization.id, name="chat"))
    keys = [
        await create_project_key(store, PEPPER, organization.id, project_id=project.id, name=key_name)
        for project, key_name in ((first, "search prod"), (first, "search dev"), (second, "chat prod"))
    ]
    admin = await create_admin_key(store, PEPPER, organization.id, name="finance")
    dice = random.Random(seed)
    records = tuple(make_call(dice, organization.id, dice.choice(keys)) for _ in range(calls))
    await store.insert_usage(list(records), slot="a")
    return Acme(organization.id, (first.id, second.id), (keys[0], keys[1], keys[2]), admin, records)


def make_call(dice: random.Random, organization_id: str, key: NewApiKey) -> UsageRecord:
    day = dice.choice([day for day in range(10) if day != EMPTY_DAY])
    at_us = (START_S + day * DAY_S + dice.randrange(DAY_S)) * 1_000_000
    model = dice.choice(MODELS)
    is_embedding = model.startswith("text-embedding")
    dimensions = (
        ["input"]
        if is_embedding
        else ["input", "cache_read", "cache_write_30m", "input_audio", "output", "output_audio"]
    )
    quantities = {dimension: dice.randrange(1, 5_000) for dimension in dimensions if dice.random() < 0.8}
    is_unpriced = model == "mystery-1"
    lines = tuple(
        # odd amounts: sums of them have digits that a float does not
        ChargeLine(dimension, quantity, 1, dice.randrange(1, 10**12), "catalogue")
        for dimension, quantity in quantities.items()
    )
    return UsageRecord(
        call_id=(at_us // 1000).to_bytes(6, "big") + uuid7()[6:],
        organization_id=organization_id,
        project_id=key.record.project_id,
        api_key_id=key.record.id,
        operation="embeddings" if is_embedding else dice.choice(["chat.completions", "completions"]),
        model_asked=model,
        model_served=model,
        provider="openai",
        status=200,
        outcome=Outcome.COMPLETE,
        is_stream=False,
        started_at_us=at_us,
        latency_us=1_000,
        first_byte_us=500,
        overhead_us=50,
        service_tier="batch" if dice.random() < 0.2 else "standard",
        quantities=quantities,
        reasoning_tokens=0,
        is_estimated=False,
        lines=() if is_unpriced else lines,
        amount_nanos=None if is_unpriced else sum(line.amount_nanos for line in lines),
        cost_state=CostState.UNPRICED if is_unpriced else CostState.COMPUTED,
        reason="no price is known for this model" if is_unpriced else "",
        labels={"feature": dice.choice(["search", "chat"])} if dice.random() < 0.5 else {},
    )


@asynccontextmanager
async def running_app(store: Store, **options: Any) -> AsyncIterator[FastAPI]:
    directory = StoreDirectory(store)
    await directory.start()
    try:
        administration = Administration(store, Secrets.of(PEPPER))
        yield make_app(administration=administration, authenticator=Authenticator(directory, PEPPER), **options)
    finally:
        await directory.aclose()


def client_of(app: FastAPI, key: str | None = None) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tollkeeper.test", headers=headers)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve the application on a port of the system's choice and hand out its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        await task


def day_of(record: UsageRecord, offset_s: int = 0) -> int:
    """Return the record's day since 1970 in a zone so many seconds from UTC."""
    return (record.started_at_us // 1_000_000 + offset_s) // DAY_S


def sum_where(records: tuple[UsageRecord, ...], value: Callable[[UsageRecord], int], **wanted: Any) -> int:
    return sum(value(r) for r in records if all(getattr(r, name) == each for name, each in wanted.items()))
