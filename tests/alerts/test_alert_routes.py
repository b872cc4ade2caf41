"""Alerts over the API and at the command line: who may do what, shapes, and one alert all the way to every channel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from alert_factories import USD, put_budget, put_node, run_command
from hook_server import hook_server
from tests.admin.admin_factories import ONLY_SQLITE, client_of, running_app
from tests.fakes.new_keys import create_admin_key
from tests.notify.mail_server import serving
from tests.tenancy.company import PEPPER, Company

from tollkeeper.control import alerts
from tollkeeper.control.alert_hooks import Hooks
from tollkeeper.control.alerting import Watch
from tollkeeper.control.outbox import Delivery
from tollkeeper.domain.alert import TargetAccess, TargetKind
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.kit.networks import Networks
from tollkeeper.notify.hooks import HookClient
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings

OPENED = Networks(["127.0.0.0/8"])


@pytest.fixture
async def client(company: Company) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    async with running_app(company.store) as app, client_of(app, key.key) as client:
        yield client


class EveryHook:
    """Posts texts for Slack to our own server: Slack's own takes https alone."""

    def __init__(self, slack_url: str) -> None:
        self._hooks, self._slack_url = Hooks(lambda: HookClient(private_networks=OPENED)), slack_url

    async def send(self, kind: TargetKind, access: TargetAccess, body: bytes, *, message_id: str) -> None:
        where = TargetAccess(self._slack_url) if kind == "slack" else access
        await self._hooks.send(kind, where, body, message_id=message_id)


@ONLY_SQLITE
async def test_rules_are_made_changed_listed_and_deleted(company: Company, client: httpx.AsyncClient) -> None:
    budget_id = await put_budget(company, company.default.id, 10 * USD)
    made = await client.post("/v1/alerts/rules", json={"budget_id": budget_id, "threshold": 0.8, "action": "slack"})
    assert made.status_code == 200, made.text
    rule_id = made.json()["id"]
    assert (made.json()["object"], made.json()["threshold"]) == ("alert_rule", 0.8)
    again = await client.post("/v1/alerts/rules", json={"budget_id": budget_id, "threshold": 0.8, "action": "slack"})
    assert again.status_code == 409
    changed = await client.patch(f"/v1/alerts/rules/{rule_id}", json={"threshold": 0.955})
    assert (changed.json()["threshold"], changed.json()["action"]) == (0.955, "slack")
    listed = await client.get("/v1/alerts/rules", params={"budget_id": budget_id})
    assert [each["id"] for each in listed.json()["data"]] == [rule_id]
    assert (await client.delete(f"/v1/alerts/rules/{rule_id}")).status_code == 200
    assert (await client.get("/v1/alerts/rules")).json()["data"] == []
    for wrong in ({"threshold": 0}, {"threshold": 10.001}, {"threshold": 0.8005}, {"action": "call"}, {"more": 1}):
        body = {"budget_id": budget_id, "threshold": 0.8, "action": "slack", **wrong}
        assert (await client.post("/v1/alerts/rules", json=body)).status_code == 400
    recorded = [each.action for each in await company.events() if each.action.startswith("alert_rule.")]
    assert recorded == ["alert_rule.create", "alert_rule.update", "alert_rule.delete"]


async def test_who_may_set_a_budget_may_make_rules_for_it(company: Company) -> None:
    first, second = await company.team("first"), await company.team("second")
    project = await company.project("web", first)
    lead = await company.hire("lead", ("team_admin", first.id))
    other = await company.hire("other", ("team_admin", second.id))
    budget_id, team_budget = await put_budget(company, project.id, USD), await put_budget(company, first.id, USD)
    made = await company.change(lead, alerts.create_rule, budget_id, threshold_permille=500, does="email")
    assert [each.id for each in await company.look(lead, alerts.list_rules)] == [made.id]
    assert await company.look(other, alerts.list_rules) == []
    with pytest.raises(PermissionDenied):
        await company.change(lead, alerts.create_rule, team_budget, threshold_permille=500, does="email")
    for step in (alerts.create_rule, alerts.resume_budget):
        more = {"threshold_permille": 900, "does": "email"} if step is alerts.create_rule else {}
        with pytest.raises(NotFound, match=f"There is no budget '{budget_id}'"):
            await company.change(other, step, budget_id, **more)
    with pytest.raises(NotFound, match=f"There is no rule '{made.id}'"):
        await company.change(other, alerts.delete_rule, made.id)
    for who in (lead, other):
        with pytest.raises(PermissionDenied):
            await company.look(who, alerts.list_deliveries)


async def test_calls_at_once_have_no_alerts_and_rules_are_bounded(company: Company) -> None:
    at_once = await put_budget(company, company.id, 5, unit="concurrent", period="total")
    with pytest.raises(InvalidRequest):
        await company.change(None, alerts.create_rule, at_once, threshold_permille=500, does="email")
    budget_id = await put_budget(company, company.id, 5)
    for permille in range(1, 21):
        await company.change(None, alerts.create_rule, budget_id, threshold_permille=permille, does="email")
    with pytest.raises(Conflict):
        await company.change(None, alerts.create_rule, budget_id, threshold_permille=999, does="email")


async def test_alerts_are_seen_by_who_reads_the_budget(company: Company) -> None:
    first, second = await company.team("first"), await company.team("second")
    project = await company.project("web", first)
    people = {
        "lead": await company.hire("lead", ("team_admin", first.id)),
        "developer": await company.hire("developer", ("developer", project.id)),
        "other": await company.hire("other", ("team_admin", second.id)),
    }
    for scope_id in (company.id, first.id, project.id):
        budget_id = await put_budget(company, scope_id, USD, period="total")
        await put_node(company, budget_id, limit=USD, used=USD)
    await Watch(company.administration, public_url="https://ai.example.com").look()
    seen = {who: await company.look(person, alerts.list_alerts) for who, person in people.items()}
    scopes = {who: {each.scope_id for each in found} for who, found in seen.items()}
    assert scopes == {"lead": {first.id, project.id}, "developer": {project.id}, "other": set()}
    every = await company.look(None, alerts.list_alerts)
    assert len(every) == 3
    pages = [each.id for each in every[:1]]
    while page := await company.look(None, alerts.list_alerts, after=pages[-1], limit=1):
        pages += [each.id for each in page]
    assert pages == [each.id for each in every]


@ONLY_SQLITE
async def test_one_alert_goes_all_the_way_to_every_channel(company: Company, client: httpx.AsyncClient) -> None:
    await company.hire("boss", ("org_admin", company.id))
    budget_id = await put_budget(company, company.id, 10 * USD, is_exceeding_notified=0, period="total")
    async with hook_server() as hooks, hook_server() as slack:
        for name, kind, url in (("ops", "webhook", hooks.url), ("chat", "slack", "https://hooks.slack.com/services/x")):
            made = await client.post("/v1/alerts/targets", json={"name": name, "kind": kind, "url": url})
            assert made.status_code == 200, made.text
            assert bool(made.json()["secret"]) == (kind == "webhook")
        for action in ("email", "slack", "webhook"):
            body = {"budget_id": budget_id, "threshold": 0.5, "action": action}
            assert (await client.post("/v1/alerts/rules", json=body)).status_code == 200
        await put_node(company, budget_id, limit=10 * USD, used=5 * USD + 1)
        await Watch(company.administration, public_url="https://ai.example.com").look()
        with serving() as mail:
            settings = SmtpSettings(host="127.0.0.1", port=mail.port, security="none", sender="T <t@example.com>")
            vault = company.administration.secrets.vault
            await Delivery(company.store, vault, SmtpSender(settings), hooks=EveryHook(slack.url)).deliver_due()
    (taken,) = mail.taken
    assert taken.mail["Subject"] == "[Tollkeeper] 50 % of the budget is used: organization Acme"
    assert "$5.000000001 (50 %)" in taken.body("plain")
    text = slack.taken[0].json["text"]
    assert text.startswith("50 % of the budget is used: organization Acme\n")
    assert "https://ai.example.com/" in text
    event = hooks.taken[0].json
    assert event["type"] == "budget.threshold_reached"
    assert b'"used":5.000000001' in hooks.taken[0].body
    assert (event["data"]["threshold"], event["data"]["limit"]) == (0.5, 10)
    fired = (await client.get("/v1/alerts")).json()["data"]
    assert {each["action"] for each in fired} == {"email", "slack", "webhook"}
    sent = (await client.get("/v1/alerts/deliveries")).json()["data"]
    assert {(each["channel"], each["status"]) for each in sent} == {
        ("email", "delivered"),
        ("slack", "delivered"),
        ("webhook", "delivered"),
    }
    assert {each["alert_id"] for each in sent} == {each["id"] for each in fired}


@ONLY_SQLITE
async def test_stopped_calls_are_let_in_again_by_who_may(company: Company, client: httpx.AsyncClient) -> None:
    budget_id = await put_budget(company, company.id, USD, is_exceeding_disabling=1, period="total")
    assert (await client.post(f"/v1/budgets/{budget_id}/resume")).json()["resumed"] is False
    await put_node(company, budget_id, limit=USD, used=USD)
    await Watch(company.administration, public_url="https://ai.example.com").look()
    assert (await client.post(f"/v1/budgets/{budget_id}/resume")).json() == {
        "object": "budget.resumed",
        "budget_id": budget_id,
        "resumed": True,
    }
    assert [each.target_id for each in await company.events("budget.resume")] == [budget_id]
    assert (await client.post("/v1/budgets/bud_none/resume")).status_code == 404


@ONLY_SQLITE
async def test_at_the_command_line(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    budget_id = await put_budget(company, company.id, 10 * USD, period="total")
    assert "Nothing fired." in await run_command(company, "alerts", "list")
    added = await run_command(company, "alerts", "rules", "add", budget_id, "--at", "0.75", "--action", "slack")
    assert f"slack at 0.75 of {budget_id}" in added
    (rule,) = json.loads(await run_command(company, "alerts", "rules", "list", "--json"))["data"]
    assert (rule["threshold"], rule["action"]) == (0.75, "slack")
    url = "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXXcanary\n"
    made = await run_command(company, "alerts", "targets", "add", "chat", "--kind", "slack", text=url)
    assert "canary" not in made
    assert "https://hooks.slack.com/…nary" in await run_command(company, "alerts", "targets", "list")
    sent = json.loads(await run_command(company, "alerts", "targets", "test", "chat", "--json"))
    await put_node(company, budget_id, limit=10 * USD, used=8 * USD)
    await Watch(company.administration, public_url="https://ai.example.com").look()
    shown = await run_command(company, "alerts", "list")
    assert "organization Acme" in shown
    assert "$8.00" in shown
    assert sent["delivery_id"] in await run_command(company, "alerts", "deliveries", "list")
    assert "was not stopped" in await run_command(company, "alerts", "resume", budget_id)
    await run_command(company, "alerts", "targets", "delete", "chat")
    await run_command(company, "alerts", "rules", "delete", rule["id"])
    assert "No rules." in await run_command(company, "alerts", "rules", "list")
