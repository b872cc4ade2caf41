"""At 80 columns the tables of budgets, alerts, members and credit break between words alone, and say all that they say."""

from __future__ import annotations

import re

import pytest
from alert_factories import USD, put_budget, put_node, run_command
from rich.cells import cell_len
from sqlalchemy import update
from tests.admin.admin_factories import ONLY_SQLITE
from tests.alerts.test_decisions import BUDGET, RATE, refuse
from tests.tenancy.company import PEPPER, Company

from tollkeeper.control import alert_targets, alerts, budget_requests
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.alerting import Watch
from tollkeeper.control.budget_requests import Grant, Wish
from tollkeeper.control.credits import GrantTerms, grant_credit
from tollkeeper.domain.budget import BudgetKey
from tollkeeper.domain.credit import GrantKind
from tollkeeper.kit.clock import now_us
from tollkeeper.store.schema_tenancy import organization

pytestmark = ONLY_SQLITE
LONG = "generative-search-backend"
UNTIL_US = 1_798_761_600_000_000  # 2027-01-01 00:00 UTC


@pytest.fixture
async def full(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """A company with something in every table, whose names are long; read at 80 columns."""
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    monkeypatch.setenv("COLUMNS", "80")
    seoul = update(organization).values(timezone="Asia/Seoul")
    await company.store.write(lambda c: c.execute(seoul))
    team = await company.team("machine-learning-platform")
    project = await company.project(LONG, team)
    await company.hire("jimin.kim-the-second", ("org_admin", company.id), ("developer", project.id))
    for scope_id, more in ((project.id, {"model": "gpt-4o"}), (team.id, {"unit": "requests", "period": "daily"})):
        budget_id = await put_budget(company, scope_id, 10 * USD if "model" in more else 1, **more)
        await put_node(
            company, budget_id, limit=1 if "unit" in more else 10 * USD, used=1 if "unit" in more else 10 * USD
        )
    url = "https://hooks.example.com/x"
    made = await company.change(None, alert_targets.create_target, name="ops", kind="webhook", url=url)
    await company.change(None, alert_targets.try_target, made.target.id, public_url="https://ai.example.com")
    await Watch(company.administration, public_url="https://ai.example.com").look()
    terms = GrantTerms(amount_nanos=12_345 * USD, kind=GrantKind.PROMOTIONAL, expires_at_us=UNTIL_US, note="")
    await company.change(None, grant_credit, company.id, terms=terms)
    return company


def words(text: str) -> set[str]:
    return set(text.split())


async def read(company: Company, *arguments: str) -> str:
    shown = await run_command(company, *arguments)
    assert max(cell_len(line) for line in shown.splitlines()) <= 80, shown
    return shown


async def test_deliveries(full: Company) -> None:
    shown = await read(full, "alerts", "deliveries", "list")
    assert {"budget.threshold_reached", "alert.test", "jimin.kim-the-second@example.com", "pending"} <= words(shown)
    for each in await full.look(None, alerts.list_deliveries):
        assert {each.id, each.recipient} <= words(shown)
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d KST", shown)) == 3


async def test_what_fired(full: Company) -> None:
    shown = await read(full, "alerts", "list")
    assert {LONG, "gpt-4o", "monthly", "daily", "$10.00", "machine-learning-platform"} <= words(
        re.sub(r",", " ", shown)
    )
    assert "1 request " in shown
    assert "1 requests" not in shown
    assert "api_key" not in shown


async def test_members(full: Company) -> None:
    shown = await read(full, "members", "list")
    assert {"jimin.kim-the-second@example.com", "org_admin", "developer", "KST"} <= words(re.sub(r",", " ", shown))


async def test_budgets(full: Company) -> None:
    shown = await read(full, "budgets", "list")
    assert {LONG, "machine-learning-platform", "organization", "refused"} <= words(shown) | {"organization"}
    assert "$10.00" in shown


async def test_credit(full: Company) -> None:
    shown = await read(full, "credits", "list")
    assert {"promotional,", "active,", "$12345.00"} <= words(shown)
    assert "2027-01-01" in shown
    assert "$12345.00 is left to use." in shown
    assert "$12345.00 expires on 2027-01-01" in await read(full, "credits", "balance")


async def test_requests_tell_what_was_granted_until_when_and_the_answer(full: Company) -> None:
    rules = AccountRules(public_url="https://ai.example.com")
    ids = []
    for usd in (400, 500):
        wish = Wish(BudgetKey(full.id, "monthly", "usd", ""), usd * USD, "the demo on Friday")
        ids.append((await full.change(None, budget_requests.ask_for_budget, wish=wish, rules=rules)).id)
    grant = Grant(350 * USD, answer="less will do")
    await full.change(None, budget_requests.approve_request, ids[0], grant=grant, rules=rules)
    grant = Grant(450 * USD, now_us() + 10**12, "for a while")
    await full.change(None, budget_requests.approve_request, ids[1], grant=grant, rules=rules)
    shown = " ".join((await run_command(full, "budgets", "requests", "--all")).split())
    assert {*ids} <= words(shown)
    wide = await wide_requests(full)
    assert "approved  $350.00 for good  less will do" in wide
    assert re.search(r"approved  \$450\.00 until 2\d{3}-\d\d-\d\d \d\d:\d\d KST  for a while", wide)


async def wide_requests(company: Company) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS")
        return await run_command(company, "budgets", "requests", "--all")


async def test_an_explanation(full: Company) -> None:
    long = {
        **BUDGET,
        "scope_kind": "api_key",
        "scope_name": "production-search-backend-in-seoul",
        "used": 4_999_999_999,
    }
    rate = {**RATE, "limit": 1, "used": 1}
    request_id = await refuse(full, full.default.id, long, rate)
    shown = await read(full, "explain", request_id)
    assert {"production-search-backend-in-seoul:", "2026-11-01", "monthly", "$4.999999999"} <= words(shown)
    assert "1 request a minute" in " ".join(shown.split())
    assert "api_key" not in shown.replace(long["scope_id"], "")
