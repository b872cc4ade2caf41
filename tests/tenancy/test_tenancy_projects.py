"""Projects: put by name, changed, moved, archived; who may see them and their limits."""

from __future__ import annotations

import asyncio

import pytest
from tests.tenancy.company import PEPPER, USD, Company

from tollkeeper.control import api_keys, projects, roles, teams
from tollkeeper.control.projects import ProjectQuota
from tollkeeper.domain.budget import ModelLimit, QuotaAlert
from tollkeeper.domain.errors import Conflict, NotFound, PermissionDenied
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import budgets as budget_rows
from tollkeeper.store import key_lookup

ALERTS = (QuotaAlert(500, "email"), QuotaAlert(950, "disable"))
LIMITS = {"gpt-4o": ModelLimit(1000, 5 * USD)}


async def test_the_same_name_again_changes_the_project(company: Company) -> None:
    team = await company.team("research")
    whole = ProjectQuota(100 * USD, ALERTS, LIMITS)
    made = await company.change(None, projects.put_project, team.id, name="search", quota=whole)
    assert (made.monthly_budget.amount, made.limits.quota_alerts, made.limits.model_limits) == (
        100 * USD,
        ALERTS,
        LIMITS,
    )
    part = ProjectQuota(monthly_budget_nanos=70 * USD)
    again = await company.change(None, projects.put_project, team.id, name=" search ", quota=part)
    assert again.project.id == made.project.id
    assert (again.monthly_budget.amount, again.limits) == (70 * USD, made.limits)  # the rest stays
    gone = await company.change(None, projects.put_project, team.id, name="search", quota=ProjectQuota(None))
    assert gone.monthly_budget is None
    assert len(await company.look(None, projects.list_projects, team_id=team.id)) == 1


async def test_a_name_that_is_elsewhere_in_the_organization_is_a_conflict(company: Company) -> None:
    research, sales = await company.team("research"), await company.team("sales")
    await company.project("search", research)
    with pytest.raises(Conflict, match="'search'"):
        await company.change(None, projects.put_project, sales.id, name="search")
    with pytest.raises(Conflict):
        await company.change(None, projects.create_project, name="search")


async def test_projects_put_at_once_under_one_name_are_one(company: Company) -> None:
    team = await company.team("research")
    made = await asyncio.gather(
        *(company.change(None, projects.put_project, team.id, name="search", quota=ProjectQuota(USD)) for _ in range(6))
    )
    assert len({each.project.id for each in made}) == 1


async def test_a_repeated_put_is_noted_once(company: Company) -> None:
    team = await company.team("research")
    for _ in range(2):
        await company.change(
            None, projects.put_project, team.id, name="search", quota=ProjectQuota(USD, ALERTS, LIMITS)
        )
    assert len(await company.events("project.create")) == 2  # with the default one
    assert len(await company.events("budget.set")) == 1
    assert await company.events("project.update") == []


async def test_limits_are_the_parents_to_set(company: Company) -> None:
    team = await company.team("research")
    search = await company.project("search", team, monthly_usd=10)
    lead_of_project = await company.hire("one", ("team_admin", search.id))
    lead = await company.hire("lead", ("team_admin", team.id))
    raised = ProjectQuota(50 * USD)
    renamed = await company.change(lead_of_project, projects.update_project, search.id, name="find")
    assert renamed.project.name == "find"
    for quota in (raised, ProjectQuota(quota_alerts=()), ProjectQuota(model_limits={})):
        with pytest.raises(PermissionDenied, match="quota:manage"):
            await company.change(lead_of_project, projects.update_project, search.id, quota=quota)
    changed = await company.change(lead, projects.update_project, search.id, quota=raised)
    assert changed.monthly_budget.amount == 50 * USD


async def test_limits_are_shown_to_who_may_read_them(company: Company) -> None:
    team = await company.team("research")
    search = await company.project("search", team, monthly_usd=10)
    nobody = await company.change(None, roles.create_role, name="nobody", permissions=frozenset({"models:list"}))
    blind = await company.hire("blind", (nobody.id, team.id))
    viewer = await company.hire("viewer", ("viewer", team.id))
    shown = await company.look(blind, projects.get_project, search.id)
    assert (shown.project.name, shown.monthly_budget, shown.limits) == ("search", None, None)
    (seen,) = await company.look(viewer, projects.list_projects)
    assert seen.monthly_budget.amount == 10 * USD


async def test_people_list_the_projects_that_their_roles_reach(company: Company) -> None:
    research, sales = await company.team("research"), await company.team("sales")
    search, chat = await company.project("search", research), await company.project("chat", research)
    crm = await company.project("crm", sales)
    lead = await company.hire("lead", ("team_admin", research.id))
    dev = await company.hire("dev", ("developer", chat.id), ("developer", crm.id))
    boss = await company.hire("boss", ("org_admin", company.id))

    async def ids(who, **wanted) -> list[str]:
        return [each.project.id for each in await company.look(who, projects.list_projects, **wanted)]

    assert await ids(boss) == [company.default.id, search.id, chat.id, crm.id]
    assert await ids(lead) == [search.id, chat.id]
    assert await ids(dev) == [chat.id, crm.id]
    assert await ids(dev, team_id=research.id) == [chat.id]
    assert await ids(boss, after=search.id, limit=1) == [chat.id]
    with pytest.raises(NotFound):
        await ids(lead, team_id=sales.id)
    for project_id in (crm.id, "proj_nothing"):
        with pytest.raises(NotFound):
            await company.look(lead, projects.get_project, project_id)
        with pytest.raises(NotFound):
            await company.change(lead, projects.archive_project, project_id)


async def test_an_archived_project_stops_its_keys_and_frees_name_and_budget(company: Company) -> None:
    team = await company.team("research")
    await company.budget(team.id, 10)
    search = await company.project("search", team, monthly_usd=10)
    key = await company.change(None, api_keys.create_service_key, project_id=search.id, name="prod")
    archived = await company.change(None, projects.archive_project, search.id)
    assert archived.project.archived_at_us is not None
    digest = keyed_digest(PEPPER, key.key.encode())
    found = await company.store.read(lambda c: key_lookup.find_by_digest(c, digest))
    assert found.status == "disabled"
    assert search.id in await company.changes("project")
    assert await company.store.read(lambda c: budget_rows.read_budgets_of(c, company.id, [search.id])) == []
    again = await company.project("search", team, monthly_usd=10)
    assert again.id != search.id
    assert (await company.look(None, projects.get_project, search.id)).project.name.startswith("search (archived 20")
    for step, more in ((projects.archive_project, {}), (projects.update_project, {"name": "x"})):
        with pytest.raises(NotFound):
            await company.change(None, step, search.id, **more)


async def test_moving_a_project_needs_both_ends_and_room(company: Company) -> None:
    research, sales = await company.team("research"), await company.team("sales")
    await company.budget(sales.id, 5)
    search = await company.project("search", research, monthly_usd=10)
    lead = await company.hire("lead", ("team_admin", research.id))
    both = await company.hire("both", ("team_admin", research.id), ("team_admin", sales.id))
    inside = await company.hire("inside", ("team_admin", search.id), ("team_admin", sales.id))
    with pytest.raises(NotFound):
        await company.change(lead, projects.update_project, search.id, team_id=sales.id)
    with pytest.raises(PermissionDenied):
        await company.change(inside, projects.update_project, search.id, team_id=sales.id)
    with pytest.raises(PermissionDenied):  # out of its team is the organization's business
        await company.change(both, projects.update_project, search.id, team_id=None)
    mover_role = await company.change(
        None, roles.create_role, name="mover", permissions=frozenset({"project:manage", "quota:manage"})
    )
    mover = await company.hire("mover", (mover_role.id, company.id))
    with pytest.raises(Conflict, match=r"\$10\.00 of its monthly budget of \$5\.00"):
        await company.change(mover, projects.update_project, search.id, team_id=sales.id)
    await company.budget(sales.id, 10)
    moved = await company.change(mover, projects.update_project, search.id, team_id=sales.id)
    assert moved.project.team_id == sales.id
    assert search.id in await company.changes("project")
    assert await company.look(lead, projects.list_projects) == []
    (event,) = await company.events("project.update")
    assert (research.id in event.before, sales.id in event.after) == (True, True)


async def test_a_team_is_archived_when_its_projects_are_and_gets_none_meanwhile(company: Company) -> None:
    for number in range(4):
        team = await company.team(f"team {number}")
        results = await asyncio.gather(
            company.change(None, teams.archive_team, team.id),
            company.change(None, projects.put_project, team.id, name=f"project {number}"),
            return_exceptions=True,
        )
        assert sum(isinstance(each, Exception) for each in results) == 1, results
        left = await company.look(None, projects.list_projects)
        has_project = any(each.project.name == f"project {number}" for each in left)
        assert has_project == isinstance(results[0], Conflict)
