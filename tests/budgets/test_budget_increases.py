"""Temporary increases and requests for more: who may, for how long, and what comes of it."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select
from tests.budgets.test_budget_scopes import lead_of, open_window, recalled
from tests.tenancy.company import USD, Company

from tollkeeper.control import budget_increases, budget_requests, budgets, roles
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.budget_increases import Raise
from tollkeeper.control.budget_requests import Grant, Wish
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.budget import BudgetKey, Enforcement
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.kit.clock import now_us
from tollkeeper.notify.message import Message
from tollkeeper.store.budget_status import read_standings
from tollkeeper.store.schema_control import outbox

DAY_US = 86_400_000_000
RULES = AccountRules(sends_email=True)


async def test_an_increase_counts_between_its_two_moments(company: Company) -> None:
    budget = await company.change(None, budgets.set_budget, company.id, terms=Terms(100 * USD))
    now = now_us()
    for wanted in (
        Raise(10 * USD, now + DAY_US, note="launch"),
        Raise(5 * USD, now + DAY_US),
        Raise(1 * USD, now + 3 * DAY_US, from_us=now + 2 * DAY_US),
    ):
        await company.change(None, budget_increases.increase_budget, budget.id, wanted=wanted)
    found = await company.look(None, budget_increases.list_increases, budget.id)
    assert sorted(each.increase.amount // USD for each in found) == [1, 5, 10]
    standing = await company.store.read(lambda c: read_standings(c, company.id, [budget]))
    assert standing[budget.id].limit == 115 * USD
    (launch,) = [each.increase for each in found if each.increase.note]
    await open_window(company, budget, end_us=now + 10**10)
    await company.change(None, budget_increases.delete_increase, budget.id, launch.id)
    standing = await company.store.read(lambda c: read_standings(c, company.id, [budget]))
    assert standing[budget.id].limit == 105 * USD
    assert list((await recalled(company, budget)).values()) == [True], "replicas give back what they hold"
    assert [each.action for each in await company.events()][-4:] == ["budget.increase"] * 3 + ["budget.end_increase"]


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (Raise(0, now_us() + DAY_US), "amount"),
        (Raise(10**18 + 1, now_us() + DAY_US), "amount"),
        (Raise(1, now_us() - 1), "until"),
        (Raise(1, now_us() + DAY_US, from_us=now_us() + DAY_US), "until"),
        (Raise(1, now_us() + 36_526 * DAY_US), "until"),
        (Raise(1, now_us() + DAY_US, note="x" * 501), "note"),
    ],
)
async def test_an_increase_that_cannot_be_is_refused(company: Company, wanted: Raise, param: str) -> None:
    budget = await company.change(None, budgets.set_budget, company.id, terms=Terms(1))
    with pytest.raises(InvalidRequest) as refused:
        await company.change(None, budget_increases.increase_budget, budget.id, wanted=wanted)
    assert refused.value.param == param


async def test_who_manages_a_budget_raises_it_and_nobody_else(company: Company) -> None:
    team = await company.team("ml")
    project = await company.project("search", team, monthly_usd=5)
    lead = await lead_of(company, team)
    dev = await company.hire("dev", ("developer", project.id))
    await company.budget(team.id, 50)
    (of_project,) = await company.look(None, budgets.list_budgets, scope_id=project.id)
    (of_team,) = await company.look(None, budgets.list_budgets, scope_id=team.id)
    raised = Raise(USD, now_us() + DAY_US)
    made = await company.change(lead, budget_increases.increase_budget, of_project.id, wanted=raised)
    for who, budget in ((lead, of_team), (dev, of_project)):
        with pytest.raises(PermissionDenied):
            await company.change(who, budget_increases.increase_budget, budget.id, wanted=raised)
    with pytest.raises(PermissionDenied):
        await company.change(dev, budget_increases.delete_increase, of_project.id, made.increase.id)
    assert [each.increase for each in await company.look(dev, budget_increases.list_increases, of_project.id)] == [
        made.increase
    ]
    with pytest.raises(NotFound):
        await company.change(None, budget_increases.delete_increase, of_team.id, made.increase.id)


async def letters(company: Company) -> list[tuple[str, Message]]:
    query = select(outbox.c.id, outbox.c.recipient, outbox.c.sealed_message).order_by(outbox.c.recipient, outbox.c.id)
    rows = (await company.store.read(lambda c: c.execute(query))).all()
    vault = company.administration.secrets.vault
    return [
        (
            row.recipient,
            msgspec.msgpack.decode(
                vault.open(row.sealed_message, bound_to=("outbox", row.id, row.recipient)), type=Message
            ),
        )
        for row in rows
    ]


async def test_a_developer_asks_and_a_lead_approves(company: Company) -> None:
    team = await company.team("ml")
    project = await company.project("search", team, monthly_usd=5)
    lead = await lead_of(company, team)
    dev = await company.hire("dev", ("developer", project.id))
    soft = Terms(5 * USD, is_carried_over=True, enforcement=Enforcement(hard_limit=False))
    await company.change(None, budgets.set_budget, project.id, terms=soft)
    wish = Wish(BudgetKey(project.id), 20 * USD, "the demo")
    asked = await company.change(dev, budget_requests.ask_for_budget, wish=wish, rules=RULES)
    assert (asked.status, asked.asked_by, asked.scope_kind) == ("pending", dev.member_id, "project")
    assert await company.look(lead, budget_requests.list_requests, status="pending") == [asked]
    for decide, more in (
        (budget_requests.approve_request, {"grant": Grant()}),
        (budget_requests.approve_request, {"grant": Grant(until_us=now_us() + DAY_US)}),
        (budget_requests.deny_request, {"answer": ""}),
    ):
        with pytest.raises(PermissionDenied):
            await company.change(dev, decide, asked.id, rules=RULES, **more)
    grant = Grant(15 * USD, answer="for now")
    ended = await company.change(lead, budget_requests.approve_request, asked.id, grant=grant, rules=RULES)
    assert (ended.status, ended.decided_by, ended.answer) == ("approved", lead.member_id, "for now")
    (budget,) = await company.look(None, budgets.list_budgets, scope_id=project.id)
    assert (budget.amount, budget.is_carried_over, budget.enforcement.hard_limit) == (15 * USD, True, False)
    for decide in (budget_requests.approve_request, budget_requests.deny_request):
        more = {"grant": Grant()} if decide is budget_requests.approve_request else {"answer": ""}
        with pytest.raises(Conflict, match="approved already"):
            await company.change(lead, decide, asked.id, rules=RULES, **more)
    with pytest.raises(Conflict):
        await company.change(dev, budget_requests.withdraw_request, asked.id)
    assert await company.look(lead, budget_requests.list_requests, status="pending") == []
    to = [(recipient, message.subject) for recipient, message in await letters(company)]
    assert to == [
        (dev.email, "[Tollkeeper] Your request for more budget was approved"),
        (lead.email, "[Tollkeeper] dev@example.\u200bcom asks for more budget"),
    ]
    page = f"/{company.id}/budgets/requests/{asked.id}\n"
    assert all(page in message.text for _, message in await letters(company)), "each leads to the page of the request"
    names = [each.action for each in await company.events()]
    assert names[-3:] == ["budget.ask", "budget.set", "budget.approve"]


async def test_a_request_is_granted_for_a_time(company: Company) -> None:
    dev = await company.hire("dev", ("developer", company.default.id))
    await company.budget(company.default.id, 5)
    wish = Wish(BudgetKey(company.default.id), 20 * USD)
    asked = await company.change(dev, budget_requests.ask_for_budget, wish=wish, rules=AccountRules())
    grant = Grant(until_us=now_us() + DAY_US)
    await company.change(None, budget_requests.approve_request, asked.id, grant=grant, rules=AccountRules())
    (budget,) = await company.look(None, budgets.list_budgets, scope_id=company.default.id)
    assert budget.amount == 5 * USD
    (given,) = await company.look(None, budget_increases.list_increases, budget.id)
    assert (given.increase.amount, given.increase.until_us) == (15 * USD, grant.until_us)
    assert await letters(company) == [], "without a mail server nobody is written to"


async def test_a_request_is_denied_or_withdrawn_and_hidden_from_strangers(company: Company) -> None:
    team, other = await company.team("ml"), await company.team("web")
    project = await company.project("search", team)
    dev = await company.hire("dev", ("developer", project.id))
    stranger = await lead_of(company, other)
    wish = Wish(BudgetKey(project.id, "daily", "requests", "gpt-4o"), 100)
    asked = [
        await company.change(dev, budget_requests.ask_for_budget, wish=wish, rules=AccountRules()) for _ in range(2)
    ]
    for step, more in (
        (budget_requests.get_request, {}),
        (budget_requests.withdraw_request, {}),
        (budget_requests.deny_request, {"answer": "", "rules": AccountRules()}),
    ):
        with pytest.raises(NotFound) as refused:
            await company.change(stranger, step, asked[0].id, **more)
        with pytest.raises(NotFound) as missing:
            await company.change(stranger, step, "breq_0", **more)
        assert refused.value.message.replace(asked[0].id, "breq_0") == missing.value.message
    assert await company.look(stranger, budget_requests.list_requests) == []
    with pytest.raises(Conflict, match="Only who made"):
        await company.change(None, budget_requests.withdraw_request, asked[0].id)
    denied = await company.change(None, budget_requests.deny_request, asked[0].id, answer="no", rules=AccountRules())
    withdrawn = await company.change(dev, budget_requests.withdraw_request, asked[1].id)
    assert (denied.status, withdrawn.status) == ("denied", "withdrawn")
    assert await company.look(None, budgets.list_budgets, scope_id=project.id) == []
    page = await company.look(dev, budget_requests.list_requests, limit=1)
    assert [
        page[0].id,
        *[each.id for each in await company.look(dev, budget_requests.list_requests, after=page[0].id)],
    ] == [
        asked[1].id,
        asked[0].id,
    ]


async def test_nobody_asks_for_less_without_bounds_or_blindly(company: Company) -> None:
    dev = await company.hire("dev", ("developer", company.default.id))
    await company.budget(company.default.id, 5)
    key = BudgetKey(company.default.id)
    for wish, error in (
        (Wish(key, 5 * USD), InvalidRequest),
        (Wish(key, 10**19), InvalidRequest),
        (Wish(key, 6 * USD, "x" * 1001), InvalidRequest),
        (Wish(BudgetKey(company.id), 6 * USD), PermissionDenied),
    ):
        with pytest.raises(error):
            await company.change(dev, budget_requests.ask_for_budget, wish=wish, rules=AccountRules())
    for _ in range(budget_requests.PENDING_MAX):
        await company.change(dev, budget_requests.ask_for_budget, wish=Wish(key, 6 * USD), rules=AccountRules())
    with pytest.raises(Conflict, match="withdraw some"):
        await company.change(dev, budget_requests.ask_for_budget, wish=Wish(key, 6 * USD), rules=AccountRules())


async def test_an_approval_must_fit_into_the_whole(company: Company) -> None:
    team = await company.team("ml")
    project = await company.project("search", team, monthly_usd=5)
    await company.budget(team.id, 10)
    await company.change(None, budgets.set_budget, company.id, terms=Terms(10 * USD))
    await company.change(None, roles.create_role, name="treasurer", permissions=frozenset({"quota:manage"}))
    treasurer = await company.hire("treasurer", ("treasurer", team.id))
    dev = await company.hire("dev", ("developer", project.id))
    asked = await company.change(
        dev, budget_requests.ask_for_budget, wish=Wish(BudgetKey(project.id), 11 * USD), rules=AccountRules()
    )
    with pytest.raises(Conflict, match="too much"):
        await company.change(treasurer, budget_requests.approve_request, asked.id, grant=Grant(), rules=AccountRules())
    assert (await company.look(dev, budget_requests.get_request, asked.id)).status == "pending"
