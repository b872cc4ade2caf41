"""Attempts to gain, keep or misuse rights, over the real application: each must stay refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from tests.accounts.people_factories import Town, running_town
from tests.security.realms import new_session
from tests.tenancy.company import Company, Person, add_account, found_company

from tollkeeper.admin.shapes import shown_time
from tollkeeper.control import api_keys, members
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

DAY_US = 86_400_000_000


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
    short = await company.change(
        None,
        api_keys.create_service_key,
        project_id=project.id,
        name="short",
        permissions=rights,
        expires_at_us=now_us() + 60_000_000,
    )
    forever = await company.change(
        None, api_keys.create_service_key, project_id=project.id, name="forever", permissions=frozenset({"chat:create"})
    )
    answer = await site.key_client(short.key).post(f"/v1/api-keys/{forever.record.id}/rotate", json={})
    print(answer.text)
    if answer.status_code == 200:
        assert answer.json()["expires_at"] is not None
        assert answer.json()["expires_at"] <= "2026-11-23"


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
    import asyncio

    await asyncio.sleep(1)
    assert (await site.key_client(key).get("/v1/projects")).status_code == 401
    # restored with less: the old key stays disabled
    from tollkeeper.store import members as rows

    await company.store.write(lambda c: rows.add_member(c, company.id, eve.account_id))
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
    print("after losing the right:", again.status_code, again.text[:80])
    assert again.status_code in (403, 404)
