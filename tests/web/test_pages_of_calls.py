"""The pages of calls: those that are looked for, within what a person may see, and one opened with all that is kept of it."""

from __future__ import annotations

import random
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.analytics.ledger import DAY_US, Known, Ledger, open_ledger, us
from tests.web.visitors import amounts, browser_of, faces_of

from tollkeeper.control.organizations import update_organization
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.price import PriceRow
from tollkeeper.domain.usage import ChargeLine, CostState
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store
from tollkeeper.store.prices import insert_prices

LINES = (("input", 150_000, 1_650), ("output", 600_000, 14_500))


@pytest.fixture
async def busy(store: Store) -> Ledger:
    ledger, dice, at_us = await open_ledger(store), random.Random(8), now_us()
    await ledger.add([at_us - dice.randrange(3 * DAY_US) for _ in range(60)], seed=3)
    return ledger


def ids_on(html: str) -> list[str]:
    return re.findall(r"/calls/(req_[0-9a-f]{32})", html)


def id_of(call: Known) -> str:
    return f"req_{call.record.call_id.hex()}"


async def test_calls_are_listed_newest_first_and_looked_further_back_for(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    first = (await browser.open(f"/{busy.id}/calls")).text
    further = re.search(r'href="\?([^"]*after=[^"]+)"', first)
    assert further is not None
    second = (await browser.open(f"/{busy.id}/calls?{further[1].replace('&amp;', '&')}")).text
    every = sorted((id_of(call) for call in busy.calls), reverse=True)
    assert ids_on(first) + ids_on(second) == every


async def test_filters_find_what_they_say(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    wanted = busy.calls[7]
    by_id = (await browser.open(f"/{busy.id}/calls?text={id_of(wanted)}")).text
    assert ids_on(by_id) == [id_of(wanted)]
    by_model = (await browser.open(f"/{busy.id}/calls?model=gpt-4o")).text
    assert {*ids_on(by_model)} == {id_of(call) for call in busy.calls if call.value("model") == "gpt-4o"}
    for wrong in ("text=req_none", "status=teapot", "cost_from=much", "from=someday", "after=zz"):
        assert (await browser.open(f"/{busy.id}/calls?{wrong}")).status_code == 400, wrong


async def test_a_call_is_opened_with_its_cost_to_the_nano(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    for call in busy.calls[:10]:
        page = await browser.open(f"/{busy.id}/calls/{id_of(call)}")
        assert page.status_code == 200
        if call.record.amount_nanos is not None:
            assert amounts(page.text)[0] == call.record.amount_nanos
        assert len(re.findall(r'<th scope="row">\d\. ', page.text)) == 8
        assert "object at" not in page.text


async def test_the_lines_of_a_call_add_up_as_they_stand_there(busy: Ledger) -> None:
    lines = tuple(ChargeLine(name, 1, price, amount, "x") for name, price, amount in LINES)
    page = await open_timed(busy, lines=lines, amount_nanos=16_150, cost_state=CostState.COMPUTED)
    (table,) = re.findall(r"What it cost, line by line.*?</table>", page, re.DOTALL)
    shown = [Decimal(each) for each in re.findall(r'<data class="usd"[^>]*>\$([0-9.]+)</data>', table)]
    assert shown == [Decimal("0.00000165"), Decimal("0.0000145"), Decimal("0.00001615")]
    assert '<span class="tag"><data class="usd" value="16150">$0.00001615</data>' in page


async def open_timed(busy: Ledger, **times: Any) -> str:
    """Add a call with such times, and return its page."""
    at_us = now_us()
    record = msgspec.structs.replace(busy.make(random.Random(5), at_us).record, call_id=uuid7(at_us), **times)
    await busy.workshop.store.insert_usage([record], slot="timed")
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = await browser.open(f"/{busy.id}/calls/req_{record.call_id.hex()}")
    assert page.status_code == 200
    return str(page.text)


async def test_each_step_has_a_bar_that_begins_where_the_last_one_ends(busy: Ledger) -> None:
    page = await open_timed(busy, latency_us=1_000, overhead_us=300, steps_us=(100, 50, 0, 100, 50, 0))
    bars = re.findall(r'class="used" x="(\d+)" width="(\d+)"', page)
    assert [(int(x), int(width)) for x, width in bars] == [
        (0, 100), (100, 50), (150, 0), (150, 100), (250, 50), (300, 700), (994, 0),
    ]  # fmt: skip
    assert "style=" not in page.partition("Its steps")[2]
    assert "its own time cannot be in it" in page
    assert "timed together" not in page


async def test_a_line_says_whose_price_it_is_and_since_when(busy: Ledger) -> None:
    store, since_us = busy.workshop.store, us("2026-11-02", busy.workshop.company.organization.timezone)
    own = PriceRow("price_0mine", busy.id, "openai", "gpt-4o", "input", "standard", 0, 1, since_us)
    foreign = msgspec.structs.replace(own, id="price_0theirs", organization_id="org_other")
    await store.write(lambda c: insert_prices(c, [own, foreign]))
    of = next(each.record for each in busy.calls if each.record.lines)
    sources = ("price_0mine (as input)", "price_0theirs", "genai-prices 0.2.3 gpt-4o")
    lines = tuple(msgspec.structs.replace(of.lines[0], source=each) for each in sources)
    page = await open_timed(busy, lines=lines, amount_nanos=3 * of.lines[0].amount_nanos)
    assert page.count("own price, since") == 1
    assert "2026-11-02" in page.partition("own price, since")[2][:200]
    assert 'title="price_0mine (as input)"' in page
    assert "price list: <a href=" in page


@pytest.mark.parametrize("latency_us", [0, 1, 5, 6, 10**15])
async def test_bars_stay_within_their_frame_whatever_a_record_says(busy: Ledger, latency_us: int) -> None:
    page = await open_timed(busy, latency_us=latency_us, overhead_us=0, steps_us=(2**40, 7, 0, 0, 0, 1))
    bars = re.findall(r'class="used" x="(\d+)" width="(\d+)"', page)
    assert len(bars) == 7
    assert all(int(x) + int(width) <= 1_000 for x, width in bars)


async def test_a_call_whose_steps_nobody_timed_says_so(busy: Ledger) -> None:
    page = await open_timed(busy, latency_us=1_000, overhead_us=300, steps_us=())
    assert "Our own steps were timed together" in page
    assert "meter step" not in page


async def test_nobody_finds_or_opens_what_they_may_not_see(busy: Ledger) -> None:
    faces = faces_of(busy.workshop.store)
    viewer = await browser_of(faces, busy.workshop.company, busy.workshop.viewer)
    assert (await viewer.open(f"/{busy.id}/calls")).status_code == 403
    lead = await browser_of(faces, busy.workshop.company, busy.workshop.lead)
    seen = ids_on((await lead.open(f"/{busy.id}/calls")).text)
    team = {id_of(call) for call in busy.calls if call.team_id == busy.workshop.team.id}
    assert {*seen} <= team
    foreign = next(call for call in busy.calls if call.team_id != busy.workshop.team.id)
    assert (await lead.open(f"/{busy.id}/calls/{id_of(foreign)}")).status_code == 404


async def test_amounts_stand_in_the_organizations_currency_too_with_its_rate(busy: Ledger) -> None:
    currency = DisplayCurrency("KRW", 1_400_000_000, "2026-11-20", "Bank of Korea")
    company = busy.workshop.company
    await company.change(None, update_organization, company.id, display_currency=currency)
    browser = await browser_of(faces_of(busy.workshop.store), company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/overview")).text
    assert "₩" in page
    assert msgspec.structs.asdict(currency)["source"] in page
    assert "1 USD = 1400 KRW on 2026-11-20" in page


async def test_the_currency_is_chosen_on_the_settings_page_and_taken_away_again(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    path = f"/{busy.id}/settings"
    fields = {"do": "currency", "code": "krw", "rate": "1,385.25", "rate_date": "2026-11-20", "source": "Bank of Korea"}
    assert (await browser.send(path, fields)).status_code == 303
    assert 'value="1385.25"' in (await browser.open(path)).text
    for wrong in ({"rate": "much"}, {"code": "XXQ"}, {"rate_date": "someday"}, {"source": ""}):
        assert (await browser.send(path, fields | wrong)).status_code == 400, wrong
    await browser.send(path, {"do": "currency", "code": ""})
    assert "₩" not in (await browser.open(f"/{busy.id}/overview")).text
