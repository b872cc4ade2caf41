"""Every change of a key, and of what it hangs on, holds on both of two real servers within a second, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.keys.replicas import Admin, Replicas, seconds_until, status_of, two_replicas
from tests.live.databases import new_postgres_database
from tests.tenancy.company import add_account

from tollkeeper.control import api_keys, members, projects, roles
from tollkeeper.domain.tenancy import KeyPolicy
from tollkeeper.store import members as member_rows
from tollkeeper.store import organizations as organization_rows
from tollkeeper.store.engine import Store

WITHIN_S = 1.0  # after the change was answered


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, postgres_server: Callable[[str], str]) -> Iterator[Replicas]:
    with two_replicas(tmp_path_factory.mktemp("replicas"), new_postgres_database(postgres_server)) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
async def store(replicas: Replicas) -> AsyncIterator[Store]:
    store = Store.open(replicas.database_url)
    yield store
    await store.aclose()


@pytest.fixture
def admin(replicas: Replicas, client: httpx.AsyncClient) -> Admin:
    return replicas.admin(client, 0)


async def warm_key(replicas: Replicas, client: httpx.AsyncClient, admin: Admin, **wanted: Any) -> dict[str, Any]:
    """Make a key and let both replicas remember it."""
    body = {"name": "a service", "project_id": replicas.project_id, **wanted}
    answered = await admin.ask("POST", "api-keys/service", body)
    assert answered.status_code == 200, answered.text
    made: dict[str, Any] = answered.json()
    await assert_holds(replicas, client, made["key"], 200)
    return made


async def assert_holds(
    replicas: Replicas, client: httpx.AsyncClient, key: str, status: int, path: str = "models"
) -> None:
    waited = await asyncio.gather(*(seconds_until(client, origin, key, status, path) for origin in replicas.origins))
    assert max(waited) <= WITHIN_S, f"{status} after {max(waited):.2f} s"


async def test_stopping_and_letting_work_again(replicas: Replicas, client: httpx.AsyncClient, admin: Admin) -> None:
    made = await warm_key(replicas, client, admin)
    for disabled, status in ((True, 401), (False, 200)) * 3:
        assert (await admin.ask("PUT", f"api-keys/{made['id']}", {"disabled": disabled})).status_code == 200
        await assert_holds(replicas, client, made["key"], status)


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"remove_permissions": ["models:list"]}, 403, "models"),
        ({"allowed_ips": ["192.0.2.1"]}, 403, "models"),
        ({"allowed_models": ["claude-*"]}, 403, "models/gpt-4o-mini"),
    ],
)
async def test_changing_what_a_key_may(
    replicas: Replicas, client: httpx.AsyncClient, admin: Admin, change: dict[str, Any], status: int, path: str
) -> None:
    made = await warm_key(replicas, client, admin)
    assert (await admin.ask("PUT", f"api-keys/{made['id']}", change)).status_code == 200
    await assert_holds(replicas, client, made["key"], status, path)


async def test_deleting(replicas: Replicas, client: httpx.AsyncClient, admin: Admin) -> None:
    made = await warm_key(replicas, client, admin)
    assert (await admin.ask("DELETE", f"api-keys/{made['id']}")).status_code == 200
    await assert_holds(replicas, client, made["key"], 401)


async def test_rotating(replicas: Replicas, client: httpx.AsyncClient, admin: Admin) -> None:
    made = await warm_key(replicas, client, admin)
    rotated = (await admin.ask("POST", f"api-keys/{made['id']}/rotate", {"grace_seconds": 2})).json()
    await assert_holds(replicas, client, rotated["key"], 200)
    assert [await status_of(client, origin, made["key"]) for origin in replicas.origins] == [200, 200], "grace"
    waited = await asyncio.gather(*(seconds_until(client, origin, made["key"], 401) for origin in replicas.origins))
    assert 0.5 < max(waited) <= 2.0 + WITHIN_S
    last = (await admin.ask("POST", f"api-keys/{rotated['new_key_id']}/rotate")).json()
    await assert_holds(replicas, client, rotated["key"], 401)
    await assert_holds(replicas, client, last["key"], 200)


async def test_a_members_roles(replicas: Replicas, client: httpx.AsyncClient, store: Store) -> None:
    administration, caller = replicas.operator(store)
    account_id = await add_account(store, "jimin@example.com")
    person = await store.write(lambda c: member_rows.add_member(c, replicas.organization_id, account_id))
    role = await administration.change(
        caller, roles.create_role, name="reader", permissions=frozenset({"models:list", "api_key:create:limited"})
    )
    scope = {"role": role.id, "scope_id": replicas.project_id}
    await administration.change(caller, members.give_role, person.id, **scope)
    owner = msgspec.structs.replace(caller.principal, member_id=person.id)
    mine = await administration.change(
        msgspec.structs.replace(caller, principal=owner),
        api_keys.create_member_key,
        project_ids=(replicas.project_id,),
        name="laptop",
        permissions=frozenset({"models:list"}),
    )
    await assert_holds(replicas, client, mine.key, 200)
    await administration.change(caller, members.take_role, person.id, **scope)
    await assert_holds(replicas, client, mine.key, 403)
    await administration.change(caller, members.give_role, person.id, **scope)
    await assert_holds(replicas, client, mine.key, 200)
    await administration.change(caller, roles.update_role, role.id, permissions=frozenset({"chat:create"}))
    await assert_holds(replicas, client, mine.key, 403)
    await administration.change(caller, roles.update_role, role.id, permissions=frozenset({"models:list"}))
    await assert_holds(replicas, client, mine.key, 200)
    await administration.change(caller, members.remove_member, person.id)
    await assert_holds(replicas, client, mine.key, 401)


async def test_an_archived_project(replicas: Replicas, client: httpx.AsyncClient, admin: Admin, store: Store) -> None:
    administration, caller = replicas.operator(store)
    made = await administration.change(caller, projects.create_project, name="short-lived")
    key = await warm_key(replicas, client, admin, project_id=made.project.id)
    await administration.change(caller, projects.archive_project, made.project.id)
    await assert_holds(replicas, client, key["key"], 401)


async def test_the_organizations_policy(
    replicas: Replicas, client: httpx.AsyncClient, admin: Admin, store: Store
) -> None:
    made = await warm_key(replicas, client, admin)
    old = {"created_at_us": 1_600_000_000_000_000}
    from sqlalchemy import update

    from tollkeeper.store.schema_tenancy import api_key

    await store.write(lambda c: c.execute(update(api_key).where(api_key.c.id == made["id"]).values(**old)))
    for policy, status in ((KeyPolicy(key_age_max_days=30), 401), (KeyPolicy(), 200)):
        changes = {"policy": policy}
        await store.write(
            lambda c, changes=changes: organization_rows.change_organization(c, replicas.organization_id, changes)
        )
        await assert_holds(replicas, client, made["key"], status)
