"""The pages of refused calls: found beside those that went out, within what a person may see, and opened with their limits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.calls.test_refused_calls import BUDGET
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import found_company
from tests.web.visitors import browser_of, content_of, faces_of

from tollkeeper.control.budgets import Terms, set_budget
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store
from tollkeeper.store.refused_calls import RefusedCalls
from tollkeeper.web.refused_calls import FULL, REASONS


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def refuse(
    workshop: Workshop,
    project_id: str,
    count: int = 1,
    model: str = "gpt-4o",
    limit: Any = BUDGET,
    code: str = "insufficient_quota",
) -> list[str]:
    """Add refused calls of a project; returns their ids, newest first."""
    made = await workshop.service(name=f"{model} {count}", project_id=project_id)
    found = [
        RefusedCall(uuid7(at_us), workshop.company.id, project_id, made.record.id, model, at_us, 429,
                    code, "Monthly budget of $5 exceeded.",
                    limit if isinstance(limit, tuple) else (limit,))
        for at_us in (now_us() - number * 1_000_000 for number in range(count))
    ]  # fmt: skip
    await RefusedCalls(workshop.store).insert_refusals(found)
    return [f"req_{each.call_id.hex()}" for each in found]


def ids_on(html: str) -> list[str]:
    return re.findall(r"/calls/(req_[0-9a-f]{32})", html)


async def test_refused_calls_are_listed_with_reason_and_limit_page_by_page(workshop: Workshop) -> None:
    every = await refuse(workshop, workshop.search.id, 60)
    browser, home = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin), workshop.company.id
    assert 'href="/' + home + '/calls?shown=refused"' in (await browser.open(f"/{home}/calls")).text
    first = (await browser.open(f"/{home}/calls?shown=refused")).text
    assert "it does not fit into this budget: $0.000000026 needed, $0.00 left" in first
    assert "검색" in first
    further = re.search(r'href="\?([^"]*after=[^"]+)"', first)
    assert further is not None
    second = (await browser.open(f"/{home}/calls?{further[1].replace('&amp;', '&')}")).text
    assert ids_on(first) + ids_on(second) == every
    by_model = (await browser.open(f"/{home}/calls?shown=refused&model=none")).text
    assert ids_on(by_model) == []
    assert "No refused calls found" in by_model
    for wrong in ("provider=openai", "text=feature=chat", "cost_from=1", "after=zz", "text=req_x"):
        assert (await browser.open(f"/{home}/calls?shown=refused&{wrong}")).status_code == 400, wrong


async def test_the_id_alone_finds_and_opens_a_refused_call(workshop: Workshop) -> None:
    (reference,) = await refuse(workshop, workshop.search.id)
    browser, home = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin), workshop.company.id
    assert ids_on((await browser.open(f"/{home}/calls?text={reference}")).text) == [reference]
    opened = await browser.open(f"/{home}/calls/{reference}")
    assert opened.status_code == 200
    for words in (
        "Monthly budget of $5 exceeded.",
        "refused it",
        "never sent",
        f"{FULL['budget']}: $0.000000026 needed",
        "$5",
    ):
        assert words in opened.text, words
    nothing = (await browser.open(f"/{home}/calls?text=req_{'0' * 32}")).text
    assert "No calls found" in nothing


def a_limit(**changed: object) -> dict[str, object]:
    return {**BUDGET, **changed}


async def test_the_reason_tells_budget_quota_and_credit_apart_and_what_was_missing(workshop: Workshop) -> None:
    browser, home = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin), workshop.company.id
    for limit, told in (
        (a_limit(limit=40 * 10**9, used=12 * 10**9, left=None, reserved=10**9, needed=30 * 10**9),
         f"{FULL['budget']}: $30.00 needed, $27.00 left"),
        (a_limit(unit="tokens", limit=5000, used=4000, left=1000, needed=1200), f"{FULL['quota']}: 1,200 needed, 1,000 left"),
        (a_limit(unit="requests", limit=100, used=401, left=-301, needed=1), f"{FULL['quota']}: 1 needed, 0 left"),
        (a_limit(scope_kind="credit", period="total", left=None, used=None, limit=None), FULL["credit"]),
        (a_limit(is_decisive=False), REASONS["insufficient_quota"]),
    ):  # fmt: skip
        (reference,) = await refuse(workshop, workshop.search.id, limit=limit)
        assert f"<dd>{told}</dd>" in (await browser.open(f"/{home}/calls/{reference}")).text


async def test_a_limit_leads_to_its_budget_for_who_may_open_it(workshop: Workshop) -> None:
    terms = Terms(10**9, "monthly", is_carried_over=False)
    own = await workshop.company.change(workshop.admin, set_budget, workshop.search.id, terms=terms)
    whole = await workshop.company.change(workshop.admin, set_budget, workshop.company.id, terms=terms)
    limits = (a_limit(budget_id=own.id), a_limit(budget_id=whole.id, is_decisive=False), a_limit(budget_id="bud_gone"))
    (reference,) = await refuse(workshop, workshop.search.id, limit=limits)
    faces, home = faces_of(workshop.store), workshop.company.id
    for person in (workshop.admin, workshop.lead):
        browser = await browser_of(faces, workshop.company, person)
        page = (await browser.open(f"/{home}/calls/{reference}")).text
        for budget_id in (own.id, whole.id, "bud_gone"):
            opened = (await browser.open(f"/{home}/budgets/{budget_id}")).status_code == 200
            assert (f'href="/{home}/budgets/{budget_id}"' in page) == opened, (person.email, budget_id)
        assert f"/budgets/{own.id}" in page


async def test_nobody_sees_refused_calls_that_are_not_theirs(workshop: Workshop) -> None:
    (reference,) = await refuse(workshop, workshop.ops.id)
    faces, home = faces_of(workshop.store), workshop.company.id
    other = await found_company(workshop.store, "Globex")
    for person, status in ((workshop.viewer, 403), (workshop.lead, 200), (workshop.developer, 200)):
        browser = await browser_of(faces, workshop.company, person)
        listed = await browser.open(f"/{home}/calls?shown=refused")
        assert (listed.status_code, ids_on(listed.text)) == (status, [])
        assert (await browser.open(f"/{home}/calls/{reference}")).status_code == 404
        assert (await browser.open(f"/{other.id}/calls?shown=refused")).status_code == 404
    admin = await browser_of(faces, workshop.company, workshop.admin)
    assert ids_on((await admin.open(f"/{home}/calls?shown=refused")).text) == [reference]


async def test_names_from_outside_stay_text(workshop: Workshop) -> None:
    (reference,) = await refuse(workshop, workshop.search.id, model="<script>alert(1)</script>")
    browser, home = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin), workshop.company.id
    for path in ("calls?shown=refused", f"calls/{reference}"):
        page = content_of((await browser.open(f"/{home}/{path}")).text)
        assert "&lt;script&gt;alert" in page
        assert "<script>alert" not in page


async def test_a_reason_that_a_newer_server_wrote_down_stays_text(workshop: Workshop) -> None:
    (reference,) = await refuse(workshop, workshop.search.id, code="<b>unheard_of</b>")
    browser, home = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin), workshop.company.id
    for path in ("calls?shown=refused", f"calls/{reference}"):
        assert "&lt;b&gt;unheard_of&lt;/b&gt;" in content_of((await browser.open(f"/{home}/{path}")).text)
