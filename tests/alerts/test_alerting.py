"""Thresholds fire once per window and limit, whoever looks; what they tell is put into the outbox with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from alert_factories import DAY_US, HOUR_US, USD, put_budget, put_lease, put_node
from sqlalchemy import select, update
from tests.tenancy.company import Company

from tollkeeper.control.alerting import Watch
from tollkeeper.domain.alert import Alert
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store import alerts, outbox, overruns, revision
from tollkeeper.store.outbox import MailStatus
from tollkeeper.store.schema_alerts import alert_rule, overrun
from tollkeeper.store.schema_limits import budget_node, lease
from tollkeeper.store.schema_tenancy import project


def watch(company: Company) -> Watch:
    return Watch(company.administration, public_url="https://ai.example.com")


async def rule(company: Company, budget_id: str, *rules: tuple[int, str]) -> None:
    for permille, action in rules:
        row = {
            "organization_id": company.id,
            "id": f"rule_{uuid7().hex()}",
            "budget_id": budget_id,
            "threshold_permille": permille,
            "action": action,
            "created_by": "",
            "created_at_us": 0,
        }
        await company.store.write(lambda c, row=row: c.execute(alert_rule.insert().values(**row)))  # type: ignore[misc]


async def fired(company: Company) -> list[Alert]:
    return list(reversed(await company.store.read(lambda c: alerts.list_alerts(c, company.id))))


async def sent(company: Company) -> Sequence[MailStatus]:
    return await company.store.read(lambda c: outbox.list_of_alerts(c, company.id))


def shown(found: Sequence[Alert]) -> list[tuple[str, int, str]]:
    return sorted((each.kind.value, each.threshold_permille, each.action) for each in found)


async def one(company: Company, limit: int = 100 * USD, **changes: Any) -> str:
    """Write a budget of the organization whose window has no end, so that nothing is projected."""
    return await put_budget(company, company.id, limit, period="total", **changes)


async def test_a_threshold_fires_once_and_is_told_to_who_manages_quotas(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    await company.hire("viewer", ("viewer", company.default.id))
    budget_id = await one(company, is_exceeding_notified=0)
    await rule(company, budget_id, (500, "email"), (800, "email"))
    await put_node(company, budget_id, limit=100 * USD, used=50 * USD - 1)
    looking = watch(company)
    assert await looking.look() == 0
    await put_node(company, budget_id, limit=100 * USD, used=50 * USD)
    assert await looking.look() == 1
    assert await looking.look() == 0
    assert await watch(company).look() == 0, "another process knows of it"
    (only,) = await fired(company)
    assert (only.threshold_permille, only.used, only.limit_amount) == (500, 50 * USD, 100 * USD)
    assert (only.scope_kind, only.scope_id, only.scope_name) == ("organization", company.id, "Acme")
    (mail,) = await sent(company)
    assert (mail.recipient, mail.kind, mail.alert_id) == ("boss@example.com", "budget.threshold_reached", only.id)


async def test_what_leases_have_used_counts_before_it_is_converted(company: Company) -> None:
    budget_id = await one(company)
    await put_node(company, budget_id, limit=100 * USD, used=90 * USD)
    lease_id = await put_lease(company, budget_id, amount=20 * USD, consumed=9 * USD, converted=0)
    looking = watch(company)
    assert await looking.look() == 0
    await asyncio.sleep(0.002)
    looking._since_us = now_us()  # only the lease moves from here on
    more = update(lease).where(lease.c.id == lease_id).values(consumed=12 * USD, converted=2 * USD)
    await company.store.write(lambda c: c.execute(more))
    assert await looking.look() == 1
    assert shown(await fired(company)) == [("threshold", 1_000, "email")]
    assert (await fired(company))[0].used == 100 * USD


async def test_of_two_that_look_at_once_one_fires(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    for number in range(5):
        budget_id = await one(company, model=f"model-{number}")
        await put_node(company, budget_id, limit=USD, used=USD)
    counts = await asyncio.gather(*(watch(company).look() for _ in range(4)))
    assert sum(counts) == 5
    assert len(await sent(company)) == 5


async def test_a_raised_limit_and_a_new_window_fire_again(company: Company) -> None:
    budget_id = await one(company)
    looking = watch(company)
    for limit, used, start_us in ((10, 10, 0), (20, 15, 0), (20, 20, 0), (20, 21, 0), (20, 20, 7)):
        await put_node(company, budget_id, limit=limit, used=used, start_us=start_us)
        await looking.look()
    found = [(each.limit_amount, each.used, each.window_start_us) for each in await fired(company)]
    assert sorted(found) == [(10, 10, 0), (20, 20, 0), (20, 20, 7)]


async def test_all_thresholds_that_were_passed_at_once_fire(company: Company) -> None:
    budget_id = await one(company)
    await rule(company, budget_id, (500, "slack"), (800, "webhook"), (955, "email"), (1200, "email"))
    await put_node(company, budget_id, limit=1000, used=1100)
    await watch(company).look()
    assert shown(await fired(company)) == [
        ("threshold", 500, "slack"),
        ("threshold", 800, "webhook"),
        ("threshold", 955, "email"),
        ("threshold", 1000, "email"),
    ]


async def test_a_projects_own_alerts_are_those_of_its_monthly_budget(company: Company) -> None:
    team = await company.team("ml")
    made = await company.project("web", team)
    own = '[{"threshold_permille":750,"action":"webhook"}]'
    await company.store.write(
        lambda c: c.execute(update(project).where(project.c.id == made.id).values(quota_alerts=own))
    )
    monthly = await put_budget(company, made.id, 100, is_exceeding_notified=0)
    daily = await put_budget(company, made.id, 100, is_exceeding_notified=0, period="daily")
    for budget_id in (monthly, daily):
        await put_node(company, budget_id, limit=100, used=75)
    await watch(company).look()
    (only,) = await fired(company)
    assert (only.budget_id, only.action, only.project_id, only.team_id) == (monthly, "webhook", made.id, team.id)


async def test_disabling_stops_the_budget_once_and_tells_everybody(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    budget_id = await one(company, is_exceeding_notified=0, is_exceeding_disabling=1)
    await put_node(company, budget_id, limit=100, used=100)
    looking = watch(company)
    assert await looking.look() == 1
    stopped = select(budget_node.c.stopped_at_us, budget_node.c.recalled_at_us)
    row = (await company.store.read(lambda c: c.execute(stopped))).one()
    assert row.stopped_at_us is not None
    assert row.recalled_at_us > 0, "replicas give their leases back"
    (event,) = await company.events("budget.stop")
    assert event.target_id == budget_id
    assert company.id in await company.changes("limit"), "replicas hear of it"
    assert [each.kind for each in await sent(company)] == ["budget.stopped"]
    await put_node(company, budget_id, limit=90, used=100)
    assert await looking.look() == 0, "what is stopped need not be stopped"
    await put_node(company, budget_id, limit=100, used=100)
    resumed = await company.store.write(
        lambda c: alerts.resume_budget(c, company.id, budget_id, scope_id=company.id, now_us=now_us())
    )
    assert resumed
    assert await looking.look() == 0, "what somebody resumed is not stopped again"
    assert (await company.store.read(lambda c: c.execute(stopped))).one().stopped_at_us is None
    assert await company.store.read(revision.last_number) >= 2


async def test_a_budget_that_will_not_last_is_told_once_a_window(company: Company) -> None:
    budget_id = await one(company)
    start_us = now_us() - 5 * HOUR_US
    for used in (20 * USD, 40 * USD, 60 * USD):
        await put_node(company, budget_id, limit=100 * USD, used=used, start_us=start_us, end_us=start_us + DAY_US)
        await watch(company).look()
    (only,) = await fired(company)
    assert (only.kind.value, only.used) == ("projected", 40 * USD), "20 in 5 hours are 96 a day"
    assert only.projected is not None
    assert 191 * USD < only.projected <= 192 * USD


async def test_calls_at_once_and_windows_long_gone_are_no_matter(company: Company) -> None:
    at_once = await one(company, unit="concurrent")
    await put_node(company, at_once, limit=1, used=1)
    gone = await one(company, model="old")
    await put_node(company, gone, limit=1, used=1, end_us=now_us() - 2 * HOUR_US)
    assert await watch(company).look() == 0


async def test_many_budgets_are_looked_at_page_by_page(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollkeeper.control.alerting._PAGE", 3)
    for number in range(10):
        await put_node(company, await one(company, model=f"m{number}"), limit=1, used=1)
    assert await watch(company).look() == 10


async def test_an_overrun_is_told_once_an_hour(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    found = overruns.Overrun(company.id, 500_000, 2, 3_000, 2_000, uuid7(), now_us())
    row = {name: getattr(found, name) for name in found.__struct_fields__}
    await company.store.write(lambda c: c.execute(overrun.insert().values(**row)))
    looking = watch(company)
    assert await looking.look() == 1
    assert await looking.look() == 0
    (only,) = await fired(company)
    assert (only.kind.value, only.used, only.window_start_us) == ("overrun", 3_000, 500_000 * HOUR_US)
    assert [each.kind for each in await sent(company)] == ["calls.overrun"]
