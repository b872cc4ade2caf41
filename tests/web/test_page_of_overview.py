"""The overview: what it says about budgets is so for whoever reads it, and leads to where one is set, of keys too."""

from __future__ import annotations

import re

import msgspec
import pytest
from tests.analytics.ledger import open_ledger
from tests.keys.workshop import Workshop, open_workshop
from tests.web.visitors import browser_of, faces_of, tables_of, tables_without_providers
from tests.web.web_factories import Markup

from tollkeeper.control import budget_status, refused_calls
from tollkeeper.control.budgets import Terms, list_budgets, set_budget
from tollkeeper.domain.budget import Enforcement
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.window import window_at
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store
from tollkeeper.store.refused_calls import RefusedCalls
from tollkeeper.web.figures import Figures

USD = 10**9


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def overview(workshop: Workshop, who: object = None) -> str:
    browser = await browser_of(faces_of(workshop.store), workshop.company, who or workshop.admin)  # type: ignore[arg-type]
    answer = await browser.open(f"/{workshop.company.id}/overview")
    assert answer.status_code == 200
    return str(answer.text)


async def set_of(workshop: Workshop, scope_id: str, enforcement: Enforcement) -> None:
    terms = msgspec.structs.replace(Terms(USD, "monthly", is_carried_over=False), enforcement=enforcement)
    await workshop.company.change(workshop.admin, set_budget, scope_id, terms=terms)


async def test_nothing_is_said_to_stop_calls_only_where_no_budget_does(workshop: Workshop) -> None:
    nothing = "None is set, so no budget stops calls."
    assert nothing in await overview(workshop)
    await set_of(workshop, workshop.search.id, Enforcement(hard_limit=False, auto_disable_on_exceed=False))
    assert nothing in await overview(workshop), "one that lets calls on stops none"
    key = (await workshop.service(project_id=workshop.chat.id)).record
    await set_of(workshop, key.id, Enforcement(hard_limit=True))
    page = await overview(workshop)
    assert nothing not in page
    assert "None is set for everything; 1 other budget stops calls." in page
    await set_of(workshop, workshop.team.id, Enforcement(hard_limit=False, auto_disable_on_exceed=True))
    assert "2 other budgets stop calls." in await overview(workshop)


async def test_without_a_provider_the_first_steps_begin_with_one(workshop: Workshop) -> None:
    faces = faces_of(workshop.store, models=tables_without_providers())
    home, add = f"/{workshop.company.id}", f"/{workshop.company.id}/models/providers"
    for person in (workshop.admin, workshop.developer):
        browser = await browser_of(faces, workshop.company, person)
        for path in ("/overview", "/keys/new"):
            page = (await browser.open(home + path)).text
            assert "No provider is set up" in page
            assert (add in page) == (person is workshop.admin)
    browser = await browser_of(faces, workshop.company, workshop.admin)
    fields = {"name": "first", "project": workshop.search.id, "kind": "service"}
    made = (await browser.send(f"{home}/keys/new", fields)).text
    assert "No provider is set up" in made
    assert "curl" not in made


async def test_the_first_call_that_is_shown_is_one_that_a_provider_here_answers(workshop: Workshop) -> None:
    home, fields = f"/{workshop.company.id}", {"name": "first", "project": workshop.search.id, "kind": "service"}
    anthropic = Provider("anthropic", "anthropic", "https://api.anthropic.com/v1", catalogue="anthropic")
    local = Provider("local", "openai_compatible", "https://local.example.com/v1")
    for models, named in (
        (tables_of(), "gpt-4o-mini"),
        (tables_of(anthropic), "claude-haiku-4-5"),
        (tables_of(local), "local/MODEL"),
    ):
        browser = await browser_of(faces_of(workshop.store, models=models), workshop.company, workshop.admin)
        assert "No provider is set up" not in (await browser.open(f"{home}/overview")).text
        made = (await browser.send(f"{home}/keys/new", fields)).text
        assert f'"model": "{named}"' in made


async def test_who_sees_not_every_budget_is_not_told_that_there_is_none(workshop: Workshop) -> None:
    page = await overview(workshop, workshop.viewer)
    assert "no budget stops calls" not in page
    assert "None is set for everything." in page


async def test_more_budgets_than_a_page_has_leave_the_overview_there(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_of(workshop, workshop.search.id, Enforcement())
    monkeypatch.setattr(budget_status, "BUDGETS_MAX", 0)
    page = await overview(workshop)
    assert "None is set for everything." in page


async def test_a_budget_is_offered_for_keys_and_people_too(workshop: Workshop) -> None:
    key = (await workshop.service(project_id=workshop.chat.id, name="batch")).record
    admin_key = (await workshop.admin_key()).record
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    home = f"/{workshop.company.id}"
    assert f'href="{home}/budgets/new"' in await overview(workshop)
    page = (await browser.open(f"{home}/budgets/new")).text
    offered = {str(each["value"]) for each in Markup(page).all("option")}
    assert offered >= {workshop.company.id, workshop.team.id, workshop.chat.id, key.id, workshop.developer.member_id}
    assert admin_key.id not in offered, "it calls no models"
    assert f"batch ({workshop.chat.name})" in page
    assert re.findall(r'<optgroup label="([^"]+)"', page) == ["Teams", "Projects", "People", "API keys"]
    terms = {"scope": key.id, "amount": "5", "unit": "usd", "period": "daily", "hard_limit": "1"}
    assert (await browser.send(f"{home}/budgets/new", terms)).status_code == 303
    (budget,) = await workshop.company.look(None, list_budgets, scope_id=key.id)
    assert budget.amount == 5 * USD
    refused = await browser.send(f"{home}/budgets/new", terms | {"amount": "much"})
    assert f'<option value="{key.id}" selected>' in refused.text


async def refuse(workshop: Workshop, project_id: str, *, status: int = 429, ages_us: tuple[int, ...] = (0,)) -> None:
    """Add refused calls of a project."""
    made = await workshop.service(name=f"k{now_us()}", project_id=project_id)
    found = [
        RefusedCall(
            uuid7(at_us),
            workshop.company.id,
            project_id,
            made.record.id,
            "m",
            at_us,
            status,
            "insufficient_quota",
            "",
            (),
        )
        for at_us in (now_us() - age_us for age_us in ages_us)
    ]
    await RefusedCalls(workshop.store).insert_refusals(found)


async def test_calls_that_limits_refused_today_are_said_and_led_to(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Limits refused" not in await overview(workshop)
    await refuse(workshop, workshop.search.id, ages_us=(0, 1000, 86_400_000_000, 2 * 86_400_000_000))
    await refuse(workshop, workshop.ops.id)
    await refuse(workshop, workshop.search.id, status=403)
    page = await overview(workshop)
    assert "Limits refused 3 calls today." in page
    address = re.search(r'href="(/[^"]+/calls[?][^"]+)"', page)
    assert address is not None
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    listed = (await browser.open(address[1].replace("&amp;", "&"))).text
    assert len(re.findall(r"/calls/req_[0-9a-f]{32}", listed)) == 3
    assert "Limits refused 2 calls today." in await overview(workshop, workshop.lead), "of what they may see"
    assert "Limits refused" not in await overview(workshop, workshop.viewer), "who sees totals sees no single calls"
    monkeypatch.setattr(refused_calls, "COUNTED_MAX", 2)
    assert re.search("Limits refused at least [12] calls? today[.]", await overview(workshop))


async def test_what_cost_most_this_month_says_so_and_leads_to_this_month(store: Store) -> None:
    ledger = await open_ledger(store)
    await ledger.add([now_us()], seed=1)
    page = await overview(ledger.workshop)
    assert "Top models this month" in page
    month = window_at("monthly", now_us(), "Asia/Seoul")
    figures = Figures("en", "Asia/Seoul")
    first, today = (figures.local(at_us).date().isoformat() for at_us in (month.start_us, now_us()))
    links = re.findall(r'/usage[?]by=(\w+)&amp;from=([0-9-]+)&amp;to=([0-9-]+)"', page)
    assert {each[1:] for each in links} == {(first, today)}
    assert {each[0] for each in links} == {"model", "project", "key", "member"}


def test_long_amounts_are_marked_to_be_written_smaller_where_amounts_stand_large() -> None:
    figures = Figures("en", "UTC")
    for nanos in (1, 225_000, 123_456 * USD):
        assert "data-long" in figures.usd(nanos), nanos
    for nanos in (0, 101 * USD, 1_234 * USD // 100):
        assert "data-long" not in figures.usd(nanos), nanos
