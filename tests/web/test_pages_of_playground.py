"""The playground: its key is the person's own, short-lived and in one page; estimates are exact, costs are the record's."""

from __future__ import annotations

import re

import msgspec
import pytest
from tests.analytics.ledger import Ledger, open_ledger
from tests.keys.workshop import Workshop
from tests.tenancy.company import Person
from tests.web.test_page_forms import HOSTILE
from tests.web.visitors import OURS, Browser, browser_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import api_keys
from tollkeeper.control.playground import LIFE_S
from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.money import format_usd
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store


@pytest.fixture
async def ledger(store: Store) -> Ledger:
    return await open_ledger(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/playground"


def session_of(page: str) -> dict[str, str]:
    found = re.search(r'<script type="application/json" id="session">(.*?)</script>', page)
    assert found is not None
    session: dict[str, str] = msgspec.json.decode(found[1])
    return session


async def keys_of(workshop: Workshop) -> list[ApiKey]:
    found: list[ApiKey] = await workshop.company.look(None, api_keys.list_keys)
    return [each for each in found if each.name == "Playground"]


async def test_the_key_is_the_persons_own_chats_only_and_ends_by_itself(ledger: Ledger) -> None:
    workshop = ledger.workshop
    browser, path = await open_as(workshop, workshop.developer)
    page = (await browser.open(path)).text
    fields = {"do": "start", "project": workshop.search.id}
    first, again = await browser.send(path, fields, seen=page), await browser.send(path, fields, seen=page)
    session = session_of(first.text)
    assert session_of(again.text)["key"] == session["key"]
    assert first.headers["cache-control"] == "no-store"
    (key,) = await keys_of(workshop)
    assert (key.kind, key.member_id, key.project_id) == (
        KeyKind.MEMBER,
        workshop.developer.member_id,
        workshop.search.id,
    )
    assert key.permissions == {"chat:create"}
    assert key.expires_at_us is not None
    assert key.expires_at_us <= now_us() + LIFE_S * 1_000_000
    assert first.text.count(session["key"]) == 1
    assert session["key"] not in (await browser.open(path)).text
    ended = await browser.send(path, {"do": "end", "key": key.id, "once": "end1"}, seen=first.text)
    assert ended.headers["location"] == f"{path}?done=playground-ended"
    assert [each.state(now_us()) for each in await keys_of(workshop)] == ["disabled"]


async def test_nobody_makes_a_key_where_they_may_not_or_ends_anothers(ledger: Ledger) -> None:
    workshop = ledger.workshop
    viewer, path = await open_as(workshop, workshop.viewer)
    assert (await viewer.open(path)).status_code == 403
    developer, _ = await open_as(workshop, workshop.developer)
    started = await developer.send(path, {"do": "start", "project": workshop.ops.id})
    assert started.status_code == 404
    service = await workshop.service()
    others = await workshop.own(workshop.lead, name="Playground", permissions=frozenset({"chat:create"}))
    for key_id in (service.record.id, others.record.id, "key_none"):
        ended = await developer.send(path, {"do": "end", "key": key_id, "once": f"e{key_id[-4:]}"})
        assert ended.status_code == 404, key_id
    assert (await workshop.stored(others)).state(now_us()) == "active"


async def test_an_estimate_comes_before_the_call_and_says_what_is_wrong(ledger: Ledger) -> None:
    browser, path = await open_as(ledger.workshop, ledger.workshop.developer)
    fields = {"model": "gpt-4o-mini", "system": "", "message": "x" * 400, "max_tokens": "1000"}
    told = (await browser.send(f"{path}/estimate", fields, seen=(await browser.open(path)).text)).json()
    assert told["nanos"] == 106 * 150 + 1000 * 600
    assert told["limit_name"] == "max_completion_tokens"
    assert format_usd(told["nanos"]) in told["estimate"]
    for wrong in ({"model": "none-such"}, {"max_tokens": "0"}, {"max_tokens": "many"}, {"max_tokens": ""}):
        page = (await browser.open(path)).text
        refused = await browser.send(f"{path}/estimate", fields | wrong, seen=page)
        assert refused.status_code in {400, 404}
        assert refused.json()["fault"]
    foreign = await browser.client.post(f"{path}/estimate", data=fields, headers=OURS)
    assert foreign.status_code == 403


async def test_the_cost_is_the_usage_records_for_who_may_see_it(ledger: Ledger) -> None:
    await ledger.add([now_us() - 1_000_000], seed=3)
    (known,) = ledger.calls
    workshop, call = ledger.workshop, f"req_{known.record.call_id.hex()}"
    browser, path = await open_as(workshop, workshop.admin)
    told = (await browser.open(f"{path}/cost?call={call}")).json()
    assert told["nanos"] == known.record.amount_nanos
    assert known.record.amount_nanos is None or f"${format_usd(known.record.amount_nanos)}" in told["cost"]
    assert re.search(r"\bInput [0-9,]+, ", told["usage"]), "classes are said as the pages say them"
    for nothing in ("", "req_" + "0" * 32, "<b>"):
        assert (await browser.open(f"{path}/cost?call={nothing}")).json() == {"cost": None}
    viewer, _ = await open_as(workshop, workshop.viewer)
    assert (await viewer.open(f"{path}/cost?call={call}")).status_code == 403


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_in_the_playground_are_text(ledger: Ledger, name: str) -> None:
    workshop = ledger.workshop
    project = await workshop.company.project(name)
    browser, path = await open_as(workshop, workshop.admin)
    begin = await browser.open(path, params={"model": name})
    page = await browser.send(path, {"do": "start", "project": project.id}, seen=begin.text)
    for html in (begin.text, page.text):
        markup = Markup(html)
        assert not [found for _tag, found in markup.tags if any(word.startswith("on") for word in found)]
        assert not [found for tag, found in markup.tags if tag == "svg"]
        assert not [text for text in markup.texts["script"] if "owned" in text]
