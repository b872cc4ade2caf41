"""What forms do: a key is made once and shown once, budgets are set and alerts kept, refusals are told where the form is."""

from __future__ import annotations

import re

import pytest
from markupsafe import escape
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person
from tests.web.visitors import OURS, Browser, browser_of, content_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import budgets
from tollkeeper.control.administration import Secrets
from tollkeeper.control.first_run import first_run_token
from tollkeeper.store.engine import Store

USD = 10**9
HOSTILE = [
    "<script>document.title='owned'</script>",
    "\"' onmouseover=alert(1) x='",
    "שלום עברית",
    "🦊 {{ 7*7 }} {% raw %} ${1}",
    "</title></script><svg/onload=alert(1)>",
]


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}"


def once_on(html: str) -> str:
    found = re.search(r'<code class="secret" id="secret">(sk-tk-[^<]+)<', html)
    assert found is not None, html
    return found[1]


async def test_a_key_is_shown_once_and_a_form_sent_twice_makes_one(workshop: Workshop) -> None:
    browser, home = await open_as(workshop, workshop.admin)
    page = (await browser.open(f"{home}/keys/new")).text
    fields = {
        "name": "search-production",
        "project": workshop.search.id,
        "kind": "service",
        "requests_per_minute": "60",
    }
    first = await browser.send(f"{home}/keys/new", fields, seen=page)
    again = await browser.send(f"{home}/keys/new", fields, seen=page)
    assert once_on(first.text) == once_on(again.text)
    listed = (await browser.open(f"{home}/keys")).text
    assert listed.count("search-production") == 1
    assert once_on(first.text) not in listed
    assert len(await workshop.company.events("api_key.create")) == 1


async def test_a_key_is_rotated_disabled_let_in_again_and_deleted(workshop: Workshop) -> None:
    made = await workshop.service()
    browser, home = await open_as(workshop, workshop.admin)
    path = f"{home}/keys/{made.record.id}"
    assert (await browser.send(path, {"do": "disable"})).headers["location"] == f"{path}?done=key-disabled"
    assert "disabled" in (await browser.open(path)).text
    await browser.send(path, {"do": "enable"})
    rotated = await browser.send(path, {"do": "rotate", "grace_seconds": "3600"})
    assert once_on(rotated.text) != made.key
    again = await browser.send(path, {"do": "rotate", "grace_seconds": "0"})
    assert again.status_code == 409
    assert "was rotated already" in again.text
    assert (await browser.send(path, {"do": "delete"})).status_code == 303
    assert (await browser.open(path)).status_code == 404


async def test_who_may_not_make_keys_is_offered_none_and_refused_one(workshop: Workshop) -> None:
    browser, home = await open_as(workshop, workshop.viewer)
    assert (await browser.open(f"{home}/keys/new")).status_code == 403
    assert "/keys" not in (await browser.open(f"{home}/overview")).text.partition("</nav>")[0].partition("<nav")[2]
    sent = await browser.send(f"{home}/keys/new", {"name": "x", "project": workshop.search.id, "kind": "service"})
    assert sent.status_code == 403
    assert await workshop.company.events("api_key.create") == []


async def test_what_was_typed_stays_where_it_was_refused(workshop: Workshop) -> None:
    made = await workshop.service()
    browser, home = await open_as(workshop, workshop.admin)
    long = "<b>name</b>" * 100
    for path in (f"keys/{made.record.id}", f"projects/{workshop.search.id}", f"projects/teams/{workshop.team.id}"):
        refused = await browser.send(f"{home}/{path}", {"do": "rename", "name": long})
        assert refused.status_code == 400, path
        assert f'value="{escape(long)}"' in refused.text, path
    refused = await browser.send("/account", {"do": "profile", "name": long, "language": "en", "theme": ""})
    assert f'value="{escape(long)}"' in refused.text


async def test_a_key_has_buttons_for_who_may_press_them(workshop: Workshop) -> None:
    service, own = await workshop.service(), await workshop.own(workshop.developer)
    for person, made, offered in (
        (workshop.admin, service, {"rename", "expire", "rotate", "disable", "delete"}),
        (workshop.lead, service, {"rename", "expire", "rotate", "disable", "delete"}),
        (workshop.developer, service, set()),
        (workshop.developer, own, {"rename", "expire", "rotate", "disable"}),
    ):
        browser, home = await open_as(workshop, person)
        path = f"{home}/keys/{made.record.id}"
        page = content_of((await browser.open(path)).text)
        assert set(re.findall(r'name="do" value="(\w+)"', page)) == offered
        for does in {"rename", "delete"} - offered:
            assert (await browser.send(path, {"do": does, "name": "new name"})).status_code == 403, does


async def test_a_budget_is_set_changed_alerted_on_and_removed(workshop: Workshop) -> None:
    browser, home = await open_as(workshop, workshop.admin)
    terms = {"scope": workshop.search.id, "amount": "1,250.50", "unit": "usd", "period": "monthly", "hard_limit": "1"}
    set_ = await browser.send(f"{home}/budgets/new", terms)
    path = set_.headers["location"].partition("?")[0]
    (budget,) = await workshop.company.look(None, budgets.list_budgets, scope_id=workshop.search.id)
    assert (budget.amount, budget.enforcement.hard_limit) == (1250 * USD + USD // 2, True)
    await browser.send(path, {"do": "set", "amount": "$99.99", "hard_limit": "1"})
    (budget,) = await workshop.company.look(None, budgets.list_budgets, scope_id=workshop.search.id)
    assert budget.amount == 99_990_000_000
    await browser.send(path, {"do": "add-alert", "percent": "80", "action": "email"})
    page = (await browser.open(path)).text
    rule = re.search(r'name="rule" value="([^"]+)"', page)
    assert rule is not None
    await browser.send(path, {"do": "change-alert", "rule": rule[1], "percent": "65"})
    assert 'value="65"' in (await browser.open(path)).text
    await browser.send(path, {"do": "remove-alert", "rule": rule[1]})
    assert rule[1] not in (await browser.open(path)).text
    await browser.send(path, {"do": "delete"})
    assert await workshop.company.look(None, budgets.list_budgets, scope_id=workshop.search.id) == []


@pytest.mark.parametrize("amount", ["", "-5", "1e9", "12.3456789012", "much", "9" * 40])
async def test_an_amount_that_is_none_is_told_on_the_form_with_what_was_written(
    workshop: Workshop, amount: str
) -> None:
    browser, home = await open_as(workshop, workshop.admin)
    terms = {"scope": workshop.search.id, "amount": amount, "unit": "usd", "period": "weekly"}
    answer = await browser.send(f"{home}/budgets/new", terms)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert '<option value="weekly" selected>' in answer.text
    assert await workshop.company.look(None, budgets.list_budgets, scope_id=workshop.search.id) == []


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_is_text_wherever_it_stands(workshop: Workshop, name: str) -> None:
    await workshop.company.project(name[:100])
    made = await workshop.service(name=name[:100])
    browser, home = await open_as(workshop, workshop.admin)
    for path in (
        "keys",
        f"keys/{made.record.id}",
        "keys/new",
        "budgets/new",
        f"usage?by=label:{name[:20]}",
        "overview",
    ):
        page = (await browser.open(f"{home}/{path}")).text
        markup = Markup(page)
        assert not [each for _tag, each in markup.tags if any(word.startswith("on") for word in each)], path
        assert not [each for tag, each in markup.tags if tag == "svg" and each.get("class") != "meter"], path
        assert not [text for text in markup.texts["script"] if "owned" in text and "\\u003c" not in text], path
        assert "49" not in re.findall(r"🦊 (\S+)", page)


async def test_the_first_person_gets_in_by_the_consoles_link_and_nobody_after(store: Store) -> None:
    workshop = await open_workshop(store)  # has people: too late
    secrets = Secrets.of(b"p" * 32)
    late = Browser(faces_of(workshop.store))
    fields = {
        "token": first_run_token(secrets),
        "name": "K",
        "email": "k@example.com",
        "password": "three quiet rivers",
    }
    assert (await late.open("/first-run")).status_code == 404
    refused = await late.client.post("/first-run", data=fields, headers=OURS)
    assert refused.status_code in {403, 404}


async def test_the_first_person_founds_the_organization_and_sees_it(store: Store) -> None:
    secrets = Secrets.of(b"p" * 32)
    first = Browser(faces_of(store))
    fields = {
        "token": first_run_token(secrets),
        "name": "Jimin",
        "email": "jimin@example.com",
        "password": "three quiet rivers",
        "organization": "Acme",
        "timezone": "Asia/Seoul",
    }
    assert "Name of the organization" in (await first.open("/first-run")).text
    wrong = await first.client.post("/first-run", data=fields | {"token": "0" * 64}, headers=OURS)
    assert wrong.status_code == 403
    foreign = await first.client.post("/first-run", data=fields, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    done = await first.client.post("/first-run", data=fields, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    landed = await first.client.get("/", follow_redirects=True)
    assert landed.url.path.endswith("/overview")
    assert "Acme" in landed.text
    again = await Browser(faces_of(store)).client.post("/first-run", data=fields, headers=OURS)
    assert again.status_code in {403, 404}


TOO_LONG = [
    ("people", {"do": "invite", "email": f"{'e' * 250}@example.com"}, "at most 254 characters"),
    ("projects", {"do": "make-team", "name": "n" * 101}, "1 to 100 printable characters"),
    ("settings", {"do": "general", "name": "n" * 101}, "1 to 100 printable characters"),
    ("settings", {"do": "currency", "code": "KRWX", "rate": "1400", "rate_date": "2026-11-20"}, "KRWX"),
    ("settings", {"do": "currency", "code": "KRW", "rate": "1400", "source": "s" * 201}, "1 to 200 printable"),
    ("roles/new", {"do": "save", "name": "r", "description": "d" * 501}, "at most 500 printable characters"),
    ("credits", {"do": "grant", "amount": "5", "kind": "trial", "note": "n" * 501}, "at most 500 printable characters"),
    (
        "models/prices",
        {"do": "add", "provider": "openai", "model": "m", "dimension": "input", "note": "n" * 501},
        "at most 500 printable characters",
    ),
    ("models/providers", {"do": "add", "kind": "openai", "name": "n" * 64, "secret": "sk-0123456789"}, "1 to 63"),
    (
        "models/providers",
        {"do": "add", "kind": "openai", "name": "n", "secret": "sk-0123456789", "base_url": f"https://{'h' * 3000}"},
        "it may have",
    ),
    (
        "alerts/targets",
        {"do": "add", "kind": "webhook", "name": "n", "url": f"https://example.com/{'h' * 2048}"},
        "it may have 2,048",
    ),
]


@pytest.mark.parametrize(("page", "fields", "said"), TOO_LONG)
async def test_what_is_too_long_is_refused_with_its_bound_and_never_cut(
    workshop: Workshop, page: str, fields: dict[str, str], said: str
) -> None:
    browser, home = await open_as(workshop, workshop.admin)
    form = (await browser.open(f"{home}/{page}")).text
    assert "maxlength" not in form
    more = {
        "timezone": "Asia/Seoul",
        "language": "en",
        "fiscal_month_start": "1",
        "usd_per_million": "1",
        "source": "ECB",
    }
    refused = await browser.send(f"{home}/{page}", more | {"role": "developer", "scope": workshop.company.id} | fields)
    assert refused.status_code == 400
    told = refused.text.partition('role="alert"')[2].partition("</div>")[0]
    assert said in told


async def test_a_reason_that_is_too_long_is_refused_with_its_bound(workshop: Workshop) -> None:
    terms = budgets.Terms(USD)
    made = await workshop.company.change(None, budgets.set_budget, workshop.search.id, terms=terms)
    browser, home = await open_as(workshop, workshop.developer)
    asked = {"do": "ask", "amount": "5", "reason": "r" * 1001}
    refused = await browser.send(f"{home}/budgets/{made.id}", asked)
    assert (refused.status_code, "At most 1000 characters" in refused.text) == (400, True)


async def test_an_expiry_that_no_calendar_has_is_told_the_bounds(workshop: Workshop) -> None:
    browser, home = await open_as(workshop, workshop.admin)
    fields = {"name": "k", "project": workshop.search.id, "kind": "service", "expires_on": "9999-12-31"}
    refused = await browser.send(f"{home}/keys/new", fields)
    assert (refused.status_code, "from 1971-01-01 to 2199-12-31" in refused.text) == (400, True)
