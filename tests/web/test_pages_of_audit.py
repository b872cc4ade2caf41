"""The pages of the audit log: what happened with its differences, search, export, and a log that somebody changed."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.visitors import Browser, browser_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import audit_verification, teams
from tollkeeper.control.audit_verification import check_own_log
from tollkeeper.domain.errors import PermissionDenied
from tollkeeper.kit.clock import utc
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import audit_event
from tollkeeper.web.differences import Difference, differences_of


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/audit"


def actions_on(html: str) -> list[str]:
    return re.findall(r'<a href="\?action=[^"]+">[^<]+</a><br><code[^>]*>([^<]+)</code>', html)


@pytest.mark.parametrize(
    ("before", "after", "listed"),
    [
        ("null", '{"name": "a"}', [("name", "", "a")]),
        ('{"name": "a", "n": 1}', '{"name": "b", "n": 1}', [("name", "a", "b")]),
        (
            '{"policy": {"age": null, "labels": []}}',
            '{"policy": {"age": 90, "labels": ["x", "y"]}}',
            [("policy.age", "", "90"), ("policy.labels", "", "x, y")],
        ),
        ('{"is_on": true}', "null", [("is_on", "true", "")]),
        ('{"a": {"b": {"c": {"d": {"e": 1}}}}}', "null", [("a.b.c.d", '{"e":1}', "")]),
        ("not json", "null", [("", "not json", "")]),
        ("[1,2]", "[1,2]", []),
        ("null", '{"roles": [{"id": "a", "at": ""}, {"id": "b"}]}', [("roles.1.id", "", "a"), ("roles.2.id", "", "b")]),
        ('{"n": 0}', '{"n": false}', [("n", "0", "false")]),
        ('["a, b"]', '["a","b"]', [("", "a, b", "a, b")]),
    ],
)
def test_differences_are_named_one_by_one(before: str, after: str, listed: list[tuple[str, str, str]]) -> None:
    assert differences_of(before, after).listed == tuple(Difference(*each) for each in listed)


def test_a_list_has_few_and_short_differences_and_the_page_of_an_event_all() -> None:
    after = json.dumps({f"n{each}": "x" * 1000 for each in range(9)})
    few = differences_of("null", after, most=3)
    assert (len(few.listed), few.further) == (3, 6)
    assert all(len(each.after) <= 161 for each in few.listed)
    every = differences_of("null", after, most=None)
    assert (len(every.listed), every.further, len(every.listed[0].after)) == (9, 0, 1000)


async def test_what_somebody_did_is_shown_newest_first_with_what_changed(workshop: Workshop) -> None:
    await workshop.company.change(workshop.lead, teams.rename_team, workshop.team.id, name="finders")
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.open(path)).text
    events = await workshop.company.events()
    assert actions_on(page) == [each.action for each in reversed(events)]
    row = page.partition("<tbody>")[2].partition("</tr>")[0]
    for part in ("lead@example.com", "192.0.2.1", "team.update", "<del>search team</del>", "<ins>finders</ins>"):
        assert part in row, part
    one = (await browser.open(f"{path}/{events[-1].id}")).text
    assert events[-1].mac.hex() in one
    assert "finders" in one


async def test_a_search_is_by_who_what_to_what_and_when(workshop: Workshop) -> None:
    await workshop.company.change(workshop.lead, teams.rename_team, workshop.team.id, name="finders")
    browser, path = await open_as(workshop, workshop.admin)

    async def found(query: str) -> list[str]:
        return actions_on((await browser.open(f"{path}?{query}")).text)

    assert await found(f"actor={workshop.lead.account_id}") == ["team.update"]
    assert await found("action=team.update") == ["team.update"]
    assert await found("action=team") == ["team.update", "team.create"]
    assert await found(f"target={workshop.team.id}") == ["team.update", "team.create"]
    assert await found("from=2100-01-01") == []
    assert await found("to=2001-01-01") == []
    (event,) = await workshop.company.events("team.update")
    day = utc(event.at_us).astimezone(ZoneInfo(workshop.company.organization.timezone)).date()
    assert await found(f"action=team.update&from={day}&to={day}") == ["team.update"]
    assert await found(f"action=team.update&to={day - timedelta(days=1)}") == []
    assert "Nothing found" in (await browser.open(f"{path}?to=2001-01-01")).text
    for wrong in ("from=tomorrow", "to=9999-12-31", "from=0001-01-01", f"actor={'x' * 65}"):
        assert (await browser.open(f"{path}?{wrong}")).status_code == 400, wrong


async def test_further_pages_go_on_where_the_first_one_ends(workshop: Workshop) -> None:
    for number in range(60):
        await workshop.company.team(f"team {number}")
    browser, path = await open_as(workshop, workshop.admin)
    first = (await browser.open(f"{path}?action=team.create")).text
    further = re.search(r'<p class="more"><a href="([^"]+)"', first)
    assert further is not None
    second = (await browser.open(path + further[1].replace("&amp;", "&"))).text
    assert len(actions_on(first)) == 50
    assert actions_on(second) == ["team.create"] * 11


async def test_an_export_has_what_the_search_finds_and_is_an_event_itself(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    sent = await browser.send(path, {"do": "export", "format": "csv", "action": "project."})
    assert sent.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    rows = list(csv.DictReader(io.StringIO(sent.text)))
    assert [each["target_name"] for each in rows] == ["default", "search", "chat", "ops"]
    everything = await browser.send(path, {"do": "export", "format": "jsonl"})
    assert json.loads(everything.text.splitlines()[-1])["action"] == "audit.export"
    assert len(await workshop.company.events("audit.export")) == 2
    assert (await browser.send(path, {"do": "export", "format": "exe"})).status_code == 400


async def test_a_whole_log_is_told_so_and_a_changed_one_where_it_was_changed(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    whole = (await browser.send(path, {"do": "verify"})).text
    assert f"all {len(await workshop.company.events())} events are as they were written" in whole
    changed = (
        update(audit_event)
        .where(audit_event.c.organization_id == workshop.company.id, audit_event.c.number == 3)
        .values(actor_name="somebody else")
    )
    await workshop.store.write(lambda connection: connection.execute(changed))
    broken = (await browser.send(path, {"do": "verify"})).text
    assert "The log is not as it was written." in broken
    assert "number 3 was changed" in broken


async def test_a_log_that_is_too_long_to_wait_for_is_left_to_the_command(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_verification, "EVENTS_MAX", 5)
    browser, path = await open_as(workshop, workshop.admin)
    answer = await browser.send(path, {"do": "verify"})
    assert answer.status_code == 409
    assert "tollkeeper audit verify" in answer.text


@pytest.mark.parametrize("who", ["developer", "viewer"])
async def test_who_may_not_read_the_log_reads_checks_and_exports_nothing(workshop: Workshop, who: str) -> None:
    browser, path = await open_as(workshop, getattr(workshop, who))
    assert (await browser.open(path)).status_code == 403
    assert f'href="{path}"' not in (await browser.open(f"/{workshop.company.id}/projects")).text
    seen = (await browser.open("/account")).text
    for fields in ({"do": "verify"}, {"do": "export", "format": "csv"}):
        assert (await browser.send(path, fields, seen=seen)).status_code == 403
    assert await workshop.company.events("audit.export") == []


async def test_a_lead_of_one_team_does_not_read_the_organizations_log(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.lead)
    assert (await browser.open(path)).status_code == 403
    assert f'href="{path}"' not in (await browser.open(f"/{workshop.company.id}/projects")).text
    seen = (await browser.open("/account")).text
    for fields in ({"do": "verify"}, {"do": "export", "format": "csv"}):
        assert (await browser.send(path, fields, seen=seen)).status_code == 403


async def test_nobody_checks_a_log_that_they_may_not_read(workshop: Workshop) -> None:
    for person in (workshop.lead, workshop.viewer):
        with pytest.raises(PermissionDenied):
            await workshop.company.look(person, check_own_log)
    report = await workshop.company.look(workshop.admin, check_own_log)
    assert (report.faults_count, report.events) == (0, len(await workshop.company.events()))


async def test_another_organizations_events_are_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    (event,) = await other.events("organization.create")
    browser, path = await open_as(workshop, workshop.admin)
    assert (await browser.open(f"{path}/{event.id}")).status_code == 404
    for query in (f"target={other.id}", f"after={event.id}"):
        assert "Elsewhere" not in (await browser.open(f"{path}?{query}")).text


async def test_names_in_the_log_are_text(workshop: Workshop) -> None:
    name = "<script>document.title='owned'</script>{{ 7*7 }}"
    team = await workshop.company.team(name)
    await workshop.company.change(None, teams.rename_team, team.id, name="\"' onmouseover=alert(1) x='")
    browser, path = await open_as(workshop, workshop.admin)
    for event in (None, *await workshop.company.events("team.update")):
        page = (await browser.open(f"{path}/{event.id}" if event else path)).text
        markup = Markup(page)
        assert not [each for _tag, each in markup.tags if any(word.startswith("on") for word in each)]
        assert not [text for text in markup.texts.get("script", []) if "owned" in text]
        assert "{{ 7*7 }}" in page
