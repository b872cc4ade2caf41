"""Organizations: who may found one and what comes with it, whose a person sees, what changes and who may change it."""

from __future__ import annotations

import pytest
from tests.tenancy.company import PEPPER, Company, add_account, found_company, person_without_organization

from tollkeeper.control import organizations
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.tenancy import KeyPolicy
from tollkeeper.store import audit, members, projects
from tollkeeper.store.engine import Store


async def test_who_founds_an_organization_is_its_org_admin_with_a_default_project_and_a_log(store: Store) -> None:
    administration = Administration(store, Secrets.of(PEPPER))
    account_id = await add_account(store, "jimin@example.com")
    caller = person_without_organization(account_id)
    made = await administration.change(
        caller, organizations.create_organization, name="Acme", timezone="Asia/Seoul", language="ko", is_open=True
    )
    acme = made.organization
    assert (acme.name, acme.timezone, acme.language) == ("Acme", "Asia/Seoul", "ko")
    member = await store.read(lambda c: members.find_member(c, acme.id, account_id=account_id))
    assert [each.role_id for each in member.assignments] == ["org_admin"]
    assert [each.name for each in await store.read(lambda c: projects.list_projects(c, acme.id))] == ["default"]
    events = await store.read(lambda c: audit.events_after(c, acme.id, 0))
    assert [(each.action, each.actor_id) for each in events] == [
        ("organization.create", account_id),
        ("project.create", account_id),
    ]
    of_installation = await store.read(lambda c: audit.events_after(c, "", 0))
    assert [each.action for each in of_installation] == ["audit.begin"]
    assert (await administration.look(caller, organizations.list_organizations)) == [acme]


async def test_founding_needs_an_open_installation_a_person_and_a_verified_address(store: Store) -> None:
    administration = Administration(store, Secrets.of(PEPPER))
    verified = person_without_organization(await add_account(store, "a@example.com"))
    unverified = person_without_organization(await add_account(store, "b@example.com", is_verified=False))
    key = person_without_organization("")
    for caller, is_open, words in (
        (verified, False, "operator"),
        (unverified, True, "Verify"),
        (key, True, "logged in"),
    ):
        with pytest.raises(PermissionDenied, match=words):
            await administration.change(caller, organizations.create_organization, name="Acme", is_open=is_open)
    assert await administration.look(verified, organizations.list_organizations) == []


async def test_a_person_lists_the_organizations_of_active_memberships(company: Company, store: Store) -> None:
    globex, initech = await found_company(store, "Globex"), await found_company(store, "Initech")
    dev = await company.hire("dev", ("viewer", company.id))
    for other in (globex, initech):
        await store.write(lambda c, other=other: members.add_member(c, other.id, dev.account_id))
    left = await store.read(lambda c: members.find_member(c, initech.id, account_id=dev.account_id))
    await store.write(lambda c: members.remove_member(c, initech.id, left.id))
    listed = await company.look(dev, organizations.list_organizations)
    assert [each.name for each in listed] == ["Acme", "Globex"]
    behind = await company.look(dev, organizations.list_organizations, after=company.id, limit=1)
    assert [each.name for each in behind] == ["Globex"]


async def test_a_policy_is_changed_and_told_to_replicas(company: Company) -> None:
    boss = await company.hire("boss", ("org_admin", company.id))
    policy = KeyPolicy(90, is_key_expiry_required=True, required_labels=("team", "feature", "team"))
    changed = (await company.change(boss, organizations.update_organization, company.id, policy=policy)).organization
    assert changed.policy == KeyPolicy(90, is_key_expiry_required=True, required_labels=("feature", "team"))
    assert await company.changes("organization") == [company.id]
    assert await company.look(boss, organizations.get_organization, company.id) == changed
    await company.change(boss, organizations.update_organization, company.id, policy=changed.policy)
    assert len(await company.events("organization.update")) == 1  # the same again is no change
    named = (
        await company.change(
            boss, organizations.update_organization, company.id, name="Acme 2", timezone="Asia/Kolkata"
        )
    ).organization
    assert (named.name, named.timezone, named.policy) == ("Acme 2", "Asia/Kolkata", changed.policy)


@pytest.mark.parametrize(
    "change",
    [
        {"timezone": "Mars/Base"},
        {"timezone": "../etc/passwd"},
        {"name": " "},
        {"policy": KeyPolicy(0)},
        {"policy": KeyPolicy(4000)},
        {"policy": KeyPolicy(required_labels=("has space",))},
        {"policy": KeyPolicy(required_labels=tuple(f"l{number}" for number in range(17)))},
    ],
)
async def test_nonsense_is_refused(company: Company, change: dict) -> None:
    with pytest.raises(InvalidRequest):
        await company.change(None, organizations.update_organization, company.id, **change)


async def test_only_who_manages_an_organization_changes_it_and_only_members_see_it(company: Company) -> None:
    lead = await company.hire("lead", ("team_admin", (await company.team("ml")).id))
    with pytest.raises(PermissionDenied, match="org:manage"):
        await company.change(lead, organizations.update_organization, company.id, name="Mine")
    assert (await company.look(lead, organizations.get_organization, company.id)).name == "Acme"
    other = await found_company(company.store, "Globex")
    for organization_id in (other.id, "org_nothing", ""):
        with pytest.raises(NotFound):
            await company.look(lead, organizations.get_organization, organization_id)
