"""The pages of people: invitations, roles given and taken, removal; nobody gives what they do not have, or sees beyond their reach."""

from __future__ import annotations

import re

import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.visitors import Browser, browser_of, content_of, faces_of

from tollkeeper.control import invites, members
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.store.engine import Store


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person, *, rules: AccountRules | None = None) -> tuple[Browser, str]:
    faces = faces_of(workshop.store, rules=rules)
    return await browser_of(faces, workshop.company, person), f"/{workshop.company.id}/people"


async def open_invites(workshop: Workshop) -> list[str]:
    return [each.invite.email for each in await workshop.company.look(None, invites.list_invites)]


async def roles_of(workshop: Workshop, person: Person) -> set[tuple[str, str]]:
    state = await workshop.company.look(None, members.get_member, person.member_id)
    return {(each.role_id, each.scope_id) for each in state.roles}


def invite_id_on(html: str) -> str:
    found = re.search(r'name="invite" value="([^"]+)"', html)
    assert found is not None
    return found[1]


async def test_somebody_is_invited_once_reminded_and_the_invitation_withdrawn(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin, rules=AccountRules(sends_email=True))
    page = (await browser.open(path)).text
    fields = {"do": "invite", "email": "Mina@Example.com", "role": "developer", "scope": workshop.search.id}
    sent = await browser.send(path, fields, seen=page)
    assert sent.headers["location"] == f"{path}?done=invited"
    await browser.send(path, fields, seen=page)
    assert await open_invites(workshop) == ["mina@example.com"]
    listed = (await browser.open(path)).text
    assert "mina@example.com" in listed
    assert "mail-tk-" not in listed
    refused = await browser.send(path, fields)
    assert refused.status_code == 409
    assert 'value="Mina@Example.com"' in refused.text
    invite = invite_id_on(listed)
    assert (await browser.send(path, {"do": "resend", "invite": invite})).status_code == 303
    assert len(await workshop.company.events("invite.resend")) == 1
    assert (await browser.send(path, {"do": "withdraw", "invite": invite})).status_code == 303
    assert await open_invites(workshop) == []


async def test_without_a_mail_server_the_page_says_how_an_invitation_arrives(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    fields = {"do": "invite", "email": "Mina@Example.com", "role": "developer", "scope": workshop.search.id}
    await browser.send(path, fields)
    page = (await browser.open(path)).text
    at = f"--project {workshop.search.id} --print-link --org {workshop.company.id}"
    assert f"tollkeeper members invite mina@example.com --role developer {at}" in page
    assert "Send again" not in page
    assert "mail-tk-" not in page, "who holds a link proves that they read the mailbox"
    browser, path = await open_as(workshop, workshop.admin, rules=AccountRules(sends_email=True))
    assert "tollkeeper members invite" not in (await browser.open(path)).text


async def test_a_role_is_given_and_taken(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    one = f"{path}/{workshop.viewer.member_id}"
    await browser.send(one, {"do": "give", "role": "developer", "scope": workshop.ops.id})
    assert ("developer", workshop.ops.id) in await roles_of(workshop, workshop.viewer)
    assert "ops" in (await browser.open(one)).text
    await browser.send(one, {"do": "take", "role": "developer", "scope": workshop.ops.id})
    assert ("developer", workshop.ops.id) not in await roles_of(workshop, workshop.viewer)


@pytest.mark.parametrize("fields", [{"role": "developer"}, {"scope": "team_x"}, {"role": "", "scope": ""}])
async def test_a_role_without_a_place_is_given_nowhere(workshop: Workshop, fields: dict[str, str]) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    before = await roles_of(workshop, workshop.viewer)
    answer = await browser.send(f"{path}/{workshop.viewer.member_id}", {"do": "give"} | fields)
    assert answer.status_code == 400
    assert await roles_of(workshop, workshop.viewer) == before


async def test_the_last_admin_stays(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    one = f"{path}/{workshop.admin.member_id}"
    for fields in ({"do": "take", "role": "org_admin", "scope": workshop.company.id}, {"do": "remove"}):
        answer = await browser.send(one, fields)
        assert answer.status_code == 409
        assert "last admin" in answer.text


async def test_who_is_removed_is_gone_and_who_leaves_sees_nothing_more(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    one = f"{path}/{workshop.developer.member_id}"
    assert (await browser.send(one, {"do": "remove"})).headers["location"] == f"{path}?done=person-removed"
    assert (await browser.open(one)).status_code == 404
    second = await workshop.company.hire("second", ("org_admin", workshop.company.id))
    own, _ = await open_as(workshop, second)
    left = await own.send(f"{path}/{second.member_id}", {"do": "remove"})
    assert left.headers["location"] == "/"
    assert (await own.open(path)).status_code == 404


async def test_a_lead_invites_into_the_own_team_and_gives_no_more_than_they_have(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.lead)
    page = (await browser.open(path)).text
    form = page.partition('value="invite"')[2].partition("</form>")[0]
    assert workshop.team.id in form
    assert f'value="{workshop.company.id}"' not in form
    assert workshop.ops.id not in page
    good = {"do": "invite", "email": "a@example.com", "role": "developer", "scope": workshop.team.id}
    assert (await browser.send(path, good)).status_code == 303
    for scope, status in ((workshop.company.id, 403), (workshop.ops.id, 404)):
        refused = await browser.send(path, good | {"email": "b@example.com", "scope": scope})
        assert refused.status_code == status, scope
    assert await open_invites(workshop) == ["a@example.com"]
    one = f"{path}/{workshop.developer.member_id}"
    assert (await browser.send(one, {"do": "remove"})).status_code == 403
    assert 'value="remove"' not in (await browser.open(one)).text


@pytest.mark.parametrize("who", ["developer", "viewer"])
async def test_who_manages_nobody_sees_whom_they_work_with_and_changes_nothing(workshop: Workshop, who: str) -> None:
    elsewhere = await workshop.company.hire("elsewhere", ("developer", workshop.ops.id))
    browser, path = await open_as(workshop, getattr(workshop, who))
    page = (await browser.open(path)).text
    assert "admin@example.com" in page
    assert elsewhere.email not in page
    assert 'method="post"' not in content_of(page)
    assert (await browser.open(f"{path}/{elsewhere.member_id}")).status_code == 404
    one = f"{path}/{workshop.viewer.member_id}"
    for fields in (
        {"do": "give", "role": "developer", "scope": workshop.search.id},
        {"do": "take", "role": "viewer", "scope": workshop.search.id},
        {"do": "remove"},
    ):
        assert (await browser.send(one, fields)).status_code == 403, fields
    invited = {"do": "invite", "email": "c@example.com", "role": "viewer", "scope": workshop.search.id}
    assert (await browser.send(path, invited)).status_code == 403
    assert await open_invites(workshop) == []


async def test_the_list_is_of_a_place_or_a_role_and_goes_on_on_further_pages(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    at_search = (await browser.open(f"{path}?at={workshop.search.id}")).text
    assert "developer@example.com" in at_search
    assert "lead@example.com" not in at_search
    leads = (await browser.open(f"{path}?role=team_admin")).text
    assert "lead@example.com" in leads
    assert "developer@example.com" not in leads
    assert (await browser.open(f"{path}?role=nonsense")).status_code == 404
    for number in range(50):
        await workshop.company.hire(f"p{number:02}", ("viewer", workshop.ops.id))
    first = (await browser.open(path)).text
    further = re.search(r'<p class="more"><a href="([^"]+)"', first)
    assert further is not None
    second = (await browser.open(path + further[1].replace("&amp;", "&"))).text
    emails = re.findall(r"people/mem_\w+", first) + re.findall(r"people/mem_\w+", second)
    assert len(emails) == len(set(emails)) == 54


async def test_another_organizations_people_and_invitations_are_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    theirs = await other.hire("their", ("org_admin", other.id))
    made = await other.change(
        theirs,
        invites.create_invite,
        AccountRules(),
        email="d@example.com",
        offered=[invites.RoleAt("developer")],
    )
    browser, path = await open_as(workshop, workshop.admin)
    assert (await browser.open(f"{path}/{theirs.member_id}")).status_code == 404
    seen = (await browser.open(path)).text
    assert (await browser.send(f"{path}/{theirs.member_id}", {"do": "remove"}, seen=seen)).status_code == 404
    for do in ("resend", "withdraw"):
        assert (await browser.send(path, {"do": do, "invite": made.state.invite.id})).status_code == 404
    given = {"do": "give", "role": "viewer", "scope": other.id}
    assert (await browser.send(f"{path}/{workshop.viewer.member_id}", given)).status_code == 404
    assert [each.invite.email for each in await other.look(theirs, invites.list_invites)] == ["d@example.com"]


async def test_who_has_no_role_is_not_offered_the_people_and_is_refused_them(workshop: Workshop) -> None:
    for each in (await workshop.company.look(None, members.get_member, workshop.viewer.member_id)).roles:
        await workshop.company.change(
            None, members.take_role, workshop.viewer.member_id, role=each.role_id, scope_id=each.scope_id
        )
    browser, path = await open_as(workshop, workshop.viewer)
    refused = await browser.open(path)
    assert refused.status_code == 403
    assert workshop.admin.email not in refused.text
    assert f'href="{path}"' not in refused.text, "the menu"
    assert (await browser.open(f"{path}/{workshop.viewer.member_id}")).status_code == 200, "one's own page"
