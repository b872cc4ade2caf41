"""The pages of budgets: what they say of a limit that was just set, and to whom they offer to set one."""

from __future__ import annotations

import random
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from tests.alerts.alert_factories import put_budget, put_node, run_command
from tests.analytics.ledger import Ledger, open_ledger
from tests.keys.workshop import PEPPER, Workshop, open_workshop
from tests.web.visitors import Browser, amounts, browser_of, content_of, faces_of, tables_of
from tests.web.web_factories import Markup

from tollkeeper.control import alerts
from tollkeeper.control.alerting import Watch
from tollkeeper.control.budget_increases import Raise, increase_budget, open_increases
from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.window import window_at
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_limits import budget_increase

USD = 10**9
SEOUL = ZoneInfo("Asia/Seoul")
SETTING = {"set", "raise", "add-alert", "delete"}
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


async def test_a_budget_is_raised_until_the_end_of_a_day_and_that_is_shown_and_ended(workshop: Workshop) -> None:
    company = workshop.company
    budget_id = await put_budget(company, workshop.search.id, 10 * USD)
    path = f"/{company.id}/budgets/{budget_id}"
    day = datetime.now(SEOUL).date() + timedelta(days=3)
    lead = await browser_of(faces_of(workshop.store), company, workshop.lead)
    wanted = {"do": "raise", "amount": "2.5", "until": day.isoformat(), "note": "<b>launch</b>"}
    assert (await lead.send(path, wanted)).headers["location"] == f"{path}?done=budget-raised"
    (made,) = await company.look(None, open_increases, budget_id)
    end = datetime.combine(day + timedelta(days=1), time(), SEOUL)
    assert (made.amount, made.until_us) == (2_500_000_000, int(end.timestamp()) * 10**6)
    developer = await browser_of(faces_of(workshop.store), company, workshop.developer)
    for browser in (lead, developer):
        page = (await browser.open(path)).text
        assert {2_500_000_000, 12_500_000_000} <= set(amounts(page)), "what it is raised by, and the limit with it"
        assert "&lt;b&gt;launch&lt;/b&gt;" in page
        assert f"{end:%Y-%m-%d} 00:00" in page
        assert "lead@example.com" in page
        assert ("end-increase" in offered(page)) is (browser is lead)
    assert (await developer.send(path, {"do": "end-increase", "increase": made.id})).status_code == 403
    ended = await lead.send(path, {"do": "end-increase", "increase": made.id})
    assert ended.headers["location"] == f"{path}?done=increase-ended"
    assert "launch" not in (await lead.open(path)).text
    assert await company.look(None, open_increases, budget_id) == []


async def test_increases_that_are_over_are_not_shown_and_what_ends_first_stands_first(workshop: Workshop) -> None:
    company, day_us = workshop.company, 86_400_000_000
    budget_id = await put_budget(company, workshop.search.id, 10 * USD)
    for days in (9, 2, 5):
        wanted = Raise(days * USD, now_us() + days * day_us)
        await company.change(None, increase_budget, budget_id, wanted=wanted)
    first, *rest = await company.look(None, open_increases, budget_id)
    past = update(budget_increase).where(budget_increase.c.id == first.id).values(from_us=1, until_us=now_us() - 1)
    await company.store.write(lambda c: c.execute(past))
    found = await company.look(None, open_increases, budget_id)
    assert [each.amount // USD for each in found] == [5, 9]
    assert found == rest


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"until": ""}, "Say until the end of which day."),
        ({"until": "2001-01-01"}, "not in the past"),
        ({"until": "soon"}, "A day is written like"),
        ({"amount": "0"}, "more than nothing"),
    ],
)
async def test_a_raise_that_cannot_be_is_refused_with_what_was_typed(
    workshop: Workshop, wrong: dict[str, str], said: str
) -> None:
    budget_id = await put_budget(workshop.company, workshop.search.id, 10 * USD)
    path = f"/{workshop.company.id}/budgets/{budget_id}"
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    day = (datetime.now(SEOUL).date() + timedelta(days=3)).isoformat()
    fields = {"do": "raise", "amount": "7", "until": day, "note": "for Friday"} | wrong
    answer = await browser.send(path, fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'value="for Friday"' in answer.text
    assert "<details open>" in answer.text
    assert await workshop.company.look(None, open_increases, budget_id) == []


async def test_every_page_says_what_part_is_used_as_e_mails_and_commands_do(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    company = workshop.company
    whole = await put_budget(company, company.id, 10 * USD)
    part = await put_budget(company, workshop.search.id, 10 * USD)
    month = window_at("monthly", now_us(), "Asia/Seoul")
    for budget_id in (whole, part):
        span = {"start_us": month.start_us, "end_us": month.end_us}
        await put_node(company, budget_id, limit=10 * USD, used=11_439_999_999, **span)
    browser = await browser_of(faces_of(workshop.store), company, workshop.admin)
    for path in (
        "overview",
        "budgets",
        f"budgets/{whole}",
        "projects",
        f"projects/{workshop.search.id}",
        "reports/preview?kind=weekly",
    ):
        page = (await browser.open(f"/{company.id}/{path}")).text
        assert "114.3%" in page, path
        assert "114.4%" not in page, path
    assert "114.3%" in await run_command(company, "budgets", "status", "--org", company.id)


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


async def test_a_budget_in_place_of_another_says_so_and_what_there_was(workshop: Workshop) -> None:
    company = workshop.company
    new = f"/{company.id}/budgets/new"
    browser = await browser_of(faces_of(workshop.store), company, workshop.admin)
    terms = {"scope": workshop.search.id, "unit": "usd", "period": "monthly", "hard_limit": "1"}
    replaced = '<p class="notice warning" role="status">There was such a budget already; it is changed now.</p>'
    path, page = await said_after(browser, new, terms | {"amount": "50"})
    assert "The budget is set." in page
    seen = (await browser.open(new)).text
    first = await browser.send(new, terms | {"amount": "70"}, seen=seen)
    again = await browser.send(new, terms | {"amount": "70"}, seen=seen)
    assert again.headers["location"] == first.headers["location"], "a form sent twice replaces once"
    page = (await browser.open(first.headers["location"])).text
    assert replaced in page
    assert "The budget before" in page
    assert {50 * USD, 70 * USD} <= set(amounts(page))
    assert "The budget before" not in (await browser.open(path)).text
    for other in ({"period": "daily"}, {"model": "gpt-4o"}, {"unit": "requests"}):
        _, page = await said_after(browser, new, terms | {"amount": "70"} | other)
        assert replaced not in page, "it is another one"
    for hostile in ("-1", "<b>", "9" * 30, "٣"):
        answer = await browser.open(path, params={"done": "budget-replaced", "was": hostile})
        assert answer.status_code == 200
        assert "The budget before" not in answer.text


@pytest.mark.parametrize(
    ("model", "is_known", "near"),
    [
        ("gpt-4o-mini", True, ""),
        ("claude-sonnet-4-5", True, ""),  # in the list prices of a provider that is not set up here
        ("openai/gpt-4o-mini", True, ""),
        ("gpt-4o-mni", False, "gpt-4o-mini"),
        ("openai/gpt-4o-mni", False, "gpt-4o-mini"),
        ("local/anything", True, ""),  # of a provider without list prices nobody knows the models
        ("anything", False, ""),
    ],
)
async def test_a_budget_for_a_model_that_nobody_knows_is_set_with_a_warning(
    workshop: Workshop, model: str, is_known: bool, near: str
) -> None:
    company = workshop.company
    openai = Provider("openai", "openai", "https://api.openai.com/v1", catalogue="openai")
    local = Provider("local", "openai", "http://127.0.0.1:1/v1")
    browser = await browser_of(faces_of(workshop.store, models=tables_of(openai, local)), company, workshop.admin)
    terms = {"scope": workshop.search.id, "amount": "1", "unit": "usd", "period": "daily", "hard_limit": "1"}
    path, page = await said_after(browser, f"/{company.id}/budgets/new", terms | {"model": model})
    assert ("The budget is set, though no known model has this name." in page) is not is_known
    assert ('class="notice warning"' in page) is not is_known
    assert ("Did you mean" in page) is bool(near)
    assert not near or f"Did you mean {near}?" in page
    assert "Did you mean" not in (await browser.open(path)).text
