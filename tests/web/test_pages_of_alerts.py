"""The pages of alerts: rules over all budgets, what fired and was sent, targets with secrets shown once, and who sees which."""

from __future__ import annotations

import re

import pytest
from tests.alerts.alert_factories import put_budget, put_node
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.test_page_forms import HOSTILE
from tests.web.visitors import Browser, amounts, browser_of, content_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import alert_targets, alerts, budget_status
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.alert_targets import TargetChanges
from tollkeeper.control.alerting import Watch
from tollkeeper.control.credits import GrantTerms, grant_credit
from tollkeeper.domain.credit import GrantKind
from tollkeeper.kit.clock import now_us
from tollkeeper.store import outbox
from tollkeeper.store.engine import Store
from tollkeeper.store.outbox import MailState

USD = 10**9
HOOK = "https://hooks.example.com/services/T0001/B0002/sesame-sesame-7Xq9"


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/alerts"


async def fire(workshop: Workshop, scope_id: str, *, action: str = "email", used: int = 9 * USD) -> str:
    """Use so much of a budget of 10 dollars that its rule fires; returns the budget."""
    budget_id = await put_budget(workshop.company, scope_id, 10 * USD, period="total", is_exceeding_notified=0)
    await workshop.company.change(None, alerts.create_rule, budget_id, threshold_permille=800, does=action)
    await put_node(workshop.company, budget_id, limit=10 * USD, used=used)
    await Watch(workshop.company.administration, public_url="https://ai.example.com").look()
    return budget_id


async def give_up(workshop: Workshop) -> str:
    """Let the one message that waits be given up; returns its id."""

    async def work(connection: object) -> str:
        (mail_id,) = await outbox.list_due(connection, now_us=now_us(), limit=10)  # type: ignore[arg-type]
        claimed = await outbox.claim_mail(connection, mail_id, now_us=now_us(), claim_us=10**9)  # type: ignore[arg-type]
        assert claimed is not None
        await outbox.finish_mail(connection, claimed, MailState.DEAD, now_us=now_us(), failure="550 <no> such box")  # type: ignore[arg-type]
        return mail_id

    return await workshop.store.write(work)


async def test_rules_over_all_budgets_are_made_and_removed_in_one_place(workshop: Workshop) -> None:
    budget_id = await put_budget(workshop.company, workshop.search.id, 10 * USD)
    browser, path = await open_as(workshop, workshop.admin)
    fields = {"do": "add", "budget": budget_id, "percent": "65", "action": "disable"}
    assert (await browser.send(path, fields)).headers["location"] == f"{path}?done=alert-added"
    page = (await browser.open(path)).text
    assert "search: US dollars per month" in page
    assert "65%" in page
    again = await browser.send(path, fields)
    assert again.status_code == 409
    assert 'value="65"' in again.text
    (rule,) = await workshop.company.look(None, alerts.list_rules)
    await browser.send(path, {"do": "remove", "rule": rule.id})
    assert await workshop.company.look(None, alerts.list_rules) == []


@pytest.mark.parametrize("wrong", [{"percent": "0"}, {"percent": "x"}, {"action": "fax"}, {"budget": "bud_none"}])
async def test_a_rule_that_cannot_be_is_refused_on_the_page(workshop: Workshop, wrong: dict[str, str]) -> None:
    budget_id = await put_budget(workshop.company, workshop.search.id, 10 * USD)
    browser, path = await open_as(workshop, workshop.admin)
    fields = {"do": "add", "budget": budget_id, "percent": "65", "action": "email"} | wrong
    answer = await browser.send(path, fields)
    assert answer.status_code == (404 if "budget" in wrong else 400)
    assert 'role="alert"' in answer.text
    assert await workshop.company.look(None, alerts.list_rules) == []


async def test_what_fired_is_shown_with_its_figures_and_a_message_that_was_given_up_is_sent_again(
    workshop: Workshop,
) -> None:
    await fire(workshop, workshop.company.id, used=9 * USD + 7)
    mail_id = await give_up(workshop)
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.open(path)).text
    assert {9 * USD + 7, 10 * USD} <= set(amounts(page))
    assert "80% was used" in page
    assert "550 &lt;no&gt; such box" in page
    assert page.count("Send again") == 1
    await browser.send(path, {"do": "send-again", "delivery": mail_id})
    (sent,) = await workshop.company.look(None, alerts.list_deliveries)
    assert sent.status is MailState.PENDING
    page = (await browser.open(path)).text
    assert "Send again" not in page
    refused = await browser.send(path, {"do": "send-again", "delivery": mail_id})
    assert refused.status_code == 409


async def test_stopped_calls_are_let_in_again(workshop: Workshop) -> None:
    await fire(workshop, workshop.search.id, action="disable")
    browser, path = await open_as(workshop, workshop.lead)
    page = (await browser.open(path)).text
    assert "Calls are stopped" in page
    budget = re.search(r'name="budget" value="([^"]+)"', page)
    assert budget is not None
    await browser.send(path, {"do": "resume", "budget": budget[1]})
    assert "Calls are stopped" not in (await browser.open(path)).text


async def test_rules_and_stopped_calls_are_offered_to_be_changed_where_one_manages_the_budget(
    workshop: Workshop,
) -> None:
    of_project = await fire(workshop, workshop.search.id, action="disable")
    of_team = await fire(workshop, workshop.team.id, action="disable")
    found = {}
    for name, person in {"admin": workshop.admin, "lead": workshop.lead, "developer": workshop.developer}.items():
        browser, path = await open_as(workshop, person)
        page = (await browser.open(path)).text
        found[name] = (
            set(re.findall(r'name="budget" value="(bud_[^"]+)"', page)),
            set(re.findall(r'<option value="(bud_[^"]+)"', page)),
            page.count('name="do" value="remove"'),
        )
    both = {of_project, of_team}
    assert found["admin"] == (both, both, 2)
    assert found["lead"] == ({of_project}, {of_project}, 1)
    assert found["developer"] == (set(), set(), 0)


async def test_an_alert_that_reaches_nobody_is_set_with_a_warning_that_stays_beside_it(workshop: Workshop) -> None:
    company = workshop.company
    budget_id = await put_budget(company, workshop.search.id, 10 * USD)
    home = f"/{company.id}"
    said = {
        "email": "this server sends no e-mail",
        "slack": "no Slack target is in use",
        "webhook": "no webhook is in use",
        "disable": "",
    }
    off = await browser_of(faces_of(workshop.store), company, workshop.lead)
    for page, does in ((f"{home}/alerts", "add"), (f"{home}/budgets/{budget_id}", "add-alert")):
        for action, why in said.items():
            fields = {"do": does, "budget": budget_id, "percent": str(10 + len(does)), "action": action}
            answer = await off.send(page, fields)
            told = (await off.open(answer.headers["location"])).text
            assert (f"The alert is set, but nobody is told yet: {why}" in told) is bool(why), (page, action)
            assert ('class="notice warning"' in told) is bool(why)
    shown = (await off.open(f"{home}/budgets/{budget_id}")).text
    assert shown.count("tells nobody") == 6, "two rules for each of three actions"
    assert f'href="{home}/alerts/targets"' not in shown, "the lead may not set one up"
    boss = await browser_of(faces_of(workshop.store), company, workshop.admin)
    assert f'href="{home}/alerts/targets"' in (await boss.open(f"{home}/budgets/{budget_id}")).text
    for kind in ("slack", "webhook"):
        made = await company.change(None, alert_targets.create_target, name=kind, kind=kind, url=HOOK)
    rules = AccountRules(sends_email=True)
    on = await browser_of(faces_of(workshop.store, rules=rules), company, workshop.lead)
    for page in (f"{home}/budgets/{budget_id}", f"{home}/alerts"):
        assert "tells nobody" not in (await on.open(page)).text
    await company.change(None, alert_targets.change_target, made.target.id, TargetChanges(is_enabled=False))
    assert (await on.open(f"{home}/budgets/{budget_id}")).text.count("tells nobody") == 2
    (first, *_) = await company.look(None, alerts.list_rules, budget_id=budget_id)
    change = {"do": "change-alert", "rule": first.id, "percent": "77", "action": "webhook"}
    assert (await on.send(f"{home}/budgets/{budget_id}", change)).headers["location"].endswith("=alert-without-webhook")
    change = {"do": "change", "rule": first.id, "percent": "78", "action": "slack"}
    assert (await on.send(f"{home}/alerts", change)).headers["location"].endswith("=saved")


async def test_stopped_calls_are_let_in_again_on_the_budgets_own_page(workshop: Workshop) -> None:
    budget_id = await fire(workshop, workshop.search.id, action="disable")
    path = f"/{workshop.company.id}/budgets/{budget_id}"
    browser, _ = await open_as(workshop, workshop.lead)
    assert "Calls are stopped" in (await browser.open(path)).text
    assert (await browser.send(path, {"do": "resume"})).status_code == 303
    assert "Calls are stopped" not in (await browser.open(path)).text


async def test_the_overview_leads_to_a_budget_that_needs_attention(workshop: Workshop) -> None:
    budget_id = await fire(workshop, workshop.search.id)
    browser, _ = await open_as(workshop, workshop.lead)
    assert f"/budgets/{budget_id}" in (await browser.open(f"/{workshop.company.id}/overview")).text


async def test_without_budgets_the_page_says_what_to_do_first(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    page = content_of((await browser.open(path)).text)
    assert "Set the first budget" in page
    assert "What fired" not in page


async def test_a_webhooks_secret_is_shown_once_and_its_address_never(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    path = f"{path}/targets"
    page = (await browser.open(path)).text
    fields = {"do": "add", "name": "ops", "kind": "webhook", "url": HOOK}
    made, again = await browser.send(path, fields, seen=page), await browser.send(path, fields, seen=page)
    secret = re.search(r"whsec_[\w+/=]+", made.text)
    assert secret is not None
    assert secret[0] in again.text
    (target,) = await workshop.company.look(None, alert_targets.list_targets)
    page = (await browser.open(path)).text
    assert secret[0] not in page
    assert "sesame" not in page + made.text
    renewed = await browser.send(path, {"do": "new-secret", "target": target.id, "once": "b1"})
    assert "whsec_" in renewed.text
    assert secret[0] not in renewed.text
    sent = await browser.send(path, {"do": "test", "target": target.id, "once": "b2"})
    assert sent.headers["location"] == f"/{workshop.company.id}/alerts?done=test-sent"
    assert "ops" in (await browser.open(f"/{workshop.company.id}/alerts")).text.partition("What was sent")[2]
    await browser.send(path, {"do": "disable", "target": target.id, "once": "b3"})
    refused = await browser.send(path, {"do": "test", "target": target.id, "once": "b4"})
    assert refused.status_code == 409
    await browser.send(path, {"do": "delete", "target": target.id, "once": "b5"})
    assert await workshop.company.look(None, alert_targets.list_targets) == []


@pytest.mark.parametrize("url", ["", "ftp://x.example.com", "http://user:secret@x.example.com/", "https://"])
async def test_an_address_that_is_none_is_refused_and_not_repeated(workshop: Workshop, url: str) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    answer = await browser.send(f"{path}/targets", {"do": "add", "name": "kept", "kind": "slack", "url": url})
    assert answer.status_code == 400
    assert 'value="kept"' in answer.text
    assert not url or f'value="{url}"' not in answer.text


async def test_each_person_sees_the_alerts_of_what_they_read(workshop: Workshop) -> None:
    await fire(workshop, workshop.ops.id)
    seen = {}
    for name, person in {"admin": workshop.admin, "lead": workshop.lead, "developer": workshop.developer}.items():
        browser, path = await open_as(workshop, person)
        page = (await browser.open(path)).text
        seen[name] = ("ops: US dollars" in page, "What was sent" in page, "Slack and webhooks" in page)
    assert seen == {"admin": (True, True, True), "lead": (False,) * 3, "developer": (False,) * 3}
    for person, status in ((workshop.lead, 403), (workshop.developer, 403), (workshop.viewer, 403)):
        browser, path = await open_as(workshop, person)
        assert (await browser.open(f"{path}/targets")).status_code == status
        sent = await browser.send(f"{path}/targets", {"do": "add", "name": "x", "kind": "webhook", "url": HOOK})
        assert sent.status_code == status
    viewer, path = await open_as(workshop, workshop.viewer)
    assert (await viewer.open(path)).status_code == 403
    assert await workshop.company.look(None, alert_targets.list_targets) == []


async def test_alerts_targets_and_deliveries_of_another_organization_are_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    budget_id = await put_budget(other, other.id, USD)
    rule = await other.change(None, alerts.create_rule, budget_id, threshold_permille=500, does="email")
    made = await other.change(None, alert_targets.create_target, name="theirs", kind="webhook", url=HOOK)
    browser, path = await open_as(workshop, workshop.admin)
    with_form = (await browser.open(f"{path}/targets")).text
    for where, fields in (
        (path, {"do": "add", "budget": budget_id, "percent": "5", "action": "email"}),
        (path, {"do": "remove", "rule": rule.id}),
        (path, {"do": "resume", "budget": budget_id}),
        (path, {"do": "send-again", "delivery": "mail_none"}),
        (f"{path}/targets", {"do": "test", "target": made.target.id}),
        (f"{path}/targets", {"do": "new-secret", "target": made.target.id}),
        (f"{path}/targets", {"do": "delete", "target": made.target.id}),
    ):
        assert (await browser.send(where, fields, seen=with_form)).status_code == 404, fields
    assert len(await other.look(None, alerts.list_rules)) == 1
    assert await other.look(None, alert_targets.list_targets) == [made.target]


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_in_alerts_are_text(workshop: Workshop, name: str) -> None:
    project = await workshop.company.project(name)
    await fire(workshop, project.id)
    await workshop.company.change(None, alert_targets.create_target, name=name, kind="webhook", url=HOOK)
    browser, path = await open_as(workshop, workshop.admin)
    for each in (path, f"{path}/targets"):
        markup = Markup((await browser.open(each)).text)
        assert not [found for _tag, found in markup.tags if any(word.startswith("on") for word in found)]
        assert not [found for tag, found in markup.tags if tag == "svg"]
        assert not [text for text in markup.texts["script"] if "owned" in text]


async def test_a_rule_is_changed_in_all_that_it_says_to_the_thousandth(workshop: Workshop) -> None:
    budget_id = await put_budget(workshop.company, workshop.search.id, 10 * USD)
    browser, path = await open_as(workshop, workshop.admin)
    await browser.send(path, {"do": "add", "budget": budget_id, "percent": "12,5 %", "action": "email"})
    (rule,) = await workshop.company.look(None, alerts.list_rules)
    assert (rule.threshold_permille, rule.action) == (125, "email")
    for page in (path, f"/{workshop.company.id}/budgets/{budget_id}"):
        assert 'value="12.5"' in (await browser.open(page)).text
    fields = {"do": "change", "rule": rule.id, "percent": "1000", "action": "disable"}
    assert (await browser.send(path, fields)).headers["location"] == f"{path}?done=saved"
    (rule,) = await workshop.company.look(None, alerts.list_rules)
    assert (rule.threshold_permille, rule.action) == (10_000, "disable")
    change = {"do": "change-alert", "rule": rule.id, "percent": "99.9", "action": "slack"}
    await browser.send(f"/{workshop.company.id}/budgets/{budget_id}", change)
    (rule,) = await workshop.company.look(None, alerts.list_rules)
    assert (rule.threshold_permille, rule.action) == (999, "slack")
    for percent in ("0", "1000.1", "-5", "80.55", "1e2"):
        refused = await browser.send(path, fields | {"percent": percent})
        assert refused.status_code == 400, percent
        assert "Write percent from 0.1 to 1000 with at most one decimal" in refused.text, "in what the field takes"
    lead, _ = await open_as(workshop, workshop.developer)
    seen = (await lead.open("/account")).text
    assert (await lead.send(path, fields, seen=seen)).status_code in {403, 404}


async def test_credit_has_rules_like_a_budget_and_they_fire(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    fields = {"do": "add", "budget": "credit", "percent": "80", "action": "email"}
    page = await browser.open(path)
    assert '<option value="credit"' not in page.text
    refused = await browser.send(path, fields, seen=(await browser.open(f"/{workshop.company.id}/credits")).text)
    assert refused.status_code == 404
    assert "grant some first" in refused.text
    terms = GrantTerms(amount_nanos=10 * USD, kind=GrantKind.PURCHASED)
    await workshop.company.change(None, grant_credit, workshop.company.id, terms=terms)
    assert '<option value="credit"' in (await browser.open(path)).text
    assert (await browser.send(path, fields)).status_code == 303
    (rule,) = await workshop.company.look(None, alerts.list_rules, budget_id="credit")
    assert rule.budget_id == await workshop.company.look(None, alerts.find_credit)
    shown = (await browser.open(path)).text
    assert f'<a href="/{workshop.company.id}/credits">Credits</a>' in shown
    await put_node(workshop.company, rule.budget_id, limit=10 * USD, used=9 * USD)
    await Watch(workshop.company.administration, public_url="https://ai.example.com").look()
    assert "80% was used" in (await browser.open(path)).text
    for person in (workshop.lead, workshop.developer):
        other, _ = await open_as(workshop, person)
        seen = (await other.open("/account")).text
        assert (await other.send(path, fields | {"percent": "5"}, seen=seen)).status_code in {403, 404}
    assert len(await workshop.company.look(None, alerts.list_rules)) == 1


async def test_with_more_budgets_than_a_page_holds_one_is_named_by_its_id(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget_id = await put_budget(workshop.company, workshop.search.id, 10 * USD)
    await put_budget(workshop.company, workshop.ops.id, 10 * USD)
    monkeypatch.setattr(budget_status, "BUDGETS_MAX", 1)
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.open(path)).text
    assert '<input id="budget" name="budget"' in page
    await browser.send(path, {"do": "add", "budget": f" {budget_id} ", "percent": "80", "action": "email"})
    assert f'/budgets/{budget_id}">{budget_id}</a>' in (await browser.open(path)).text
