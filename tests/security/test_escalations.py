"""Attempts to gain, keep or misuse rights, over the real application: each must stay refused."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from tests.accounts.people_factories import Town, running_town
from tests.security.realms import new_session
from tests.tenancy.company import PEPPER, Company, Person, add_account, found_company

from tollkeeper.admin.shapes import shown_time
from tollkeeper.control import api_keys, members
from tollkeeper.control.administration import Action
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.key_terms import KeyTerms, check_models
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import audit, engine, invites, organizations, projects, revision
from tollkeeper.store import members as member_rows
from tollkeeper.store.engine import Store


@dataclass
class Site:
    """A company with an application over its store."""

    company: Company
    town: Town

    async def client(self, person: Person, **headers: str) -> httpx.AsyncClient:
        client = self.town.client(await new_session(self.company, person))
        client.headers.update({"OpenAI-Organization": self.company.id, **headers})
        return client

    def key_client(self, key: str, **headers: str) -> httpx.AsyncClient:
        client = self.town.client(key)
        client.headers.update(headers)
        return client

    async def account(self, email: str) -> Person:
        return Person(await add_account(self.company.store, email), "", email)

    async def token_of(self, email: str) -> str:
        return [each for each in await self.town.mails("invitation") if each.recipient == email][-1].token

    async def accept(self, person: Person, token: str) -> httpx.Response:
        client = self.town.client(await new_session(self.company, person))
        return await client.post("/v1/auth/accept-invitation", json={"token": token})


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running_town(store) as town:
        yield Site(await found_company(store), town)


async def test_a_removed_member_does_not_come_back_by_another_pending_invitation(site: Site) -> None:
    company = site.company
    team = await company.team("A")
    boss = await site.client(await company.hire("boss", ("org_admin", company.id)))
    eve = await site.account("eve@example.com")
    for role, scope in (("developer", team.id), ("team_admin", team.id)):
        sent = await boss.post("/v1/invites", json={"email": eve.email, "role": role, "scope": scope})
        assert sent.status_code == 200, sent.text
    tokens = [each.token for each in await site.town.mails("invitation") if each.recipient == eve.email]
    joined = await site.accept(eve, tokens[0])
    assert joined.status_code == 200, joined.text
    member_id = (await company.look(None, members.list_members))[-1].member.id
    assert (await boss.delete(f"/v1/members/{member_id}")).status_code == 200
    again = await site.accept(eve, tokens[1])
    assert again.status_code in (400, 403, 404, 409), again.text


async def test_a_demoted_admin_does_not_come_back_by_an_invitation_of_their_own(site: Site) -> None:
    company = site.company
    await company.hire("boss", ("org_admin", company.id))
    mallory = await company.hire("mallory", ("org_admin", company.id))
    second = await site.account("mallory2@example.com")
    mine = await site.client(mallory)
    sent = await mine.post("/v1/invites", json={"email": second.email, "role": "org_admin"})
    assert sent.status_code == 200
    token = await site.token_of(second.email)
    await company.change(None, members.take_role, mallory.member_id, role="org_admin")
    again = await site.accept(second, token)
    assert again.status_code in (400, 403, 409), again.text


@pytest.mark.parametrize("kind", ["member", "admin"])
async def test_an_invitation_made_by_a_key_ends_with_the_key(site: Site, kind: str) -> None:
    company = site.company
    team = await company.team("A")
    project = await company.project("p", team)
    await company.hire("boss", ("org_admin", company.id))
    mallory = await company.hire("mallory", ("org_admin", company.id))
    caller = await company.caller(mallory)
    if kind == "member":
        key = await company.administration.change(
            caller, api_keys.create_member_key, project_ids=(project.id,), name="k", permissions=frozenset(PERMISSIONS)
        )
    else:
        key = await company.administration.change(caller, api_keys.create_admin_key, name="k")
    second = await site.account("mallory2@example.com")
    scope = {"scope": project.id} if kind == "member" else {}
    role = "team_admin" if kind == "member" else "org_admin"
    sent = await site.key_client(key.key).post("/v1/invites", json={"email": second.email, "role": role, **scope})
    assert sent.status_code == 200, sent.text
    token = await site.token_of(second.email)
    await company.change(None, members.remove_member, mallory.member_id)
    if kind == "admin":
        await company.change(None, api_keys.delete_key, key.record.id)
    again = await site.accept(second, token)
    assert again.status_code in (400, 403, 409), again.text


async def test_a_key_that_expires_gets_no_longer_living_key_by_rotating(site: Site) -> None:
    company = site.company
    project = await company.project("p")
    rights = frozenset({"api_key:create", "chat:create"})
    expires_at_us = now_us() + 60_000_000
    short = await company.change(
        None,
        api_keys.create_service_key,
        project_id=project.id,
        name="short",
        permissions=rights,
        expires_at_us=expires_at_us,
    )
    forever = await company.change(
        None, api_keys.create_service_key, project_id=project.id, name="forever", permissions=frozenset({"chat:create"})
    )
    answer = await site.key_client(short.key).post(f"/v1/api-keys/{forever.record.id}/rotate", json={})
    if answer.status_code == 200:
        rotated = datetime.fromisoformat(answer.json()["expires_at"])
        assert rotated.timestamp() * 1_000_000 <= expires_at_us + 1_000


async def test_a_key_that_expires_does_not_prolong_itself(site: Site) -> None:
    company = site.company
    project = await company.project("p")
    rights = frozenset({"api_key:create", "chat:create"})
    short = await company.change(
        None,
        api_keys.create_service_key,
        project_id=project.id,
        name="short",
        permissions=rights,
        expires_at_us=now_us() + 60_000_000,
    )
    answer = await site.key_client(short.key).post(f"/v1/api-keys/{short.record.id}/rotate", json={})
    assert answer.status_code == 200
    assert answer.json()["expires_at"] == shown_time(short.record.expires_at_us)


async def test_a_limited_admin_key_makes_no_unlimited_one(site: Site) -> None:
    company = site.company
    limited = await company.change(
        None,
        api_keys.create_admin_key,
        name="a",
        expires_at_us=now_us() + 60_000_000,
    )
    answer = await site.key_client(limited.key).post("/v1/api-keys/admin", json={"name": "b"})
    assert answer.status_code != 200 or answer.json()["expires_at"] is not None, answer.text


async def test_sessions_keys_and_old_resets_end_with_a_removal(site: Site) -> None:
    company = site.company
    project = await company.project("p")
    await company.hire("boss", ("org_admin", company.id))
    eve = await company.hire("eve", ("developer", project.id))
    client = await site.client(eve)
    key = (await client.post("/v1/api-keys", json={"name": "k", "project_id": project.id})).json()["key"]
    idem = {"Idempotency-Key": "one"}
    made = await client.post("/v1/api-keys/service", json={"name": "s", "project_id": project.id}, headers=idem)
    assert made.status_code == 200, made.text
    await company.change(None, members.remove_member, eve.member_id)
    assert (await client.get("/v1/projects")).status_code in (403, 404)
    repeated = await client.post("/v1/api-keys/service", json={"name": "s", "project_id": project.id}, headers=idem)
    assert repeated.status_code in (403, 404), repeated.text
    await asyncio.sleep(1)
    assert (await site.key_client(key).get("/v1/projects")).status_code == 401
    # restored with less: the old key stays disabled
    await company.store.write(lambda c: member_rows.add_member(c, company.id, eve.account_id))
    await company.change(None, members.give_role, eve.member_id, role="developer", scope_id=project.id)
    assert (await site.key_client(key).get("/v1/projects")).status_code == 401
    mine = [each for each in (await client.get("/v1/api-keys")).json()["data"] if each["kind"] == "member"]
    on = await client.put(f"/v1/api-keys/{mine[0]['id']}", json={"disabled": False})
    assert on.status_code == 403


async def test_a_replay_by_another_principal_or_without_the_right_gives_nothing(site: Site) -> None:
    company = site.company
    project, other = await company.project("p"), await company.project("q")
    dev = await company.hire("dev", ("developer", project.id), ("developer", other.id))
    client = await site.client(dev)
    body, idem = {"name": "s", "project_id": project.id}, {"Idempotency-Key": "one"}
    first = await client.post("/v1/api-keys/service", json=body, headers=idem)
    assert first.status_code == 200
    await company.change(None, members.take_role, dev.member_id, role="developer", scope_id=project.id)
    again = await client.post("/v1/api-keys/service", json=body, headers=idem)
    assert again.status_code in (403, 404)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("what", ["rename", "archive", "budget", "no budget"])
async def test_a_lead_does_nothing_to_a_project_that_has_just_left_the_team(site: Site, what: str) -> None:
    company = site.company
    mine, other = await company.team("A"), await company.team("B")
    project = await company.project("p", mine, monthly_usd=1)
    lead = await site.client(await company.hire("lead", ("team_admin", mine.id)))
    calls = {
        "rename": ("PUT", f"/v1/projects/{project.id}", {"name": "stolen"}),
        "archive": ("DELETE", f"/v1/projects/{project.id}", None),
        "budget": ("PUT", "/v1/budgets", {"scope": project.id, "amount_usd": 99, "period": "monthly"}),
        "no budget": ("DELETE", f"/v1/budgets/{project.id}?period=monthly", None),
    }
    is_moved = asyncio.Event()

    async def move(connection: Any) -> None:
        await organizations.lock_organization(connection, company.id)
        await projects.change_project(connection, company.id, project.id, {"team_id": other.id})
        is_moved.set()
        await asyncio.sleep(0.5)  # meanwhile the lead asks, and waits for the lock

    moving = asyncio.create_task(company.store.write(move))
    await is_moved.wait()
    method, path, body = calls[what]
    answer = await lead.request(method, path, json=body)
    await moving
    assert answer.status_code in (403, 404), answer.text


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("path", ["/v1/api-keys", "/v1/api-keys/service", "/v1/api-keys/admin"])
async def test_what_a_member_asks_for_during_the_removal_is_not_done_after_it(site: Site, path: str) -> None:
    company = site.company
    project = await company.project("p")
    await company.hire("boss", ("org_admin", company.id))
    eve = await company.hire("eve", ("org_admin", company.id))
    client = await site.client(eve)
    body = {"name": "k"} if path.endswith("admin") else {"name": "k", "project_id": project.id}
    is_removed = asyncio.Event()

    async def remove(connection: Any) -> None:
        action = Action(connection, company.operator, company.administration.secrets)
        await members.remove_member(action, eve.member_id)
        is_removed.set()
        await asyncio.sleep(0.5)
        await audit.append_events(connection, company.id, action.events, key=action.secrets.audit_key)

    removing = asyncio.create_task(company.store.write(remove))
    await is_removed.wait()
    answer = await client.post(path, json=body)
    await removing
    assert answer.status_code in (401, 403, 404), answer.text


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_accepting_and_removing_the_inviter_wait_in_one_order(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = site.company
    await company.hire("boss", ("org_admin", company.id))
    mallory = await company.hire("mallory", ("org_admin", company.id))
    client = await site.client(mallory)
    assert (await client.post("/v1/invites", json={"email": "n@example.com", "role": "viewer"})).status_code == 200
    digest = keyed_digest(PEPPER, (await site.token_of("n@example.com")).encode())
    given_up: list[BaseException] = []

    def give_up(error: BaseException) -> bool:
        given_up.append(error)
        return False

    monkeypatch.setattr(engine, "is_retryable", give_up)
    is_accepted = asyncio.Event()

    async def accept(connection: Any) -> None:
        await invites.accept_invite(connection, digest, now_us=now_us())
        is_accepted.set()
        await asyncio.sleep(0.3)
        await revision.record_change(connection, "member", organization_id=company.id, entity_id="mem_new")

    accepting = asyncio.create_task(company.store.write(accept))
    await is_accepted.wait()
    await asyncio.gather(accepting, company.change(None, members.remove_member, mallory.member_id))
    assert given_up == []


async def test_a_project_named_like_a_team_keeps_nobody_from_allotting_to_the_team(site: Site) -> None:
    company = site.company
    mine, other = await company.team("A"), await company.team("B")
    lead = await site.client(await company.hire("lead", ("team_admin", mine.id)))
    await lead.post(f"/v1/teams/{mine.id}/projects", json={"name": other.id})
    boss = await site.client(await company.hire("boss", ("org_admin", company.id)))
    wanted = {"target": other.id, "type": "monthly_budget", "amount_usd": 1, "reset_period": "monthly"}
    answer = await boss.post("/v1/organizations/quota/allocate", json={"team_id": company.id, "allocations": [wanted]})
    assert answer.status_code == 200, answer.text


async def test_an_admin_of_a_project_gains_nothing_beyond_it(site: Site) -> None:
    company = site.company
    mine, other = await company.team("A"), await company.team("B")
    project, foreign = await company.project("p", mine), await company.project("q", other)
    me = await company.hire("me", ("team_admin", project.id))
    client = await site.client(me)
    further = {"name": "k", "project_id": project.id, "further_project_ids": [foreign.id]}
    attempts = [
        ("PUT", f"/v1/members/{me.member_id}/roles", {"role": "org_admin"}),
        ("PUT", f"/v1/members/{me.member_id}/roles", {"role": "team_admin", "scope": mine.id}),
        ("PUT", f"/v1/members/{me.member_id}/roles", {"role": "viewer", "scope": foreign.id}),
        ("PUT", f"/v1/projects/{project.id}", {"team_id": other.id}),
        ("PUT", f"/v1/projects/{project.id}", {"monthly_budget_usd": 999}),
        ("POST", "/v1/api-keys/admin", {"name": "k"}),
        ("POST", "/v1/api-keys/service", {"name": "k", "project_id": foreign.id}),
        ("POST", "/v1/api-keys", further),
        ("POST", "/v1/invites", {"email": "me2@example.com", "role": "team_admin", "scope": mine.id}),
        ("POST", "/v1/roles", {"name": "r", "permissions": ["chat:create"]}),
        ("GET", f"/v1/projects/{foreign.id}", None),
        ("GET", "/v1/audit-log", None),
    ]
    for method, path, body in attempts:
        answer = await client.request(method, path, json=body)
        assert answer.status_code in (403, 404), (method, path, body, answer.text)


async def test_a_key_no_longer_knows_a_project_where_its_member_has_no_role_left(site: Site) -> None:
    company = site.company
    first, second = await company.project("p"), await company.project("q")
    eve = await company.hire("eve", ("developer", first.id), ("developer", second.id))
    key = await company.change(eve, api_keys.create_member_key, project_ids=(first.id, second.id), name="k")
    client = site.key_client(key.key)
    await company.change(None, members.take_role, eve.member_id, role="developer", scope_id=second.id)
    assert (await client.get(f"/v1/projects/{first.id}")).status_code == 200
    assert (await client.get(f"/v1/projects/{second.id}")).status_code == 404


def test_no_list_of_models_takes_long_to_be_read() -> None:
    worst = [f"{'*a' * 126}*{number:03}" for number in range(100)]
    started_s = time.perf_counter()
    with contextlib.suppress(InvalidRequest):
        KeyTerms(allowed_models=check_models(worst)).allows_model("a" * 256)
    assert time.perf_counter() - started_s < 0.2
