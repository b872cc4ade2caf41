"""The pages of roles: permissions are ticked and kept, nobody puts in what they do not have, predefined ones stay as they are."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.visitors import Browser, browser_of, content_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import roles
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.role import PREDEFINED
from tollkeeper.notify import korean
from tollkeeper.store.engine import Store
from tollkeeper.web.permission_texts import GROUPS, ROLE_TEXTS


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/roles"


async def send_ticked(browser: Browser, path: str, fields: dict[str, str], ticked: list[str]) -> httpx.Response:
    page = (await browser.open(path)).text
    return await browser.send(path, fields | {"permission": ticked}, seen=page)  # type: ignore[dict-item]


def ticked_on(html: str) -> set[str]:
    return set(re.findall(r'name="permission" value="([^"]+)" checked', html))


def test_every_permission_is_explained_once_and_every_predefined_role() -> None:
    shown = [name for group in GROUPS for name in group.texts]
    assert sorted(shown) == sorted(PERMISSIONS)
    assert {each.id: each.description for each in PREDEFINED.values()} == ROLE_TEXTS


async def test_a_role_is_made_changed_and_deleted(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    wanted = ["quota:read", "audit:read"]
    made = await send_ticked(browser, f"{path}/new", {"do": "save", "name": "auditor", "description": "Reads"}, wanted)
    one = made.headers["location"].partition("?")[0]
    page = (await browser.open(one)).text
    assert ticked_on(page) == set(wanted)
    assert "Reads" in page
    await send_ticked(browser, one, {"do": "save", "name": "auditor 2", "description": ""}, ["audit:read"])
    (own,) = [each for each in await workshop.company.look(None, roles.list_roles) if not each.is_predefined]
    assert (own.name, own.description, own.permissions) == ("auditor 2", "", {"audit:read"})
    assert "auditor 2" in (await browser.open(path)).text
    await workshop.company.hire("reader", ("auditor 2", workshop.company.id))
    refused = await browser.send(one, {"do": "delete"})
    assert refused.status_code == 409
    assert "reader@example.com" in refused.text


async def test_what_was_ticked_is_still_ticked_when_it_is_refused(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    answer = await send_ticked(browser, f"{path}/new", {"do": "save", "name": "developer"}, ["audit:read"])
    assert answer.status_code == 400
    assert ticked_on(answer.text) == {"audit:read"}
    assert 'value="developer"' in answer.text
    unknown = await send_ticked(browser, f"{path}/new", {"do": "save", "name": "x"}, ["all:of:it"])
    assert unknown.status_code == 400


async def test_nobody_puts_in_what_they_do_not_have_and_loses_nothing_that_was_in_it(workshop: Workshop) -> None:
    company = workshop.company
    made = await company.change(None, roles.create_role, name="keeper", permissions=frozenset({"role:manage"}))
    big = await company.change(
        None, roles.create_role, name="big", permissions=frozenset({"billing:manage", "role:manage"})
    )
    keeper = await company.hire("keeper", (made.id, company.id))
    browser, path = await open_as(workshop, keeper)
    refused = await send_ticked(browser, f"{path}/new", {"do": "save", "name": "x"}, ["billing:read"])
    assert refused.status_code == 403
    page = (await browser.open(f"{path}/{big.id}")).text
    markup = Markup(page)
    boxes = {each["value"]: each for tag, each in markup.tags if tag == "input" and each.get("type") == "checkbox"}
    assert {name for name, each in boxes.items() if "disabled" not in each} == {"role:manage"}
    sent = {
        each["value"]
        for tag, each in markup.tags
        if tag == "input"
        and each.get("name") == "permission"
        and "disabled" not in each
        and (each["type"] == "hidden" or "checked" in each)
    }
    await send_ticked(browser, f"{path}/{big.id}", {"do": "save", "name": "bigger"}, sorted(str(each) for each in sent))
    kept = await company.look(None, roles.get_role, big.id)
    assert (kept.name, kept.permissions) == ("bigger", {"billing:manage", "role:manage"})


async def test_a_predefined_role_is_shown_and_stays(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.open(f"{path}/developer")).text
    assert ticked_on(page) == PREDEFINED["developer"].permissions
    assert 'method="post"' not in content_of(page)
    seen = (await browser.open(f"{path}/new")).text
    for fields in ({"do": "save", "name": "x"}, {"do": "delete"}):
        assert (await browser.send(f"{path}/developer", fields, seen=seen)).status_code == 409


@pytest.mark.parametrize("who", ["lead", "developer", "viewer"])
async def test_who_may_not_manage_roles_reads_them_only(workshop: Workshop, who: str) -> None:
    made = await workshop.company.change(None, roles.create_role, name="own", permissions=frozenset({"audit:read"}))
    browser, path = await open_as(workshop, getattr(workshop, who))
    page = await browser.open(path)
    assert "own" in page.text
    assert "roles/new" not in page.text
    one = await browser.open(f"{path}/{made.id}")
    assert (one.status_code, ticked_on(one.text)) == (200, {"audit:read"})
    assert 'method="post"' not in content_of(one.text)
    assert (await browser.open(f"{path}/new")).status_code == 403
    seen = (await browser.open("/account")).text
    refused = await browser.send(f"{path}/{made.id}", {"do": "delete"}, seen=seen)
    assert refused.status_code == 403


async def test_another_organizations_role_is_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    theirs = await other.change(None, roles.create_role, name="theirs", permissions=frozenset({"audit:read"}))
    browser, path = await open_as(workshop, workshop.admin)
    seen = (await browser.open(f"{path}/new")).text
    assert (await browser.open(f"{path}/{theirs.id}")).status_code == 404
    assert (await browser.send(f"{path}/{theirs.id}", {"do": "delete"}, seen=seen)).status_code == 404
    assert await other.look(None, roles.get_role, theirs.id) == theirs


async def test_predefined_roles_are_called_in_the_readers_language_as_letters_call_them(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    await browser.send("/account", {"do": "profile", "name": "김하나", "language": "ko", "theme": ""})
    await browser.send(f"{path}/new", {"do": "save", "name": "developers", "permission": "audit:read"})
    home = path.removesuffix("/roles")
    titles = {"org_admin": "조직 관리자", "team_admin": "팀 관리자", "developer": "개발자", "viewer": "뷰어"}
    listed = (await browser.open(path)).text
    for role, title in titles.items():
        assert f'/roles/{role}">{title}</a> <code class="quiet">{role}</code>' in listed
        assert korean._ROLES[role] == title
    assert f'<h1 dir="auto">{titles["viewer"]}</h1>' in (await browser.open(f"{path}/viewer")).text
    for page in ("people", f"people/{workshop.developer.member_id}"):
        shown = content_of((await browser.open(f"{home}/{page}")).text)
        assert '<option value="developer" selected>개발자</option>' in shown
        assert ">developers</option>" in shown
        assert not re.search(r">(org_admin|team_admin|developer|viewer)<", shown), page
