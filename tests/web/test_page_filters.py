"""Filters of pages: chosen on the page, said with names, taken away one by one; a wrong one is told beside the form, which stays."""

from __future__ import annotations

import random
import re
from datetime import date
from html import unescape
from itertools import product
from urllib.parse import parse_qs, parse_qsl, urlencode

import pytest
from tests.analytics.ledger import DAY_US, Ledger, open_ledger
from tests.web.visitors import amounts, browser_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

_CHIP = re.compile(
    r'<span class="chip"><span class="quiet">([^<]*)</span> <bdi>([^<]*)</bdi> <a href="([^"]*)" aria-label="([^"]*)">'
)


@pytest.fixture
async def busy(store: Store) -> Ledger:
    ledger, dice, at_us = await open_ledger(store), random.Random(4), now_us()
    await ledger.add([at_us - dice.randrange(14 * DAY_US) for _ in range(80)], seed=1)
    return ledger


def options_of(page: str, word: str) -> dict[str, str]:
    """Return the values that a filter offers, with their names."""
    field = re.search(rf'<select id="choose-{word}".*?</select>', page, re.DOTALL)
    return dict(re.findall(r'<option value="([^"]*)">([^<]*)</option>', field[0])) if field else {}


def hidden_in(page: str) -> list[tuple[str, str]]:
    return [
        (str(each["name"]), str(each["value"])) for each in Markup(page).all("input") if each.get("type") == "hidden"
    ]


async def test_filters_are_chosen_on_the_page_out_of_what_the_days_calls_have(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    path = f"/{busy.id}/usage"
    assert "choose-" not in (await browser.open(path)).text
    page = (await browser.open(f"{path}?choose=1")).text
    columns = {"model": "model", "project": "project_id", "team": "team_id", "key": "api_key_id"}
    columns |= {"member": "member_id", "provider": "provider", "operation": "operation"}
    for word, column in columns.items():
        offered = options_of(page, word)
        assert {*offered} - {""} == {call.value(column) for call in busy.calls} - {""}, word
        assert not any(name.startswith(("key_", "proj_", "team_", "mem_")) for name in offered.values()), word
    page = (await browser.open(f"{path}?choose=1&from=2020-01-01&to=2020-01-02")).text
    assert options_of(page, "model") == {"": "any"}, "in those days there was nothing"


async def test_a_page_of_very_many_filters_is_no_larger_than_they_are(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    for (count, length), page in product(((490, 100), (25, 2_000), (31, 4)), ("usage", "calls", "calls?shown=refused")):
        wanted = [("provider", f"{number}".ljust(length, "p")) for number in range(count)]
        address = urlencode(wanted)
        answer = await browser.open(f"/{busy.id}/{page}{'&' if '?' in page else '?'}{address}")
        assert len(answer.text) < 100_000 + 12 * len(address), (page, count)
        assert "Without any filter</a>" in answer.text
        assert _CHIP.findall(answer.text) == [], "none is taken away alone"
        assert {*hidden_in(answer.text)} >= {*wanted} or page != "usage", "the form takes them along"
        assert ("and 460 more" in answer.text) == (count == 490)


async def test_a_filter_that_holds_stands_there_by_its_name_and_is_taken_away_alone(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    workshop, path = busy.workshop, f"/{busy.id}/usage"
    asked = f"by=key&project={workshop.search.id}&model=gpt-4o&model=claude&key={busy.keys['search'].id}"
    asked += f"&team={workshop.team.id}&member="
    page = (await browser.open(f"{path}?{asked}&done=saved")).text
    chips = _CHIP.findall(page)
    assert [(title, name) for title, name, _address, _said in chips] == [
        ("Model", "gpt-4o"),
        ("Model", "claude"),
        ("Project", workshop.search.name),
        ("Team", workshop.team.name),
        ("API key", busy.keys["search"].name),
    ]
    kept = [("by", "key"), ("project", workshop.search.id), ("model", "claude"), ("key", busy.keys["search"].id)]
    kept += [("team", workshop.team.id)]
    assert parse_qsl(unescape(chips[0][2]).removeprefix("?")) == kept, "the one model goes, all else stays"
    assert {*hidden_in(page)} >= {*kept[1:], ("model", "gpt-4o")}, "the form takes them along"
    expected = sum(
        call.record.amount_nanos or 0
        for call in busy.calls
        if call.value("model") in {"gpt-4o", "claude"} and call.value("api_key_id") == busy.keys["search"].id
    )
    assert amounts(page)[-1] == expected


async def test_a_filter_names_nothing_to_who_may_not_see_it(busy: Ledger) -> None:
    workshop = busy.workshop
    developer = await browser_of(faces_of(workshop.store), workshop.company, workshop.developer)
    page = (await developer.open(f"/{busy.id}/usage?project={workshop.ops.id}")).text
    assert [name for _title, name, *_rest in _CHIP.findall(page)] == [workshop.ops.id]
    assert f">{workshop.ops.name}<" not in page


async def test_the_name_of_a_label_can_be_written_before_anything_was_refused(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    page = (await browser.open(f"/{busy.id}/usage")).text
    assert 'data-shown-by="by=label"' in page
    assert 'name="label"' in page


async def test_a_label_to_group_by_is_named_on_the_page(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    path = f"/{busy.id}/usage"
    refused = await browser.open(f"{path}?by=label&label=")
    assert refused.status_code == 400
    assert 'name="label"' in refused.text
    assert "Write the name of the label" in refused.text
    named = (await browser.open(f"{path}?by=label&label=feature")).text
    linked = (await browser.open(f"{path}?by=label:feature")).text
    assert amounts(named) == amounts(linked) != []
    assert '<option value="label" selected>' in linked
    assert 'name="label" placeholder="feature" value="feature"' in linked
    files = [await browser.open(f"{path}.csv?{query}") for query in ("by=label&label=feature", "by=label:feature")]
    assert files[0].text == files[1].text


def is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("page", "field"),
    [
        ("usage?from=2026-13-01&to=2026-11-02&by=team", "from"),
        ("usage?from=2026-11-01&to=2026-11-31&by=team", "to"),
        ("calls?from=someday&model=gpt-4o", "from"),
        ("calls?cost_from=much", "cost_from"),
        ("calls?from=1900-01-01", "from"),
        ("calls?from=2026-11-20&to=2026-11-10", "to"),
        ("calls?text=a%20b%20c%20d%20e%20f%20g%20h%20i", "text"),
        ("audit?from=2026-11-20&to=2026-11-10", "to"),
        ("audit?from=2200-01-01", "from"),
        ("audit?to=someday", "to"),
        (f"audit?actor={'a' * 65}", "actor"),
        ("reports/preview?kind=monthly&day=2026-02-30", "day"),
        ("reports/preview?kind=monthly&day=2098-01-01", "day"),
    ],
)
async def test_a_wrong_day_is_told_beside_the_form_that_it_was_written_in(busy: Ledger, page: str, field: str) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    answer = await browser.open(f"/{busy.id}/{page}")
    assert answer.status_code == 400
    form = next(
        each
        for each in re.findall(r'<form class="filters row".*?</form>', answer.text, re.DOTALL)
        if 'id="wrong"' in each
    )
    assert 'role="alert"' in form
    marked = [each["name"] for each in Markup(form).all("input") if each.get("aria-invalid") == "true"]
    assert marked == [field]
    kinds = {each["name"]: each.get("type") for each in Markup(form).all("input")}
    assert kinds[field] != "date" or is_day(parse_qs(page.partition("?")[2])[field][0]), (
        "a field for days would show nothing of what was written"
    )
    written = dict(parse_qsl(page.partition("?")[2]))
    values = {each["name"]: each.get("value") for each in Markup(form).all("input")}
    assert values[field] == written[field]
    for kept in {"by", "kind"} & {*written}:
        assert f'<option value="{written[kept]}" selected>' in form
