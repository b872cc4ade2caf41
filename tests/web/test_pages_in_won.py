"""Amounts of an organization that shows another currency: beside the dollars on every page, with the rate said once."""

from __future__ import annotations

import random
import re

import pytest
from tests.analytics.ledger import DAY_US, Ledger, open_ledger
from tests.web.visitors import browser_of, content_of, faces_of

from tollkeeper.control.credits import GrantTerms, grant_credit
from tollkeeper.control.display_currency import show_amount
from tollkeeper.control.organizations import update_organization
from tollkeeper.domain.credit import GrantKind
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

WON = DisplayCurrency("KRW", 1_385_250_000, "2026-11-20", "한국은행")
RATE = "1 USD = 1385.25 KRW on 2026-11-20 (한국은행)"
_IN_CELLS = re.compile(
    r'<(?:td class="number"|p class="big")><data class="usd" value="(-?\d+)"[^>]*>[^<]*</data>(?: <span class="shown">≈ ([^<]*)</span>)?'
)

_ANYWHERE = re.compile(
    r'<data class="usd" value="(-?\d+)"[^>]*>[^<]*</data>(?: <span class="(shown|also)">\(?≈ ([^<)]*)\)?</span>)?'
)


@pytest.fixture
async def busy(store: Store) -> Ledger:
    ledger, dice, at_us = await open_ledger(store), random.Random(4), now_us()
    await ledger.add([at_us - dice.randrange(14 * DAY_US) for _ in range(60)], seed=1)
    await ledger.workshop.company.budget(ledger.workshop.search.id, 500)
    terms = GrantTerms(amount_nanos=50 * 10**9, kind=GrantKind.PURCHASED)
    await ledger.workshop.company.change(None, grant_credit, ledger.id, terms=terms)
    return ledger


def pages_of(ledger: Ledger) -> list[str]:
    call = next(each.record for each in ledger.calls if each.record.lines)
    return [
        "overview",
        "usage?compare=1",
        "usage?by=member",
        "calls",
        f"calls/req_{call.call_id.hex()}",
        "budgets",
        "credits",
        f"keys/{ledger.keys['search'].id}",
        "reports/preview?kind=weekly",
    ]


async def test_every_amount_in_a_table_or_tile_stands_in_the_other_currency_too_and_the_rate_once(busy: Ledger) -> None:
    workshop = busy.workshop
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    for path in pages_of(busy):
        page = content_of((await browser.open(f"/{busy.id}/{path}")).text)
        assert 'class="shown"' not in page, f"{path}: dollars alone, as long as nothing else is chosen"
    await workshop.company.change(workshop.admin, update_organization, busy.id, display_currency=WON)
    for path in pages_of(busy):
        page = content_of((await browser.open(f"/{busy.id}/{path}")).text)
        found = _IN_CELLS.findall(page)
        assert len(found) > 1, path
        for nanos, shown in found:
            assert shown == show_amount(int(nanos), WON, "en").text, path
        assert page.count(RATE) == 1, path
        assert RATE in page[page.rindex('class="shown"') :], f"{path}: at the foot"
    for path in ("people", "roles", "settings"):
        assert RATE not in (await browser.open(f"/{busy.id}/{path}")).text, f"{path} has no such amount"


async def test_amounts_in_sentences_and_beside_bars_stand_in_the_other_currency_too(busy: Ledger) -> None:
    workshop = busy.workshop
    await workshop.company.budget(busy.id, 1_000)
    await workshop.company.change(workshop.admin, update_organization, busy.id, display_currency=WON)
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    sentences = 0
    for path in (
        "overview",
        "budgets",
        "credits",
        "projects",
        f"projects/{workshop.search.id}",
        "reports/preview?kind=monthly",
    ):
        page = content_of((await browser.open(f"/{busy.id}/{path}")).text)
        found = _ANYWHERE.findall(page)
        assert found, path
        for nanos, kind, shown in found:
            assert shown == show_amount(int(nanos), WON, "en").text, path
            sentences += kind == "also"
        assert page.count(RATE) == 1, path
    assert sentences > 4


async def test_a_budgets_own_page_says_what_is_left_in_the_other_currency(busy: Ledger) -> None:
    workshop = busy.workshop
    await workshop.company.change(workshop.admin, update_organization, busy.id, display_currency=WON)
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    listed = (await browser.open(f"/{busy.id}/budgets")).text
    address = re.search(r"/budgets/bud\w+", listed)
    assert address is not None
    page = (await browser.open(f"/{busy.id}{address[0]}")).text
    assert "≈ ₩692,625" in page  # of 500 dollars
    assert page.count(RATE) == 1


async def test_the_playground_says_costs_in_the_other_currency_and_at_what_rate(busy: Ledger) -> None:
    workshop = busy.workshop
    await workshop.company.change(workshop.admin, update_organization, busy.id, display_currency=WON)
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    path = f"/{busy.id}/playground"
    begun = await browser.send(path, {"do": "start", "project": workshop.search.id})
    assert RATE in begun.text
    fields = {"model": "gpt-4o-mini", "system": "", "message": "x" * 400, "max_tokens": "1000000"}
    told = (await browser.send(f"{path}/estimate", fields, seen=begun.text)).json()
    assert f"(≈ {show_amount(told['nanos'], WON, 'en').text})" in told["estimate"]
    record = next(each.record for each in busy.calls if each.record.amount_nanos)
    told = (await browser.open(f"{path}/cost?call=req_{record.call_id.hex()}")).json()
    assert f"(≈ {show_amount(record.amount_nanos or 0, WON, 'en').text})" in told["cost"]
