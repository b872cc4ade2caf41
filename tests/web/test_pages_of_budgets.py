"""The pages of budgets: what they say of a limit that was just set, and to whom they offer to set one."""

from __future__ import annotations

import random

import pytest
from tests.alerts.alert_factories import put_budget, put_node
from tests.analytics.ledger import Ledger, open_ledger
from tests.keys.workshop import Workshop, open_workshop
from tests.web.visitors import Browser, browser_of, content_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import alerts
from tollkeeper.control.alerting import Watch
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

USD = 10**9
SETTING = {"set", "add-alert", "delete"}
REFUSES = "The budget is set, below what is used already: its calls are refused until it begins anew or is raised."
BELOW = "The budget is set, below what is used already."


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


@pytest.fixture
async def busy(store: Store) -> Ledger:
    """A workshop of whose calls 40 were made today."""
    ledger, at_us = await open_ledger(store), now_us()
    dice = random.Random(3)
    await ledger.add([at_us - dice.randrange(1_000_000) for _ in range(40)], seed=1)
    return ledger


async def said_after(browser: Browser, path: str, fields: dict[str, str]) -> tuple[str, str]:
    """Send a form; returns the address that it leads to, and the page there."""
    answer = await browser.send(path, fields)
    assert answer.status_code == 303
    return answer.headers["location"].partition("?")[0], (await browser.open(answer.headers["location"])).text


async def test_a_limit_below_what_is_used_already_is_set_with_a_warning(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    new = f"/{busy.id}/budgets/new"
    terms = {"scope": busy.id, "unit": "requests", "period": "total", "hard_limit": "1"}
    path, page = await said_after(browser, new, terms | {"amount": "41"})
    assert "The budget is set." in page
    assert "below what is used" not in page
    assert 'class="notice"' in page
    for fields, said in (({"hard_limit": "1"}, REFUSES), ({}, BELOW)):
        _, page = await said_after(browser, path, {"do": "set", "amount": "39", **fields})
        assert f'<p class="notice warning" role="status">{said}</p>' in page
    _, page = await said_after(browser, path, {"do": "set", "amount": "40", "hard_limit": "1"})
    assert "below what is used" not in page, "all of it is used, and not more"
    _, page = await said_after(browser, new, terms | {"scope": busy.workshop.team.id, "amount": "1", "period": "daily"})
    assert REFUSES in page


def offered(page: str) -> set[str]:
    """Return what the forms of a page do."""
    fields = Markup(content_of(page)).all("input")
    return {str(each["value"]) for each in fields if each.get("name") == "do"}


async def test_a_budget_is_offered_to_be_set_to_who_manages_it_and_to_be_asked_for_to_all_others(
    workshop: Workshop,
) -> None:
    key = (await workshop.service(project_id=workshop.search.id)).record
    company, home = workshop.company, f"/{workshop.company.id}/budgets"
    scopes = {"team": workshop.team.id, "project": workshop.search.id, "key": key.id}
    budgets = {name: await put_budget(company, scope_id, USD) for name, scope_id in scopes.items()}
    managed = {"admin": {"team", "project", "key"}, "lead": {"project", "key"}}
    for person, names in managed.items():
        browser = await browser_of(faces_of(workshop.store), company, getattr(workshop, person))
        for name, budget_id in budgets.items():
            forms = offered((await browser.open(f"{home}/{budget_id}")).text)
            assert forms == (SETTING if name in names else {"ask"}), (person, name)
            if name in names:
                assert (await browser.send(f"{home}/{budget_id}", {"do": "set", "amount": "2"})).status_code == 303
    developer = await browser_of(faces_of(workshop.store), company, workshop.developer)
    assert offered((await developer.open(f"{home}/{budgets['project']}")).text) == {"ask"}


async def test_a_new_budget_is_offered_for_what_one_manages(workshop: Workshop) -> None:
    key = (await workshop.service(project_id=workshop.search.id)).record
    elsewhere = (await workshop.service(project_id=workshop.ops.id)).record
    company, new = workshop.company, f"/{workshop.company.id}/budgets/new"
    half = await company.hire("half", ("team_admin", workshop.chat.id))
    managed = {
        workshop.admin.member_id: {company.id, workshop.team.id, workshop.search.id, key.id, elsewhere.id},
        workshop.lead.member_id: {workshop.search.id, workshop.chat.id, key.id},
    }
    for person in (workshop.admin, workshop.lead):
        browser = await browser_of(faces_of(workshop.store), company, person)
        page = (await browser.open(f"{new}?scope={workshop.team.id}")).text
        select = page.partition('<select id="scope"')[2].partition("</select>")[0]
        scopes = {str(each["value"]) for each in Markup(select).all("option")}
        wanted = managed[person.member_id]
        assert scopes >= wanted if person is workshop.admin else scopes == wanted
    browser = await browser_of(faces_of(workshop.store), company, half)
    page = (await browser.open(new)).text
    assert "There is nothing whose budget you may set" in page
    assert '<select id="scope"' not in page


async def test_who_was_told_is_said_not_to_be_shown_to_who_may_not_read_it(workshop: Workshop) -> None:
    company = workshop.company
    budget_id = await put_budget(company, workshop.search.id, 10 * USD, period="total", is_exceeding_notified=0)
    await company.change(None, alerts.create_rule, budget_id, threshold_permille=800, does="email")
    await put_node(company, budget_id, limit=10 * USD, used=9 * USD)
    await Watch(company.administration, public_url="https://ai.example.com").look()
    shown = {}
    for name in ("admin", "lead"):
        browser = await browser_of(faces_of(workshop.store), company, getattr(workshop, name))
        page = content_of((await browser.open(f"/{company.id}/budgets/{budget_id}")).text)
        assert "80% was used" in page
        shown[name] = (">Told</th>" in page, "Who was told is not shown to your roles" in page)
    assert shown == {"admin": (True, False), "lead": (False, True)}
