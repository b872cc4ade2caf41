"""Money and its troubles: budgets well within, nearly used, over and stopped, alerts that reach somebody or nobody, credit, prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.keys.workshop import DAY_US
from tests.screenshots.office import Office
from tests.screenshots.past import ZONE

from tollkeeper.control import alert_targets, alerts, budget_requests, budgets, invites, reports
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.alert_targets import MadeTarget, TargetChanges
from tollkeeper.control.budget_requests import Grant, Wish
from tollkeeper.control.budgets import Terms
from tollkeeper.control.credits import GrantTerms, grant_credit, void_grant
from tollkeeper.control.invites import RoleAt
from tollkeeper.control.prices import add_prices
from tollkeeper.control.provider_credentials import NewProvider, create_provider
from tollkeeper.domain.budget import Budget, BudgetKey, Enforcement
from tollkeeper.domain.credit import GrantKind
from tollkeeper.domain.window import window_at
from tollkeeper.kit.clock import now_us
from tollkeeper.prices.drafts import PriceDraft

USD = 10**9


@dataclass
class Troubles:
    """What pages of single things are about."""

    budget_id: str
    stopped_id: str
    report_id: str
    request_id: str


async def make_troubles(office: Office, rules: AccountRules, *, hooks_url: str) -> Troubles:
    """Set the limits of an office so that some hold, some warn and one has stopped its calls; and all that goes with it."""
    admin = office.people["ko"]
    await _add_targets(office, hooks_url)
    near, stopped = await _set_budgets(office)
    for budget, percent, does in ((near, 80, "email"), (near, 90, "webhook"), (stopped, 100, "disable")):
        await office.company.change(admin, alerts.create_rule, budget.id, threshold_permille=percent * 10, does=does)
    await _grant_credit(office)
    await _set_prices(office)
    for email, role, scope in (
        ("doyun@haebit.example", "developer", office.projects["api-server"].id),
        ("audit@accounting.example", office.role_id, office.company.id),
    ):
        await office.company.change(admin, invites.create_invite, rules, email=email, offered=[RoleAt(role, scope)])
    return Troubles(near.id, stopped.id, await _send_reports(office, rules), await _ask_for_more(office, rules, near))


async def _set_budgets(office: Office) -> tuple[Budget, Budget]:
    """Set budgets by what was used, so that each stands where it is meant to."""
    month_us = window_at("monthly", now_us(), str(ZONE)).start_us
    ml = ("search-production", "문서 요약 운영", "하은 노트북", "seojun-notebook")
    teams, projects = office.teams, office.projects

    def at(percent: int, *keys: str, model: str = "") -> int:
        """Return an amount of which about so much is used this month: whole dollars, with half a one left for today's calls
        unless more is used than there is.
        """
        used = office.used(*keys, since_us=month_us, model=model)
        amount = used * 100 // percent
        if percent > 100:
            return max(amount // USD, 1) * USD
        return max(-(-amount // USD), (used + USD // 2) // USD + 1) * USD

    async def set_(scope_id: str, amount: int, **more: Any) -> Budget:
        return await office.company.change(None, budgets.set_budget, scope_id, terms=Terms(amount, **more))  # type: ignore[no-any-return]

    await set_(office.company.id, at(74))
    near = await set_(teams["ML 연구"].id, at(93, *ml), is_carried_over=True)
    await set_(teams["Backend"].id, at(52, "api-server-production", "nightly-batch"))
    await set_(teams["디자인"].id, at(31, "figma-plugin"))
    await set_(projects["search"].id, at(97, "search-production", "하은 노트북"))
    await set_(
        projects["문서 요약"].id,
        at(112, "문서 요약 운영", "seojun-notebook"),
        enforcement=Enforcement(hard_limit=False),
    )
    await set_(projects["search"].id, 40 * USD, period="daily", model="gpt-5.4")
    await set_(projects["api-server"].id, 60_000, unit="requests", period="monthly")
    await set_(office.keys["search-production"].record.id, 5_000_000, unit="tokens", period="daily")
    await set_(office.people["haeun"].member_id, 25 * USD, period="weekly")
    stopping = Enforcement(auto_disable_on_exceed=True)
    return near, await set_(projects["야간 배치"].id, 100, unit="requests", period="total", enforcement=stopping)


async def _ask_for_more(office: Office, rules: AccountRules, near: Budget) -> str:
    """Ask for more of three budgets: one request is denied, one granted, the last one waits."""
    company, lead, admin = office.company, office.people["seojun"], office.people["en"]

    async def ask(who: str, wish: Wish) -> str:
        return (  # type: ignore[no-any-return]
            await company.change(office.people[who], budget_requests.ask_for_budget, wish=wish, rules=rules)
        ).id

    search, batch = BudgetKey(office.projects["search"].id, "daily", "usd", "gpt-5.4"), office.projects["api-server"].id
    denied = await ask("haeun", Wish(search, 400 * USD, "주말 동안 전체 문서를 다시 색인합니다."))
    await company.change(
        lead, budget_requests.deny_request, denied, answer="배치 API로 절반 값에 해 주세요.", rules=rules
    )
    more = Wish(BudgetKey(batch, "monthly", "requests"), 90_000, "New partner goes live on Monday.")
    grant = Grant(until_us=now_us() + 20 * DAY_US, answer="Until the launch is over.")
    await company.change(admin, budget_requests.approve_request, await ask("alex", more), grant=grant, rules=rules)
    return await ask("seojun", Wish(near.key, near.amount + 50 * USD, "검색 품질 평가가 월말까지 이어집니다."))


async def _add_targets(office: Office, hooks_url: str) -> None:
    """Add a receiver that answers, one that is gone for good, and one that is switched off."""
    admin, company = office.people["en"], office.company

    async def add(name: str, kind: str, url: str) -> MadeTarget:
        return await company.change(admin, alert_targets.create_target, name=name, kind=kind, url=url)  # type: ignore[no-any-return]

    await add("운영 알림 ops", "webhook", f"{hooks_url}/alerts/taken")
    await add("old-pager", "webhook", f"{hooks_url}/gone")
    quiet = await add("#ai-costs", "slack", "https://hooks.slack.example/services/T01AB2C3D/B04EF5G6H/0123456789abcdef")
    await company.change(admin, alert_targets.change_target, quiet.target.id, TargetChanges(is_enabled=False))


async def _grant_credit(office: Office) -> None:
    company, admin, at_us = office.company, office.people["en"], now_us()
    for terms in (
        GrantTerms(
            amount_nanos=1_000 * USD,
            kind=GrantKind.PURCHASED,
            expires_at_us=at_us + 330 * DAY_US,
            note="주문 PO-2026-0118",
        ),
        GrantTerms(amount_nanos=50 * USD, kind=GrantKind.TRIAL, priority=10, expires_at_us=at_us + 12 * DAY_US),
        GrantTerms(
            amount_nanos=120 * USD, kind=GrantKind.REFUND, priority=40, note="Refund for the outage of October 9"
        ),
        GrantTerms(amount_nanos=20 * USD, kind=GrantKind.PROMOTIONAL, priority=20),
    ):
        made = await company.change(admin, grant_credit, company.id, terms=terms)
    await company.change(admin, void_grant, company.id, made.id)


async def _set_prices(office: Office) -> None:
    company, note = office.company, "Enterprise agreement 2026, 8 % off"
    drafts = [
        PriceDraft("openai", "gpt-5.4", "input", "2.30", valid_from="2026-07-01", note=note),
        PriceDraft("openai", "gpt-5.4", "output", "13.80", valid_from="2026-07-01", note=note),
        PriceDraft("openai", "gpt-5.4", "output", "13.20", valid_from="2027-01-01", note="내년 계약 단가"),
    ]
    await add_prices(company.store, drafts, organization_id=company.id)
    await company.change(
        office.people["en"],
        create_provider,
        NewProvider("deepseek-own", "deepseek", "sk-example-0123456789"),
    )


async def _send_reports(office: Office, rules: AccountRules) -> str:
    """Send the reports of three weeks and a month; return the id of the last one."""
    company, admin = office.company, office.people["ko"]
    today = datetime.fromtimestamp(now_us() // 1_000_000, tz=UTC).astimezone(ZONE).date()
    for kind, day in (
        ("monthly", today.replace(day=1) - timedelta(days=1)),
        ("weekly", today - timedelta(days=21)),
        ("weekly", today - timedelta(days=14)),
        ("weekly", today - timedelta(days=7)),
    ):
        content = await company.look(admin, reports.prepare_report, kind, day=day)
        sent = await company.change(admin, reports.send_report, content, rules=rules)
    return str(sent.entry.id)
