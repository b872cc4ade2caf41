"""The pages of requests for more budget: asked on a budget's page, decided by who manages it, told to who asked."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.budgets.test_budget_scopes import lead_of
from tests.tenancy.company import USD, Company, Person, found_company
from tests.web.visitors import Browser, amounts, browser_of, content_of, faces_of

from tollkeeper.control import budget_increases, budget_requests, budgets
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.budget_requests import Wish
from tollkeeper.domain.budget import Budget, BudgetKey
from tollkeeper.domain.tenancy import Team
from tollkeeper.store.engine import Store

SEOUL = ZoneInfo("Asia/Seoul")
ASK = 'name="do" value="ask"'
DECIDE = 'name="do" value="approve"'


class Office:
    """An organization with a budget for a team, whose lead is not who manages it."""

    def __init__(self, company: Company, team: Team, lead: Person, budget: Budget) -> None:
        self.company, self.team, self.lead, self.budget = company, team, lead, budget
        self.faces = faces_of(company.store)
        self.home = f"/{company.id}/budgets"

    async def browser(self, who: Person) -> Browser:
        return await browser_of(self.faces, self.company, who)

    async def asked(self, who: Person, amount: str = "80", reason: str = "a launch") -> str:
        """Ask on the budget's page; returns the address of the request."""
        browser = await self.browser(who)
        fields = {"do": "ask", "amount": amount, "reason": reason}
        answer = await browser.send(f"{self.home}/{self.budget.id}", fields)
        assert answer.status_code == 303
        return answer.headers["location"].partition("?")[0]


@pytest.fixture
async def office(store: Store) -> Office:
    company = await found_company(store)
    team = await company.team("ml")
    lead = await lead_of(company, team)
    await company.budget(team.id, 50)
    (budget,) = await company.look(None, budgets.list_budgets, scope_id=team.id)
    return Office(company, team, lead, budget)


def day_ahead(days: int) -> str:
    """Return a day of the organization as a date field has it."""
    return (datetime.now(SEOUL) + timedelta(days=days)).date().isoformat()


async def admin_of(office: Office) -> Browser:
    return await office.browser(await office.company.hire("boss", ("org_admin", office.company.id)))


async def amount_of(office: Office) -> int:
    return (await office.company.look(None, budgets.get_budget, office.budget.id)).amount


async def test_more_is_asked_for_on_a_budgets_page_and_granted_by_who_manages_it(office: Office) -> None:
    path = await office.asked(office.lead)
    mine = await (await office.browser(office.lead)).open(path)
    assert "waits for a decision" in mine.text
    assert DECIDE not in mine.text, "nobody decides what they asked for of a budget that they do not manage"
    boss = await admin_of(office)
    page = content_of((await boss.open(path)).text)
    assert {"ml", "a launch"} <= set(re.findall(r"<(?:dd|h1)[^>]*>([^<]+)<", page))
    assert amounts(page) == [80 * USD, 50 * USD]
    assert 'name="amount" inputmode="decimal" required value="80.00"' in page
    answer = await boss.send(path, {"do": "approve", "amount": "70", "answer": "so much"})
    assert answer.status_code == 303
    assert await amount_of(office) == 70 * USD
    told = (await (await office.browser(office.lead)).open(path)).text
    assert "approved" in told
    assert "so much" in told
    again = await boss.send(path, {"do": "approve", "amount": "90"}, seen=page)
    assert again.status_code == 409
    assert await amount_of(office) == 70 * USD


async def test_more_for_a_time_leaves_the_budget_what_it_is_for_good(office: Office) -> None:
    path = await office.asked(office.lead)
    boss = await admin_of(office)
    until = day_ahead(7)
    refused = await boss.send(path, {"do": "approve", "amount": "80", "until": "2001-01-01"})
    assert refused.status_code == 400
    assert 'value="2001-01-01"' in refused.text, "what was typed is kept"
    assert (await boss.send(path, {"do": "approve", "amount": "80", "until": until})).status_code == 303
    assert await amount_of(office) == 50 * USD
    (raised,) = await office.company.look(None, budget_increases.list_increases, office.budget.id)
    assert raised.increase.amount == 30 * USD
    ends = datetime.fromtimestamp(raised.increase.until_us / 1_000_000, SEOUL)
    assert ends == datetime.fromisoformat(until).replace(tzinfo=SEOUL) + timedelta(days=1), "the day is in it"


async def test_a_denial_says_why_and_changes_nothing(office: Office) -> None:
    path = await office.asked(office.lead)
    answer = await (await admin_of(office)).send(path, {"do": "deny", "answer": "wait for spring"})
    assert answer.status_code == 303
    told = (await (await office.browser(office.lead)).open(path)).text
    assert "denied" in told
    assert "wait for spring" in told
    assert await amount_of(office) == 50 * USD


async def test_who_asked_takes_it_back_and_nobody_else(office: Office) -> None:
    path = await office.asked(office.lead)
    boss = await admin_of(office)
    assert 'value="withdraw"' not in (await boss.open(path)).text
    assert (await boss.send(path, {"do": "withdraw"})).status_code == 409
    assert (await (await office.browser(office.lead)).send(path, {"do": "withdraw"})).status_code == 303
    assert DECIDE not in (await boss.open(path)).text


async def test_what_waits_is_said_where_who_decides_looks_first(office: Office) -> None:
    boss = await admin_of(office)
    for path in ("overview", "budgets"):
        assert "waits for you" not in (await boss.open(f"/{office.company.id}/{path}")).text
    assert "No requests" in (await boss.open(f"{office.home}/requests")).text
    request = await office.asked(office.lead)
    assert "1 request for more budget waits for you." in (await boss.open(f"/{office.company.id}/overview")).text
    assert "1 waits for you" in (await boss.open(office.home)).text
    assert request in (await boss.open(f"{office.home}/requests")).text
    lead = await office.browser(office.lead)
    assert "waits for you" not in (await lead.open(office.home)).text, "it is not theirs to decide"
    assert request in (await lead.open(f"{office.home}/requests")).text


async def test_who_manages_everything_is_not_asked_to_ask(office: Office) -> None:
    of_budget = f"{office.home}/{office.budget.id}"
    assert ASK not in (await (await admin_of(office)).open(of_budget)).text
    assert ASK in (await (await office.browser(office.lead)).open(of_budget)).text


async def test_no_more_than_there_is_is_refused_with_what_was_typed(office: Office) -> None:
    lead = await office.browser(office.lead)
    fields = {"do": "ask", "amount": "50", "reason": "habit"}
    answer = await lead.send(f"{office.home}/{office.budget.id}", fields)
    assert answer.status_code == 400
    assert "ask for more than it has" in answer.text
    assert ">habit</textarea>" in answer.text


async def test_requests_of_elsewhere_are_unknown(office: Office) -> None:
    other = await office.company.team("other")
    stranger = await lead_of(office.company, other)
    path = await office.asked(office.lead)
    browser = await office.browser(stranger)
    assert (await browser.open(path)).status_code == 404
    assert (await browser.send(path, {"do": "deny"}, seen=(await browser.open(office.home)).text)).status_code == 404
    assert path not in (await browser.open(f"{office.home}/requests")).text


async def test_a_list_of_more_than_a_page_goes_on(office: Office) -> None:
    wish = Wish(BudgetKey(office.team.id), 60 * USD)
    for _ in range(2):
        for _ in range(30):
            await office.company.change(office.lead, budget_requests.ask_for_budget, wish=wish, rules=AccountRules())
        for each in await office.company.look(office.lead, budget_requests.list_requests):
            if each.status == "pending":
                await office.company.change(office.lead, budget_requests.withdraw_request, each.id)
    browser, seen, path = await admin_of(office), set[str](), f"{office.home}/requests"
    for expected in (50, 10):
        page = (await browser.open(path)).text
        found = re.findall(r"/requests/(breq_\w+)", page)
        assert len(found) == expected
        seen |= set(found)
        onwards = re.search(r'href="([?]after=breq_\w+)"', page)
        path = f"{office.home}/requests{onwards[1] if onwards else ''}"
    assert len(seen) == 60
