"""The pages of teams and projects: what their forms do, what each role is shown and offered, and nothing of anybody else's."""

from __future__ import annotations

import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.visitors import Browser, amounts, browser_of, content_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control import projects, teams
from tollkeeper.control.budget_status import read_status
from tollkeeper.domain.tenancy import Team
from tollkeeper.store.engine import Store

HOSTILE = ["<script>document.title='owned'</script>", "\"' onmouseover=alert(1) x='", "🦊 {{ 7*7 }} {% raw %}"]


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/projects"


async def team_names(workshop: Workshop) -> list[str]:
    return [each.name for each in await workshop.company.look(None, teams.list_teams)]


async def test_a_team_is_made_renamed_and_deleted_once_it_has_no_projects(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    made = await browser.send(path, {"do": "make-team", "name": "  Billing  "})
    team = made.headers["location"].partition("?")[0]
    assert await team_names(workshop) == ["search team", "Billing"]
    await browser.send(team, {"do": "rename", "name": "Money"})
    assert "Money" in (await browser.open(team)).text
    project = (await browser.send(team, {"do": "make-project", "name": "invoices"})).headers["location"]
    refused = await browser.send(team, {"do": "delete"})
    assert refused.status_code == 409
    assert "still has projects" in refused.text
    await browser.send(project.partition("?")[0], {"do": "delete"})
    assert (await browser.send(team, {"do": "delete"})).headers["location"] == f"{path}?done=team-deleted"
    assert await team_names(workshop) == ["search team"]


async def test_a_form_sent_twice_makes_one_project(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.open(path)).text
    fields = {"do": "make-project", "name": "batch", "team": "-"}
    first = await browser.send(path, fields, seen=page)
    again = await browser.send(path, fields, seen=page)
    assert first.headers["location"] == again.headers["location"]
    assert len([each for each in await workshop.company.events("project.create") if each.target_name == "batch"]) == 1


async def test_a_project_is_moved_out_of_its_team_and_into_another_one(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    other: Team = await workshop.company.team("other team")
    one = f"{path}/{workshop.search.id}"
    assert (await browser.send(one, {"do": "move", "team": other.id})).status_code == 303
    moved = (await workshop.company.look(None, projects.get_project, workshop.search.id)).project
    assert moved.team_id == other.id
    await browser.send(one, {"do": "move", "team": "-"})
    moved = (await workshop.company.look(None, projects.get_project, workshop.search.id)).project
    assert moved.team_id == ""
    await browser.send(one, {"do": "rename", "name": "search 2"})
    renamed = (await workshop.company.look(None, projects.get_project, workshop.search.id)).project
    assert (renamed.name, renamed.team_id) == ("search 2", "")


async def test_a_deleted_project_is_off_the_list_and_offers_nothing(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    one = f"{path}/{workshop.ops.id}"
    await browser.send(one, {"do": "delete"})
    assert f"{workshop.ops.id}" not in (await browser.open(path)).text
    page = (await browser.open(one)).text
    assert "deleted" in page
    assert "<form" not in page.partition('<main id="content"')[2]


async def test_what_was_written_is_still_there_when_it_is_refused(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    answer = await browser.send(path, {"do": "make-project", "name": "search", "team": workshop.team.id})
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert f'<option value="{workshop.team.id}" selected>' in answer.text
    assert 'value="search"' in answer.text


async def test_the_budget_shown_is_the_use_cases_own(workshop: Workshop) -> None:
    await workshop.company.budget(workshop.team.id, 500)
    await workshop.company.budget(workshop.search.id, 120)
    browser, path = await open_as(workshop, workshop.admin)
    status = await workshop.company.look(None, read_status)
    (team,) = status.root.branches
    (search,) = team.branches
    standings = [each.budgets[0].standing for each in (team, search)]
    wanted = [figure for each in standings for figure in (each.used, each.limit)]
    assert amounts((await browser.open(path)).text) == wanted
    assert amounts((await browser.open(f"{path}/{workshop.search.id}")).text) == wanted[2:]
    viewer, _ = await open_as(workshop, workshop.viewer)
    assert amounts((await viewer.open(path)).text) == wanted[2:]


async def test_a_lead_of_one_team_makes_projects_there_and_nowhere_else(workshop: Workshop) -> None:
    other = await workshop.company.team("other team")
    browser, path = await open_as(workshop, workshop.lead)
    page = (await browser.open(path)).text
    assert other.id not in page
    assert workshop.ops.id not in page
    assert 'value="-"' not in page
    assert "make-team" not in page
    made = await browser.send(path, {"do": "make-project", "name": "mine", "team": workshop.team.id})
    assert made.status_code == 303
    for team_id, status in ((other.id, 404), ("-", 403)):
        refused = await browser.send(path, {"do": "make-project", "name": "x", "team": team_id})
        assert refused.status_code == status, team_id
    assert (await browser.send(path, {"do": "make-team", "name": "x"})).status_code == 403
    assert (await browser.open(f"{path}/teams/{other.id}")).status_code == 404
    assert (await browser.open(f"{path}/{workshop.ops.id}")).status_code == 404


@pytest.mark.parametrize("who", ["developer", "viewer"])
async def test_who_manages_nothing_is_offered_no_form_and_refused_what_they_send(workshop: Workshop, who: str) -> None:
    browser, path = await open_as(workshop, getattr(workshop, who))
    for page in (path, f"{path}/{workshop.search.id}", f"{path}/teams/{workshop.team.id}"):
        shown = await browser.open(page)
        assert shown.status_code == 200, page
        assert 'method="post"' not in content_of(shown.text), page
        assert workshop.chat.id not in shown.text, page
    one = f"{path}/{workshop.search.id}"
    for fields in ({"do": "rename", "name": "x"}, {"do": "move", "team": "-"}, {"do": "delete"}):
        assert (await browser.send(one, fields)).status_code == 403, fields
    found = (await workshop.company.look(None, projects.get_project, workshop.search.id)).project
    assert (found.name, found.archived_at_us) == ("search", None)


async def test_another_organizations_team_and_project_are_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    team = await other.team("their team")
    project = await other.project("their project", team)
    browser, path = await open_as(workshop, workshop.admin)
    seen = (await browser.open(path)).text
    for page in (f"{path}/{project.id}", f"{path}/teams/{team.id}"):
        assert (await browser.open(page)).status_code == 404
        assert (await browser.send(page, {"do": "delete"}, seen=seen)).status_code == 404
    moved = await browser.send(f"{path}/{workshop.search.id}", {"do": "move", "team": team.id})
    assert moved.status_code == 404
    assert "their" not in (await browser.open(path)).text
    assert await other.events("project.delete") == []


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_of_teams_and_projects_are_text(workshop: Workshop, name: str) -> None:
    team = await workshop.company.team(name)
    project = await workshop.company.project(f"{name} p", team)
    browser, path = await open_as(workshop, workshop.admin)
    for page in (path, f"{path}/{project.id}", f"{path}/teams/{team.id}"):
        answer = await browser.open(page)
        assert answer.status_code == 200
        markup = Markup(answer.text)
        assert not [each for _tag, each in markup.tags if any(word.startswith("on") for word in each)]
        assert not [text for text in markup.texts.get("script", []) if "owned" in text]
        assert "🦊 49" not in answer.text


async def test_where_there_is_nothing_the_page_says_what_to_do(workshop: Workshop) -> None:
    nobody = await workshop.company.hire("nobody")
    browser, path = await open_as(workshop, nobody)
    page = await browser.open(path)
    assert page.status_code == 200
    assert "Ask an admin of the organization" in page.text
