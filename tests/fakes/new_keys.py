"""New api keys for tests of other things: made by the real steps, without a log entry for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tollkeeper.control import api_keys
from tollkeeper.control.administration import Action, Secrets, operator
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.store.engine import Store


async def create_project_key(
    store: Store, pepper: bytes, organization_id: str, *, project_id: str, name: str, **wanted: Any
) -> NewApiKey:
    """Make a service's key for a project."""
    return await _make(
        store, pepper, organization_id, api_keys.create_service_key, project_id=project_id, name=name, **wanted
    )


async def create_admin_key(store: Store, pepper: bytes, organization_id: str, *, name: str, **wanted: Any) -> NewApiKey:
    """Make a key that administers the organization."""
    return await _make(store, pepper, organization_id, api_keys.create_admin_key, name=name, **wanted)


async def act(
    store: Store, pepper: bytes, organization_id: str, step: Callable[..., Awaitable[Any]], *args: Any, **wanted: Any
) -> Any:
    """Take any step as the operator."""
    caller, secrets = operator(organization_id, name="a test"), Secrets.of(pepper)
    return await store.write(lambda connection: step(Action(connection, caller, secrets), *args, **wanted))


async def _make(
    store: Store, pepper: bytes, organization_id: str, step: Callable[..., Awaitable[NewApiKey]], **wanted: Any
) -> NewApiKey:
    made: NewApiKey = await act(store, pepper, organization_id, step, **wanted)
    return made
