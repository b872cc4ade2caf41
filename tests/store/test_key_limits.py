"""A key that is found carries the budgets its calls are held to, and is dropped from memory when one of them changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lease_factories import add_budget
from sqlalchemy import delete, update
from store_factories import add_key, add_organization, make_key

from tollkeeper.domain.account import Account, AccountId, AccountStatus
from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.key_terms import FurtherProject, KeyTerms
from tollkeeper.domain.role import ORG_ADMIN, Assignment
from tollkeeper.kit.ids import new_id
from tollkeeper.store import directory, key_lookup
from tollkeeper.store.accounts import create_account
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.members import add_member, assign_role
from tollkeeper.store.projects import create_project
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import organization
from tollkeeper.store.teams import create_team

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tollkeeper.store.engine import Store


@pytest.fixture
async def keys(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreDirectory]:
    """A directory that polls only when told to."""
    monkeypatch.setattr(directory, "POLL_INTERVAL_S", 3600)
    made = StoreDirectory(store)
    await made.start()
    yield made
    await made.aclose()


async def find(store: Store, digest: bytes) -> ApiKey:
    key = await store.read(lambda connection: key_lookup.find_by_digest(connection, digest))
    assert key is not None
    return key


async def add_person(store: Store, organization_id: str) -> str:
    """Make an admin of the organization; returns the member's id."""
    account = Account(AccountId(new_id("acc")), "mina@example.com", "Mina", "en", AccountStatus.ACTIVE, False, None, 1)
    await store.write(lambda connection: create_account(connection, account, password_hash=None))
    member = await store.write(lambda connection: add_member(connection, organization_id, account.id))
    assignment = Assignment(ORG_ADMIN, "organization", organization_id)
    await store.write(lambda connection: assign_role(connection, organization_id, member.id, assignment))
    return member.id


async def change_budget(store: Store, organization_id: str, scope_id: str, *, is_hard: int) -> None:
    """Change every budget of a scope as the control plane does."""

    async def work(connection) -> None:
        mine = (budget.c.organization_id == organization_id) & (budget.c.scope_id == scope_id)
        await connection.execute(update(budget).where(mine).values(is_hard=is_hard))
        await record_change(connection, "limit", organization_id=organization_id, entity_id=scope_id)

    await store.write(work)


async def test_a_key_carries_every_budget_on_its_path_the_organizations_first(store: Store) -> None:
    acme, _ = await add_organization(store)
    team = await store.write(lambda connection: create_team(connection, acme.id, name="Research"))
    project = await store.write(lambda c: create_project(c, acme.id, name="ml-pipeline", team_id=team.id))
    member_id = await add_person(store, acme.id)
    key = make_key(acme.id, project.id, kind=KeyKind.MEMBER, member_id=member_id)
    digest = await add_key(store, key)
    scopes = {
        "api_key": (key.id, "a key"),
        "member": (member_id, "Mina"),
        "project": (project.id, "ml-pipeline"),
        "team": (team.id, "Research"),
        "organization": (acme.id, "Acme"),
    }
    made = {}
    for kind, (scope_id, _) in scopes.items():
        made[kind] = await add_budget(store, acme.id, 5, scope_kind=kind, scope_id=scope_id)
    daily = {"scope_kind": "project", "scope_id": project.id, "unit": "requests", "period": "daily"}
    await add_budget(store, acme.id, 100, model="gpt-4o", is_hard=0, **daily)

    limits = (await find(store, digest)).limits

    assert [limit.scope_kind for limit in limits] == ["organization", "team", "project", "project", "member", "api_key"]
    for limit in limits:
        assert (limit.scope_id, limit.scope_name) == scopes[limit.scope_kind]
        assert limit.timezone == acme.timezone
    assert {limit.budget_id for limit in limits if limit.unit == "usd"} == {each.id for each in made.values()}
    [counted] = [limit for limit in limits if limit.unit == "requests"]
    assert (counted.model, counted.period, counted.is_hard) == ("gpt-4o", "daily", False)


async def test_budgets_of_other_places_are_not_a_keys(store: Store) -> None:
    acme, project = await add_organization(store)
    other = await store.write(lambda c: create_project(c, acme.id, name="other"))
    digest = await add_key(store, make_key(acme.id, project.id))
    await add_budget(store, acme.id, 5, scope_kind="project", scope_id=other.id)
    beta, _ = await add_organization(store, "Beta")
    await add_budget(store, beta.id, 5)

    assert (await find(store, digest)).limits == ()


async def test_credit_is_a_limit_where_calls_need_it_only(store: Store) -> None:
    acme, project = await add_organization(store)
    digest = await add_key(store, make_key(acme.id, project.id))
    await add_budget(store, acme.id, 5, scope_kind="credit")
    assert (await find(store, digest)).limits == ()

    prepaid = update(organization).where(organization.c.id == acme.id).values(is_prepaid=1)
    await store.write(lambda connection: connection.execute(prepaid))

    [credit] = (await find(store, digest)).limits
    assert (credit.scope_kind, credit.scope_id, credit.scope_name) == ("credit", acme.id, "Acme")


async def test_each_further_project_has_its_own_budgets(store: Store) -> None:
    acme, project = await add_organization(store)
    further = await store.write(lambda c: create_project(c, acme.id, name="further"))
    member_id = await add_person(store, acme.id)
    terms = KeyTerms(further_projects=(FurtherProject(further.id, "", frozenset()),))
    digest = await add_key(store, make_key(acme.id, project.id, kind=KeyKind.MEMBER, member_id=member_id, terms=terms))
    whole = await add_budget(store, acme.id, 9)
    own = await add_budget(store, acme.id, 5, scope_kind="project", scope_id=project.id)
    others = await add_budget(store, acme.id, 5, scope_kind="project", scope_id=further.id)

    key = await find(store, digest)

    assert [limit.budget_id for limit in key.limits] == [whole.id, own.id]
    assert [limit.budget_id for limit in key.in_project(further.id).limits] == [whole.id, others.id]


async def test_equal_limits_of_two_keys_are_one_object(store: Store) -> None:
    acme, project = await add_organization(store)
    await add_budget(store, acme.id, 9)
    first, second = [await add_key(store, make_key(acme.id, project.id)) for _ in range(2)]

    assert (await find(store, first)).limits[0] is (await find(store, second)).limits[0]


@pytest.mark.parametrize("scope_kind", ["organization", "team", "project", "member", "api_key"])
async def test_a_changed_budget_drops_the_keys_it_concerns_and_no_others(
    store: Store, keys: StoreDirectory, scope_kind: str
) -> None:
    acme, plain = await add_organization(store)
    team = await store.write(lambda connection: create_team(connection, acme.id, name="Research"))
    project = await store.write(lambda c: create_project(c, acme.id, name="ml-pipeline", team_id=team.id))
    member_id = await add_person(store, acme.id)
    key = make_key(acme.id, project.id, kind=KeyKind.MEMBER, member_id=member_id)
    digest, other = await add_key(store, key), await add_key(store, make_key(acme.id, plain.id))
    ids = {
        "organization": acme.id,
        "team": team.id,
        "project": project.id,
        "member": member_id,
        "api_key": key.id,
    }
    scope_id = ids[scope_kind]
    await add_budget(store, acme.id, 5, scope_kind=scope_kind, scope_id=scope_id)
    await keys.poll()
    found = await keys.find(digest)
    assert found is not None
    assert [limit.is_hard for limit in found.limits] == [True]
    await keys.find(other)

    await change_budget(store, acme.id, scope_id, is_hard=0)
    await keys.poll()

    assert keys.recall(digest) is None
    assert (keys.recall(other) is None) == (scope_kind == "organization")
    again = await keys.find(digest)
    assert again is not None
    assert [limit.is_hard for limit in again.limits] == [False]


async def test_a_team_of_a_further_project_is_looked_at_too(store: Store, keys: StoreDirectory) -> None:
    acme, project = await add_organization(store)
    team = await store.write(lambda connection: create_team(connection, acme.id, name="Research"))
    further = await store.write(lambda c: create_project(c, acme.id, name="further", team_id=team.id))
    member_id = await add_person(store, acme.id)
    terms = KeyTerms(further_projects=(FurtherProject(further.id, "", frozenset()),))
    digest = await add_key(store, make_key(acme.id, project.id, kind=KeyKind.MEMBER, member_id=member_id, terms=terms))
    made = await add_budget(store, acme.id, 5, scope_kind="team", scope_id=team.id)
    await keys.poll()
    found = await keys.find(digest)
    assert found is not None
    assert [limit.budget_id for limit in found.in_project(further.id).limits] == [made.id]

    gone = delete(budget).where(budget.c.id == made.id)
    await store.write(lambda connection: connection.execute(gone))
    await change_budget(store, acme.id, team.id, is_hard=1)
    await keys.poll()

    assert keys.recall(digest) is None
    again = await keys.find(digest)
    assert again is not None
    assert again.in_project(further.id).limits == ()
