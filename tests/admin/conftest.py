"""What the administration API's tests stand on: one organization with known calls, and the application over it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from admin_factories import Acme, client_of, make_acme, running_app
from fastapi import FastAPI

from tollkeeper.store.engine import Store


@pytest.fixture
async def acme(store: Store) -> Acme:
    return await make_acme(store)


@pytest.fixture
async def app(store: Store) -> AsyncIterator[FastAPI]:
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI, acme: Acme) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the organization's administration key."""
    async with client_of(app, acme.admin.key) as client:
        yield client
