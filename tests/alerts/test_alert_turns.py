"""Rules that come late fire all the same; e-mails are few and leave a trace; nobody's messages hold up everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from alert_factories import DAY_US, USD, put_budget, put_node
from sqlalchemy import func, select, update
from tests.admin.admin_factories import ONLY_SQLITE, client_of, running_app
from tests.fakes.new_keys import create_admin_key
from tests.tenancy.company import PEPPER, Company, found_company

from tollkeeper.control import alert_targets, alerts, projects
from tollkeeper.control.alert_delivery import SHARE_MAX, HookDelivery
from tollkeeper.control.alerting import OVERLAP_US, Watch
from tollkeeper.control.outbox import About, post_to_target
from tollkeeper.control.projects import ProjectQuota
from tollkeeper.domain.alert import TargetAccess, TargetKind
from tollkeeper.domain.budget import QuotaAlert
from tollkeeper.domain.errors import Conflict, TooManyAttempts
from tollkeeper.kit.clock import now_us
from tollkeeper.store import outbox
from tollkeeper.store.outbox import MailStatus
from tollkeeper.store.schema_control import outbox as table
from tollkeeper.store.schema_limits import budget_node

PUBLIC_URL = "https://ai.example.com"


def watch(company: Company) -> Watch:
    return Watch(company.administration, public_url=PUBLIC_URL)


async def used_long_ago(company: Company, *, scope_id: str = "", used: int = 100, limit: int = 100) -> str:
    """Write a budget that is used and has not moved since long before any look."""
    budget_id = await put_budget(company, scope_id or company.id, limit * USD, is_exceeding_notified=0)
    await put_node(company, budget_id, limit=limit * USD, used=used * USD)
    at_us = now_us() - OVERLAP_US - DAY_US
    await company.store.write(lambda c: c.execute(update(budget_node).values(updated_at_us=at_us)))
    return budget_id


async def sent(company: Company) -> list[MailStatus]:
    return await company.store.read(lambda c: outbox.list_of_alerts(c, company.id))


@pytest.mark.parametrize("does", ["webhook", "disable"])
async def test_a_rule_that_is_made_when_its_part_is_used_already_fires(company: Company, does: str) -> None:
    budget_id = await used_long_ago(company)
    looking = watch(company)
    assert await looking.look() == 0
    await company.change(None, alerts.create_rule, budget_id, threshold_permille=500, does=does)
    assert await looking.look() == 1
    assert await looking.look() == 0
    stopped = await company.store.read(lambda c: c.scalar(select(budget_node.c.stopped_at_us)))
    assert (stopped is not None) == (does == "disable")


async def test_a_rule_that_is_lowered_below_what_is_used_fires(company: Company) -> None:
    budget_id = await used_long_ago(company, used=60)
    looking = watch(company)
    rule = await company.change(None, alerts.create_rule, budget_id, threshold_permille=900, does="webhook")
    assert await looking.look() == 0
    old = now_us() - OVERLAP_US - DAY_US
    await company.store.write(lambda c: c.execute(update(budget_node).values(updated_at_us=old)))
    await company.change(None, alerts.change_rule, rule.id, threshold_permille=500)
    assert await looking.look() == 1


async def test_a_projects_new_alert_fires_with_the_next_look_at_everything(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await company.project("web")
    await used_long_ago(company, scope_id=project.id)
    looking = watch(company)
    assert await looking.look() == 0
    quota = ProjectQuota(quota_alerts=(QuotaAlert(500, "webhook"),))
    await company.change(None, projects.update_project, project.id, quota=quota)
    assert await looking.look() == 0
    monkeypatch.setattr("tollkeeper.control.alerting.WHOLE_LOOK_US", 0)
    assert await looking.look() == 1
    assert await looking.look() == 0


async def test_looks_compare_times_of_the_databases_clock(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's clock is a day ahead: what moves after its look must still be newer than the look."""
    budget_id = await used_long_ago(company, used=1)
    await company.change(None, alerts.create_rule, budget_id, threshold_permille=500, does="webhook")
    ahead = now_us() + DAY_US
    monkeypatch.setattr("tollkeeper.kit.clock.now_us", lambda: ahead)
    monkeypatch.setattr("tollkeeper.control.alerting.now_us", lambda: ahead, raising=False)
    looking = watch(company)
    assert await looking.look() == 0
    await put_node(company, budget_id, limit=100 * USD, used=60 * USD)
    assert await looking.look() == 1


async def test_of_several_thresholds_at_once_one_email_tells_and_every_webhook(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    url = "https://hooks.example.com/x"
    await company.change(None, alert_targets.create_target, name="ops", kind="webhook", url=url)
    budget_id = await put_budget(company, company.id, 100 * USD, is_exceeding_notified=1)
    for permille in (500, 800, 950):
        for does in ("email", "webhook"):
            await company.change(None, alerts.create_rule, budget_id, threshold_permille=permille, does=does)
    await put_node(company, budget_id, limit=100 * USD, used=97 * USD)
    looking = watch(company)
    assert await looking.look() == 6
    found = await sent(company)
    assert sorted(each.channel for each in found) == ["email", "webhook", "webhook", "webhook"]
    (mail,) = [each for each in found if each.channel == "email"]
    fired = {each.id: each for each in await company.look(None, alerts.list_alerts)}
    assert (len(fired), fired[mail.alert_id].threshold_permille) == (6, 950)
    await put_node(company, budget_id, limit=100 * USD, used=100 * USD)
    assert await looking.look() == 1
    assert [each.channel for each in await sent(company)].count("email") == 2


async def test_that_calls_are_stopped_is_told_rather_than_a_higher_threshold(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    budget_id = await put_budget(company, company.id, 100 * USD, is_exceeding_notified=1)
    await company.change(None, alerts.create_rule, budget_id, threshold_permille=800, does="disable")
    await put_node(company, budget_id, limit=100 * USD, used=100 * USD)
    assert await watch(company).look() == 2
    assert [each.kind for each in await sent(company)] == ["budget.stopped"]


async def test_an_email_that_nobody_may_receive_leaves_a_trace(company: Company) -> None:
    budget_id = await put_budget(company, company.id, 100 * USD)
    await put_node(company, budget_id, limit=100 * USD, used=100 * USD)
    assert await watch(company).look() == 1
    (only,) = await sent(company)
    (alert,) = await company.look(None, alerts.list_alerts)
    assert (only.status, only.failure, only.recipient) == ("undeliverable", "nobody may receive it", "")
    assert (only.channel, only.kind, only.alert_id) == ("email", "budget.threshold_reached", alert.id)
    with pytest.raises(Conflict, match="Nobody may receive it"):
        await company.change(None, alerts.retry_delivery, only.id)


@pytest.fixture
async def client(company: Company) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    async with running_app(company.store) as app, client_of(app, key.key) as client:
        yield client


@ONLY_SQLITE
async def test_an_eleventh_test_within_a_minute_is_refused_with_when_to_try_again(
    company: Company, client: httpx.AsyncClient
) -> None:
    ids = []
    for number in range(2):
        body = {"name": f"ops{number}", "kind": "webhook", "url": "https://hooks.example.com/x"}
        ids.append((await client.post("/v1/alerts/targets", json=body)).json()["id"])
    for number in range(10):
        assert (await client.post(f"/v1/alerts/targets/{ids[number % 2]}/test")).status_code == 200
    refused = await client.post(f"/v1/alerts/targets/{ids[0]}/test")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert int(refused.headers["retry-after"]) == refused.json()["error"]["retry_after_seconds"]
    await company.store.write(
        lambda c: c.execute(update(table).values(created_at_us=table.c.created_at_us - 61_000_000))
    )
    assert (await client.post(f"/v1/alerts/targets/{ids[0]}/test")).status_code == 200


async def test_tests_are_counted_over_all_processes_and_per_organization(company: Company) -> None:
    other = await found_company(company.store, "Other")
    made = [
        await each.change(
            None, alert_targets.create_target, name="ops", kind="webhook", url="https://hooks.example.com/x"
        )
        for each in (company, other)
    ]

    async def attempt() -> bool:
        try:
            await company.change(None, alert_targets.try_target, made[0].target.id, public_url=PUBLIC_URL)
        except TooManyAttempts:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(14)))) == 10
    await other.change(None, alert_targets.try_target, made[1].target.id, public_url=PUBLIC_URL)


class SlowHooks:
    """Takes every message and notes in which order; one target answers only after another one did."""

    def __init__(self, slow_url: str) -> None:
        self._slow_url, self.taken, self._has_other = slow_url, list[str](), asyncio.Event()

    async def send(self, kind: TargetKind, access: TargetAccess, body: bytes, *, message_id: str) -> None:
        if access.url == self._slow_url:
            async with asyncio.timeout(30):
                await self._has_other.wait()
        else:
            self._has_other.set()
        self.taken.append(access.url)


async def test_one_organizations_many_messages_do_not_hold_up_anothers(company: Company) -> None:
    other = await found_company(company.store, "Other")
    vault = company.administration.secrets.vault
    for whose, count in ((company, 60), (other, 2)):
        made = await whose.change(
            None, alert_targets.create_target, name="ops", kind="webhook", url=f"https://{whose.id[4:8]}.example.com/"
        )
        about = About("budget.threshold_reached", whose.id, "alert_1")
        for _ in range(count):
            await company.store.write(
                lambda c, made=made, about=about: post_to_target(  # type: ignore[misc]
                    c, vault, b"{}", target_id=made.target.id, channel="webhook", about=about
                )
            )
    slow, quick = (f"https://{each.id[4:8]}.example.com/" for each in (company, other))
    hooks = SlowHooks(slow)
    delivery = HookDelivery(company.store, vault, None, hooks=hooks)
    assert await delivery.deliver_due() == SHARE_MAX + 2
    assert (hooks.taken.count(slow), hooks.taken.count(quick)) == (SHARE_MAX, 2)
    assert hooks.taken[0] == quick, "nobody waits for the slow ones"
    while await delivery.deliver_due():
        pass
    assert hooks.taken.count(slow) == 60
    left = select(func.count()).where(table.c.status != "delivered")
    assert await company.store.read(lambda c: c.scalar(left)) == 0
