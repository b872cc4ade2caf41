"""Invitations: who may give what, to whose mailbox, once, until a date; sent again, withdrawn, accepted."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import msgspec
import pytest
from tests.accounts.people_factories import RULES, VISIT, Town, error_of, running_town
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.control.administration import Caller, operator
from tollkeeper.control.invites import RoleAt, create_invite
from tollkeeper.control.people import Throttles
from tollkeeper.domain.access import Grant, Principal, PrincipalKind
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.store.engine import Store

ADMIN = "admin@example.com"
KIM = "kim@example.com"
LEAD = "lead@example.com"


async def invite(town: Town, session: str, email: str = KIM, role: str = "developer", **more: Any) -> httpx.Response:
    town.people.throttles = Throttles()
    return await town.post("/v1/invites", {"email": email, "role": role, **more}, session)


async def accept(town: Town, session: str, token: str) -> httpx.Response:
    return await town.post("/v1/auth/accept-invitation", {"token": token}, session)


async def team(town: Town, session: str, name: str) -> str:
    return str((await town.post("/v1/teams", {"name": name}, session)).json()["id"])


async def with_role(town: Town, admin: str, email: str, role: str, **more: Any) -> str:
    """Make somebody a member with a role; returns the session."""
    assert (await invite(town, admin, email, role, **more)).status_code == 200
    token = await town.last_token("invitation")
    assert (await town.sign_up(email, invitation=token)).status_code == 200
    town.people.throttles = Throttles()
    return await town.session(email)


async def test_the_token_tells_who_invites_to_what_while_it_is_good(town: Town) -> None:
    admin = await town.resident(ADMIN)
    await town.found(admin, "Acme")
    await invite(town, admin)
    token = await town.last_token("invitation")
    told = await town.post("/v1/auth/invitation", {"token": token})
    assert {name: told.json()[name] for name in ("organization", "inviter")} == {
        "organization": "Acme",
        "inviter": ADMIN,
    }
    assert KIM not in told.text, "who holds the link has to know whom it was sent to"
    assert (await town.sign_up(KIM, invitation=token)).status_code == 200
    for useless in (token, "mail-tk-" + "a" * 43, "none"):
        refused = await town.post("/v1/auth/invitation", {"token": useless})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "token")


async def test_a_resident_accepts_and_has_the_role(town: Town) -> None:
    admin, kim = await town.resident(ADMIN), await town.resident(KIM)
    organization_id = await town.found(admin)
    made = (await invite(town, admin)).json()
    assert "mail-tk-" not in str(made)
    token = await town.last_token("invitation")
    accepted = await accept(town, kim, token)
    assert accepted.json()["organization_id"] == organization_id
    member = (await town.client(kim).get(f"/v1/members/{accepted.json()['member_id']}")).json()
    assert [each["role_name"] for each in member["roles"]] == ["developer"]
    shown = (await town.client(admin).get(f"/v1/invites/{made['id']}")).json()
    assert (shown["status"], shown["accepted_at"] is not None) == ("accepted", True)
    assert (await town.client(admin).get("/v1/invites")).json()["data"] == []
    assert "invite.accept" in await town.actions(organization_id)
    assert not any("mail-tk-" in repr(event) for event in await town.events(organization_id))


async def test_it_is_accepted_once_however_many_try_at_once(town: Town) -> None:
    admin, kim = await town.resident(ADMIN), await town.resident(KIM)
    await town.found(admin)
    await invite(town, admin)
    token = await town.last_token("invitation")
    answers = await asyncio.gather(*[accept(town, kim, token) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert len((await town.client(admin).get("/v1/members")).json()["data"]) == 2


async def test_a_repeated_request_is_answered_as_the_first_one(town: Town) -> None:
    admin, kim = await town.resident(ADMIN), await town.resident(KIM)
    await town.found(admin)
    again = {"idempotency-key": "one"}
    body = {"email": KIM, "role": "developer"}
    first, second = [await town.client(admin).post("/v1/invites", json=body, headers=again) for _ in range(2)]
    assert (first.status_code, first.json()) == (200, second.json())
    assert len(await town.mails("invitation")) == 1
    body = {"token": await town.last_token("invitation")}
    accepted = [await town.client(kim).post("/v1/auth/accept-invitation", json=body, headers=again) for _ in range(2)]
    assert (accepted[0].status_code, accepted[0].json()) == (200, accepted[1].json())


async def test_it_is_for_one_address(town: Town) -> None:
    admin, other = await town.resident(ADMIN), await town.resident("other@example.com")
    await town.found(admin)
    await invite(town, admin)
    token = await town.last_token("invitation")
    assert error_of(await accept(town, other, token))[0] == 403
    kim = await town.resident(KIM)
    assert (await accept(town, kim, token)).status_code == 200


@ONLY_SQLITE
async def test_an_api_key_accepts_nothing_and_has_no_account(town: Town) -> None:
    from tests.admin.admin_factories import PEPPER
    from tests.fakes.new_keys import create_admin_key

    admin = await town.resident(ADMIN)
    organization_id = await town.found(admin)
    await invite(town, admin)
    token = await town.last_token("invitation")
    key = (await create_admin_key(town.store, PEPPER, organization_id, name="ci")).key
    assert (await accept(town, key, token)).status_code == 403
    for path in ("/v1/account", "/v1/account/sessions", "/v1/account/organizations"):
        assert (await town.client(key).get(path)).status_code == 403
    assert (await town.post("/v1/auth/logout", {}, key)).status_code == 403
    assert (await town.client().get("/v1/account")).status_code == 401


async def test_one_that_is_withdrawn_or_sent_again_does_not_work(town: Town) -> None:
    admin, kim = await town.resident(ADMIN), await town.resident(KIM)
    await town.found(admin)
    made = (await invite(town, admin)).json()
    first = await town.last_token("invitation")
    again = await town.post(f"/v1/invites/{made['id']}/resend", {}, admin)
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    second = await town.last_token("invitation")
    assert first != second
    assert (await accept(town, kim, first)).status_code == 400
    assert (await town.client(admin).delete(f"/v1/invites/{made['id']}")).json()["status"] == "revoked"
    assert (await accept(town, kim, second)).status_code == 400
    assert (await town.client(admin).delete(f"/v1/invites/{made['id']}")).status_code == 404
    assert (await town.post(f"/v1/invites/{made['id']}/resend", {}, admin)).status_code == 404


async def test_withdrawing_and_accepting_at_once_has_one_outcome(town: Town) -> None:
    admin, kim = await town.resident(ADMIN), await town.resident(KIM)
    await town.found(admin)
    made = (await invite(town, admin)).json()
    token = await town.last_token("invitation")
    accepted, revoked = await asyncio.gather(
        accept(town, kim, token), town.client(admin).delete(f"/v1/invites/{made['id']}")
    )
    status = (await town.client(admin).get(f"/v1/invites/{made['id']}")).json()["status"]
    assert (accepted.status_code, revoked.status_code, status) in {(200, 404, "accepted"), (400, 200, "revoked")}


@ONLY_SQLITE
async def test_one_that_is_too_old_can_be_sent_again(store: Store) -> None:
    async with running_town(store, msgspec.structs.replace(RULES, invitation_s=0)) as town:
        admin, kim = await town.resident(ADMIN), await town.resident(KIM)
        await town.found(admin)
        made = (await invite(town, admin)).json()
        assert (await accept(town, kim, await town.last_token("invitation"))).status_code == 400
        (listed,) = (await town.client(admin).get("/v1/invites")).json()["data"]
        assert listed["status"] == "expired"
        town.people.rules = RULES
        await town.post(f"/v1/invites/{made['id']}/resend", {}, admin)
        assert (await accept(town, kim, await town.last_token("invitation"))).status_code == 200


async def test_nobody_gives_by_invitation_what_they_do_not_have(town: Town) -> None:
    admin = await town.resident(ADMIN)
    await town.found(admin)
    mine, theirs = await team(town, admin, "mine"), await team(town, admin, "theirs")
    lead = await with_role(town, admin, LEAD, "team_admin", scope=mine)
    assert error_of(await invite(town, lead, role="developer"))[0] == 403  # for the whole organization
    assert error_of(await invite(town, lead, role="org_admin"))[0] == 403
    assert error_of(await invite(town, lead, role="developer", scope=theirs))[0] == 404
    assert (await invite(town, lead, role="developer", scope=mine)).status_code == 200
    developer = await with_role(town, admin, "dev@example.com", "developer")
    assert error_of(await invite(town, developer, "x@example.com"))[0] == 403
    assert error_of(await invite(town, admin, "x@example.com", "team_admin"))[0] == 400
    assert error_of(await invite(town, admin, "x@example.com", "no such role"))[0] == 404


async def test_whoever_may_manage_members_but_lacks_a_permission_cannot_give_it_by_invitation(town: Town) -> None:
    admin = await town.resident(ADMIN)
    await town.found(admin)
    body = {"name": "recruiter", "permissions": ["member:manage", "chat:create"]}
    assert (await town.post("/v1/roles", body, admin)).status_code == 200
    recruiter = await with_role(town, admin, LEAD, "recruiter")
    status, _, message = error_of(await invite(town, recruiter, "x@example.com", "developer"))
    assert (status, "cannot grant" in message) == (403, True)
    assert (await invite(town, recruiter, "x@example.com", "recruiter")).status_code == 200
    await invite(town, admin, "y@example.com", "developer")
    made = (await town.client(admin).get("/v1/invites")).json()["data"][-1]
    assert error_of(await town.post(f"/v1/invites/{made['id']}/resend", {}, recruiter))[0] == 403


async def test_a_lead_sees_the_invitations_to_their_team_and_its_projects(town: Town) -> None:
    admin = await town.resident(ADMIN)
    await town.found(admin)
    mine, theirs = await team(town, admin, "mine"), await team(town, admin, "theirs")
    body = {"name": "mine-web", "monthly_budget_usd": 5}
    project = (await town.post(f"/v1/teams/{mine}/projects", body, admin)).json()["id"]
    lead = await with_role(town, admin, LEAD, "team_admin", scope=mine)
    ids = {}
    for scope in (mine, theirs, project, None):
        answer = await invite(town, admin, "x@example.com", "viewer", **({"scope": scope} if scope else {}))
        assert answer.status_code == 200, answer.text
        ids[scope] = answer.json()["id"]
    listed = (await town.client(lead).get("/v1/invites")).json()["data"]
    assert [each["id"] for each in listed] == [ids[mine], ids[project]]
    for scope, status in ((mine, 200), (theirs, 404), (project, 200), (None, 404)):
        assert (await town.client(lead).get(f"/v1/invites/{ids[scope]}")).status_code == status, scope
        assert (await town.client(lead).delete(f"/v1/invites/{ids[scope]}")).status_code == status, scope


async def test_of_several_roles_a_lead_sees_and_withdraws_only_what_is_theirs(town: Town) -> None:
    admin = await town.resident(ADMIN)
    organization_id = await town.found(admin)
    mine, theirs = await team(town, admin, "mine"), await team(town, admin, "theirs")
    lead = await with_role(town, admin, LEAD, "team_admin", scope=mine)
    offered = [RoleAt("viewer", mine), RoleAt("developer", theirs)]
    made = await town.people.change(
        operator(organization_id, name="root"), create_invite, RULES, email=KIM, offered=offered
    )
    shown = (await town.client(lead).get(f"/v1/invites/{made.state.invite.id}")).json()
    assert [(each["role_name"], each["scope_id"]) for each in shown["roles"]] == [("viewer", mine)]
    assert (await town.client(lead).delete(f"/v1/invites/{shown['id']}")).status_code == 404
    kim = await town.resident(KIM)
    member_id = (await accept(town, kim, made.token)).json()["member_id"]
    member = (await town.client(admin).get(f"/v1/members/{member_id}")).json()
    assert sorted(each["role_name"] for each in member["roles"]) == ["developer", "viewer"]


async def test_another_organizations_invitation_is_not_there(town: Town) -> None:
    admin, other = await town.resident(ADMIN), await town.resident("other@example.com")
    await town.found(admin)
    await town.found(other, "Globex")
    made = (await invite(town, admin)).json()
    client = town.client(other)
    answers = [
        await client.get(f"/v1/invites/{made['id']}"),
        await client.delete(f"/v1/invites/{made['id']}"),
        await client.post(f"/v1/invites/{made['id']}/resend"),
    ]
    absent = error_of(await client.get("/v1/invites/inv_nothing"))[2].replace("inv_nothing", made["id"])
    assert {error_of(answer)[2] for answer in answers} == {absent}
    assert (await client.get("/v1/invites")).json()["data"] == []


async def test_members_and_those_who_are_invited_are_not_invited_again(town: Town) -> None:
    admin = await town.resident(ADMIN)
    await town.found(admin)
    assert error_of(await invite(town, admin, ADMIN))[0] == 409
    assert (await invite(town, admin)).status_code == 200
    assert error_of(await invite(town, admin, " KIM@example.com"))[0] == 409
    assert (await invite(town, admin, role="viewer")).status_code == 200


async def test_who_was_removed_comes_back_by_invitation(town: Town) -> None:
    admin = await town.resident(ADMIN)
    await town.found(admin)
    kim = await with_role(town, admin, KIM, "developer")
    (mine,) = (await town.client(kim).get("/v1/account/organizations")).json()["data"]
    assert (await town.client(admin).delete(f"/v1/members/{mine['member_id']}")).status_code == 200
    assert (await town.client(kim).get("/v1/account/organizations")).json()["data"] == []
    await invite(town, admin, role="viewer")
    assert (await accept(town, kim, await town.last_token("invitation"))).json()["member_id"] == mine["member_id"]
    member = (await town.client(admin).get(f"/v1/members/{mine['member_id']}")).json()
    assert [each["role_name"] for each in member["roles"]] == ["viewer"]


async def test_a_place_that_is_gone_lets_nobody_in(town: Town) -> None:
    admin, kim = await town.resident(ADMIN), await town.resident(KIM)
    await town.found(admin)
    place = await team(town, admin, "gone")
    await invite(town, admin, scope=place)
    assert (await town.client(admin).delete(f"/v1/teams/{place}")).status_code == 200
    token = await town.last_token("invitation")
    assert error_of(await accept(town, kim, token))[0] == 409
    assert (await town.client(kim).get("/v1/account/organizations")).json()["data"] == []


async def test_pages_of_invitations_are_complete(town: Town) -> None:
    admin = await town.resident(ADMIN)
    organization_id = await town.found(admin)
    for number in range(7):
        await town.people.change(
            operator(organization_id, name="root"),
            create_invite,
            RULES,
            email=f"user{number}@example.com",
            offered=[RoleAt("viewer")],
        )
    seen, after = [], None
    for _ in itertools.count():
        query = {"limit": 3, **({"after": after} if after else {})}
        page = (await town.client(admin).get("/v1/invites", params=query)).json()
        seen += [each["email"] for each in page["data"]]
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert seen == [f"user{number}@example.com" for number in range(7)]


async def test_mails_are_in_the_language_of_the_reader(town: Town) -> None:
    admin = await town.resident(ADMIN, language="ko")
    await town.found(admin, "우리 회사", language="ko", timezone="Asia/Seoul")
    await town.resident(KIM, language="en")
    await invite(town, admin)
    await invite(town, admin, "stranger@example.com")
    english, korean = await town.mails("invitation")
    assert "invited" in english.message.text.lower()
    assert "초대" in korean.message.subject
    assert "KST" in english.message.text
    assert "KST" in korean.message.text


@ONLY_SQLITE
@pytest.mark.parametrize("offered", [[], [RoleAt("viewer")] * 21])
async def test_an_invitation_brings_one_to_twenty_roles(town: Town, offered: list[RoleAt]) -> None:
    from tollkeeper.domain.errors import InvalidRequest

    admin = await town.resident(ADMIN)
    organization_id = await town.found(admin)
    principal = Principal(
        PrincipalKind.ACCOUNT, "acc_1", ADMIN, organization_id, (Grant("role org_admin", PERMISSIONS),)
    )
    assert VISIT.address
    with pytest.raises(InvalidRequest):
        await town.people.change(Caller(principal), create_invite, RULES, email=KIM, offered=offered)
