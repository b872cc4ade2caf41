"""The pages of reports: what a preview says is what calls came to, settings are kept, sending says what it needs."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from tests.analytics.ledger import Ledger, open_ledger
from tests.web.visitors import amounts, browser_of, faces_of

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.domain.window import window_at
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

ZONE = "Asia/Seoul"


@pytest.fixture
async def busy(store: Store) -> Ledger:
    ledger, dice = await open_ledger(store), random.Random(6)
    this_week = window_at("weekly", now_us(), ZONE)
    last_week = window_at("weekly", this_week.start_us - 1, ZONE)
    moments = [dice.randrange(last_week.start_us, this_week.start_us) for _ in range(80)]
    await ledger.add(moments, seed=2)
    return ledger


async def test_a_preview_of_the_last_week_says_what_its_calls_cost(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/reports/preview?kind=weekly")).text
    cost = sum(call.record.amount_nanos or 0 for call in busy.calls)
    assert amounts(page)[0] == cost
    assert "preview" in page
    assert "search" in page


async def test_a_week_that_is_not_over_and_a_day_that_is_none_are_refused(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    tomorrow = date.today() + timedelta(days=1)  # noqa: DTZ011
    for query in (f"kind=weekly&day={tomorrow}", "kind=weekly&day=someday", "kind=hourly"):
        assert (await browser.open(f"/{busy.id}/reports/preview?{query}")).status_code == 400


async def test_what_is_sent_when_is_kept(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    path = f"/{busy.id}/reports"
    saved = await browser.send(path, {"weekly": "1", "weekday": "tuesday", "hour": "8"})
    assert saved.status_code == 303
    page = (await browser.open(path)).text
    assert '<option value="tuesday" selected>' in page
    assert 'value="8"' in page
    assert (await browser.send(path, {"weekday": "tuesday", "hour": "24"})).status_code == 400


async def test_a_report_is_sent_once_per_form_and_listed_with_whom_it_went_to(busy: Ledger) -> None:
    rules = AccountRules(sends_email=True)
    browser = await browser_of(faces_of(busy.workshop.store, rules=rules), busy.workshop.company, busy.workshop.admin)
    seen = (await browser.open(f"/{busy.id}/reports/preview?kind=weekly")).text
    day = seen.partition('name="day" value="')[2].partition('"')[0]
    fields = {"kind": "weekly", "day": day}
    first = await browser.send(f"/{busy.id}/reports/send", fields, seen=seen)
    again = await browser.send(f"/{busy.id}/reports/send", fields, seen=seen)
    assert first.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    assert len(await busy.workshop.company.events("report.send")) == 1
    listed = (await browser.open(f"/{busy.id}/reports")).text
    assert busy.workshop.admin.email in listed


async def test_before_it_is_sent_a_report_says_to_whom_it_goes(busy: Ledger) -> None:
    rules = AccountRules(sends_email=True)
    browser = await browser_of(faces_of(busy.workshop.store, rules=rules), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/reports/preview?kind=weekly")).text
    assert "Sent now, it goes to 1 person:" in page
    assert f">{busy.workshop.admin.email}</span>" in page
    assert 'data-confirm="Send this report to 1 person now?"' in page
    without = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await without.open(f"/{busy.id}/reports/preview?kind=weekly")).text
    assert "Sent now" not in page


async def test_a_report_of_a_time_without_calls_is_not_sent(busy: Ledger) -> None:
    rules = AccountRules(sends_email=True)
    browser = await browser_of(faces_of(busy.workshop.store, rules=rules), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/reports/preview?kind=weekly&day=2020-05-05")).text
    assert "such a report is not sent" in page
    assert "/reports/send" not in page
    refused = await browser.send(f"/{busy.id}/reports/send", {"kind": "weekly", "day": "2020-05-05"}, seen=page)
    assert refused.status_code in {403, 409}
    assert await busy.workshop.company.events("report.send") == []


async def test_who_reads_less_than_everything_reads_no_report(busy: Ledger) -> None:
    for person in (busy.workshop.viewer, busy.workshop.developer):
        browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, person)
        assert (await browser.open(f"/{busy.id}/reports/preview")).status_code == 403
        assert (await browser.send(f"/{busy.id}/reports/send", {"kind": "weekly", "day": ""})).status_code == 403
