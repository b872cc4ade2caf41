"""The page of own prices: previewed to the nano, added once, for the organization alone, and not where credit is sold."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest
from tests.analytics.ledger import us
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.test_page_forms import HOSTILE
from tests.web.visitors import Browser, amounts, browser_of, content_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.own_prices import RowState, add_price, list_own
from tollkeeper.control.prices import add_prices
from tollkeeper.domain.errors import Conflict
from tollkeeper.domain.price import PriceRow
from tollkeeper.prices.drafts import PriceDraft
from tollkeeper.store import prices
from tollkeeper.store.engine import Store

FIELDS = {
    "provider": "openai",
    "model": "gpt-4o-mini",
    "dimension": "input",
    "usd_per_million": "0.12",
    "note": "contract 2027",
}


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person, *, rules: AccountRules | None = None) -> tuple[Browser, str]:
    faces = faces_of(workshop.store, rules=rules)
    return await browser_of(faces, workshop.company, person), f"/{workshop.company.id}/models/prices"


async def rows_of(workshop: Workshop) -> list[PriceRow]:
    return await workshop.store.read(lambda c: prices.list_prices(c, workshop.company.id))


async def test_a_price_is_previewed_to_the_nano_and_nothing_is_added_by_that(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    call = {"do": "preview", "input_tokens": "1,000", "output_tokens": "500"}
    page = (await browser.send(path, FIELDS | call)).text
    # list prices: 0.15 and 0.60 dollars for a million; 1000 and 500 of them
    assert amounts(page) == [150_000 + 300_000, 120_000 + 300_000]
    assert "$0.15" in page
    assert 'value="contract 2027"' in page
    assert 'value="1,000"' in page
    assert await rows_of(workshop) == []
    searched = FIELDS | {"dimension": "web_search", "usd_per_million": "25000", "do": "preview", "units": "3"}
    assert amounts((await browser.send(path, searched)).text)[1] - 450_000 == 75_000_000
    begun = FIELDS | {"model": "gpt-4o-m*", "do": "preview"}
    assert "openai/gpt-4o-mini" in (await browser.send(path, begun)).text
    unknown = FIELDS | {"provider": "local", "model": "llama3", "do": "preview"}
    page = (await browser.send(path, unknown)).text
    assert "no price is known for &#39;Output&#39;" in page
    assert "No provider of this name has list prices" in page


async def test_a_mistyped_model_is_added_with_a_warning_and_what_was_meant(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    mistyped = FIELDS | {"model": "gpt-4o-minni"}
    page = (await browser.send(path, mistyped | {"do": "preview"})).text
    assert "No known model has this name" in page
    assert "Did you mean gpt-4o-mini?" in page
    added = await browser.send(path, mistyped | {"do": "add"})
    assert added.headers["location"] == f"{path}?done=price-doubtful"
    page = (await browser.open(added.headers["location"])).text
    for words in ("though no known model has this name", "Did you mean gpt-4o-mini?", ">no known model<"):
        assert words in page
    for right in ({}, {"model": "gpt-4o-m*"}, {"provider": "local", "model": "gpt-4o-minni"}):
        added = await browser.send(path, FIELDS | right | {"do": "add"})
        assert added.headers["location"] == f"{path}?done=price-added", right
    beginning = await browser.send(path, FIELDS | {"model": "gbt-4*", "do": "add"})
    assert beginning.headers["location"] == f"{path}?done=price-doubtful"


async def test_a_moment_with_its_distance_from_utc_is_that_moment(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    await browser.send(path, FIELDS | {"do": "add", "valid_from": "2027-01-01T00:00Z"})
    (row,) = await rows_of(workshop)
    assert row.valid_from_us == us("2027-01-01", "UTC")


async def test_a_price_is_added_once_from_its_moment_on_and_logged(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    fields = FIELDS | {"do": "add", "valid_from": "2027-01-01T00:00"}
    page = (await browser.open(path)).text
    for _ in range(2):  # the same form sent twice
        assert (await browser.send(path, fields, seen=page)).headers["location"] == f"{path}?done=price-added"
    (row,) = await rows_of(workshop)
    zone = workshop.company.organization.timezone
    assert ZoneInfo(zone).key == "Asia/Seoul"
    assert (row.organization_id, row.price_pico, row.valid_from_us) == (
        workshop.company.id,
        120_000,
        us("2027-01-01", zone),
    )
    (event,) = await workshop.company.events("price.add")
    assert '"usd_per_million":"0.12"' in event.after
    assert await workshop.company.changes("price") == [row.id]
    page = (await browser.open(path)).text
    assert "later" in content_of(page)
    assert "contract 2027" in page
    assert ">2027-01-01 00:00<" in page


async def test_what_is_in_force_superseded_or_later_is_told(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    for price, begin in (("0.14", "2026-01-01T00:00"), ("0.13", ""), ("0.11", "2099-01-01T00:00")):
        sent = await browser.send(path, FIELDS | {"do": "add", "usd_per_million": price, "valid_from": begin})
        assert sent.status_code == 303, sent.text
    again = await browser.send(path, FIELDS | {"do": "add", "usd_per_million": "$0.13"})
    assert again.headers["location"] == f"{path}?done=price-there"
    found = await workshop.company.look(workshop.admin, list_own)
    assert [(each.row.price_pico, each.state) for each in found] == [
        (110_000, RowState.LATER),
        (130_000, RowState.IN_FORCE),
        (140_000, RowState.SUPERSEDED),
    ]
    assert {each.list_pico for each in found} == {150_000}
    page = (await browser.open(path)).text
    link = re.search(r'href="(\?provider=[^"]+)#add"', page)
    assert link is not None
    form = (await browser.open(path + link[1].replace("&amp;", "&"))).text
    assert 'name="model" required autocomplete="off" value="gpt-4o-mini"' in form


async def test_classes_and_tiers_are_offered_and_taken_by_their_titles(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    await browser.send("/account", {"do": "profile", "name": "김하나", "language": "ko", "theme": ""})
    form = (await browser.open(path)).text
    for title in ("입력", "출력", "캐시된 입력", "표준", "배치"):
        assert f'<option value="{title}"></option>' in form
    for dimension, tier in (("출력", "배치"), ("Output", "BATCH"), ("output", "batch")):
        wanted = FIELDS | {"do": "preview", "dimension": dimension, "tier": tier}
        shown = (await browser.send(path, wanted)).text
        assert f'name="dimension" list="dimensions" required autocomplete="off" value="{dimension}"' in shown or (
            'autocomplete="off" value="출력"' in shown
        )
        assert "gpt-4o-mini, 배치 ·" in shown
    added = await browser.send(path, FIELDS | {"do": "add", "dimension": "출력", "tier": "표준"})
    assert added.status_code == 303
    assert [(each.dimension, each.tier) for each in await rows_of(workshop)] == [("output", "standard")]
    refused = await browser.send(path, FIELDS | {"do": "add", "dimension": "골드"})
    said = refused.text.partition('role="alert"')[2].partition("</div>")[0]
    assert "&#39;골드&#39;: 과금 항목이 아닙니다. 다음 중에서 선택해 주십시오: 입력, 캐시된 입력" in said
    assert "input" not in said
    for wrong in ({"tier": "금!"}, {"model": "gpt 4*"}, {"usd_per_million": "1e3"}, {"valid_from": "1969-01-01T00:00"}):
        refused = await browser.send(path, FIELDS | {"do": "add"} | wrong)
        assert refused.text.partition('role="alert"')[2].partition("</p>")[0].endswith("."), wrong


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"usd_per_million": "-1"}, "out of range"),
        ({"usd_per_million": "0.0000001"}, "at most 6 decimals"),
        ({"usd_per_million": "2000000"}, "out of range"),
        ({"dimension": "inputs"}, "is none of"),
        ({"model": ""}, "is not a model"),
        ({"model": "gpt 4*"}, "is not a model"),
        ({"provider": "gemini"}, "are kept under the name"),
        ({"tier": "Standard!"}, "is not a tier"),
        ({"valid_from": "tomorrow"}, "A moment is written like"),
        ({"valid_from": "1969-01-01T00:00"}, "before 1970"),
        ({"context_over": "-5"}, "whole number"),
        ({"note": "x" * 501}, "at most 500"),
        ({"note": "a\nb"}, "printable"),
    ],
)
@pytest.mark.parametrize("does", ["add", "preview"])
async def test_a_price_that_cannot_be_is_told_on_the_form(
    workshop: Workshop, wrong: dict[str, str], told: str, does: str
) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    answer = await browser.send(path, FIELDS | {"do": does} | wrong)
    assert answer.status_code == 400
    assert told in answer.text
    assert 'role="alert"' in answer.text
    if "provider" not in wrong:
        assert 'value="openai"' in answer.text
    assert await rows_of(workshop) == []


async def test_who_manages_a_part_prices_nothing(workshop: Workshop) -> None:
    for person in (workshop.lead, workshop.developer, workshop.viewer):
        browser, path = await open_as(workshop, person)
        assert (await browser.open(path)).status_code == 403
        seen = (await browser.open("/account")).text
        for does in ("add", "preview"):
            assert (await browser.send(path, FIELDS | {"do": does}, seen=seen)).status_code == 403
    assert await rows_of(workshop) == []


async def test_where_the_operator_sells_credit_nobody_else_sets_what_it_pays_for(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin, rules=AccountRules(is_credit_operators=True))
    page = (await browser.open(path)).text
    assert "tollkeeper prices add" in page
    assert 'name="usd_per_million"' not in page
    seen = (await browser.open(f"/{workshop.company.id}/models/providers")).text
    for does in ("add", "preview"):
        assert (await browser.send(path, FIELDS | {"do": does}, seen=seen)).status_code == 403
    assert await rows_of(workshop) == []


async def test_a_price_is_the_organizations_alone(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    browser, path = await open_as(workshop, workshop.admin)
    await browser.send(path, FIELDS | {"do": "add"})
    assert await other.look(None, list_own) == []
    seen = (await browser.open(path)).text
    refused = await browser.send(f"/{other.id}/models/prices", FIELDS | {"do": "add"}, seen=seen)
    assert refused.status_code == 404
    assert await other.look(None, list_own) == []


async def test_a_price_for_everybody_stands_beneath_the_organizations_own(workshop: Workshop) -> None:
    await add_prices(workshop.store, [PriceDraft("openai", "gpt-4o-mini", "input", "0.10")])
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.send(path, FIELDS | {"do": "preview"})).text
    assert amounts(page) == [100_000 + 300_000, 120_000 + 300_000]


async def test_an_organization_adds_so_many_prices_and_no_more(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollkeeper.control import own_prices

    monkeypatch.setattr(own_prices, "ROWS_MAX", 1)
    draft = PriceDraft("openai", "gpt-4o", "input", "1")
    await workshop.company.change(workshop.admin, add_price, draft, is_operators=False)
    with pytest.raises(Conflict):
        await workshop.company.change(
            workshop.admin, add_price, PriceDraft("openai", "gpt-4o", "output", "1"), is_operators=False
        )


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_is_written_is_text(workshop: Workshop, text: str) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    await browser.send(path, FIELDS | {"do": "add", "note": text})
    refused = await browser.send(path, FIELDS | {"do": "add", "model": text, "dimension": text, "tier": text})
    for html in ((await browser.open(path)).text, refused.text):
        markup = Markup(html)
        assert not [each for _tag, each in markup.tags if any(word.startswith("on") for word in each)]
        assert not [each for tag, each in markup.tags if tag == "svg"]
        assert not [found for found in markup.texts["script"] if "owned" in found]
