"""Budgets: divided all or none, never beyond the whole at any concurrency, set by what a place is part of."""

from __future__ import annotations

import asyncio

import pytest
from tests.tenancy.company import USD, Company

from tollkeeper.control import allocations, budgets, projects, roles
from tollkeeper.control.allocations import Allocation
from tollkeeper.control.budgets import Terms
from tollkeeper.control.projects import ProjectQuota
from tollkeeper.domain.budget import Enforcement
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import budgets as budget_rows


def part(target: str, usd: int, **more) -> Allocation:
    return Allocation(target, Terms(usd * USD, **more))


async def allotted(company: Company, place: Place | None = None, period="monthly") -> int:
    whole = place or Place(company.id)
    return await company.store.read(lambda c: budget_rows.sum_allotted(c, whole, period)) // USD


async def test_a_budget_is_divided_by_names_and_ids_all_or_none(company: Company) -> None:
    teams = [await company.team(name) for name in ("ml", "web", "ops")]
    await company.budget(company.id, 500)
    wanted = [part("ml", 300), part(teams[1].id, 150, is_carried_over=True), part("ops", 50)]
    made = await company.change(None, allocations.allocate, company.id, allocations=wanted)
    assert [each.scope_id for each in made.budgets] == [each.id for each in teams]
    assert (made.parent_limits, made.allotted_nanos) == ({"monthly": 500 * USD}, {"monthly": 500 * USD})
    assert [each.is_carried_over for each in made.budgets] == [False, True, False]
    events = len(await company.events())
    boss_role = frozenset({"quota:manage"})
    await company.change(None, roles.create_role, name="treasurer", permissions=boss_role)
    treasurer = await company.hire("treasurer", ("treasurer", company.id))
    with pytest.raises(Conflict) as refused:
        await company.change(
            treasurer, allocations.allocate, company.id, allocations=[part("ml", 200), part("web", 350)]
        )
    assert "$600.00 of its monthly budget of $500.00, $100.00 too much" in refused.value.message
    assert refused.value.fields["missing_permission"] == "quota:override"
    assert await allotted(company) == 500  # ml's part was not lowered either
    assert len(await company.events("budget.set")) == 4
    assert len(await company.events()) == events + 2  # a role made and given
    lowered = [part("ml", 100), part("web", 350)]
    await company.change(treasurer, allocations.allocate, company.id, allocations=lowered)
    assert await allotted(company) == 500


async def test_parts_that_are_not_named_count_too(company: Company) -> None:
    ml, web = await company.team("ml"), await company.team("web")
    loose = await company.project("loose", monthly_usd=100)
    await company.budget(company.id, 500)
    await company.budget(ml.id, 300)
    await company.change(None, roles.create_role, name="treasurer", permissions=frozenset({"quota:manage"}))
    treasurer = await company.hire("treasurer", ("treasurer", company.id))
    with pytest.raises(Conflict):
        await company.change(treasurer, allocations.allocate, company.id, allocations=[part("web", 101)])
    await company.change(treasurer, allocations.allocate, company.id, allocations=[part("web", 100)])
    # A team without a budget counts as its projects; one with a budget hides them.
    other = await company.team("other")
    with pytest.raises(Conflict):
        await company.change(
            await company.hire("lead", ("treasurer", company.id)),
            allocations.allocate,
            company.id,
            allocations=[part((await company.project("in other", other)).id, 1)],
        )
    inside = await company.project("inside", web)
    await company.change(treasurer, allocations.allocate, company.id, allocations=[part(inside.id, 100)])
    assert await allotted(company) == 500
    with pytest.raises(Conflict):
        await company.change(treasurer, allocations.allocate, web.id, allocations=[part(inside.id, 101)])
    daily = [part("web", 1000, period="daily")]  # another period is another budget
    await company.change(treasurer, allocations.allocate, company.id, allocations=daily)
    assert await allotted(company, Place(company.id), "daily") == 1000
    await company.change(None, projects.archive_project, loose.id)
    assert await allotted(company) == 400


async def test_who_may_override_may_allot_more_and_what_is_too_much_may_shrink(company: Company) -> None:
    ml = await company.team("ml")
    await company.budget(company.id, 100)
    boss = await company.hire("boss", ("org_admin", company.id))
    await company.change(None, roles.create_role, name="treasurer", permissions=frozenset({"quota:manage"}))
    treasurer = await company.hire("treasurer", ("treasurer", company.id))
    await company.change(boss, allocations.allocate, company.id, allocations=[part("ml", 150)])
    await company.change(treasurer, allocations.allocate, company.id, allocations=[part("ml", 140)])
    with pytest.raises(Conflict):
        await company.change(treasurer, budgets.set_budget, ml.id, terms=Terms(141 * USD))
    with pytest.raises(Conflict):  # nor by lowering the whole
        await company.change(treasurer, budgets.set_budget, company.id, terms=Terms(99 * USD))
    await company.change(treasurer, budgets.set_budget, company.id, terms=Terms(120 * USD))


async def test_a_teams_lead_divides_what_the_team_has_and_cannot_raise_it(company: Company) -> None:
    ml, web = await company.team("ml"), await company.team("web")
    search = await company.project("search", ml)
    crm = await company.project("crm", web)
    await company.budget(ml.id, 100)
    lead = await company.hire("lead", ("team_admin", ml.id))
    await company.change(lead, allocations.allocate, ml.id, allocations=[part("search", 60)])
    with pytest.raises(PermissionDenied, match="quota:manage"):
        await company.change(lead, budgets.set_budget, ml.id, terms=Terms(1000 * USD))
    with pytest.raises(PermissionDenied):
        await company.change(lead, budgets.delete_budget, ml.id, period="monthly")
    with pytest.raises(PermissionDenied):
        await company.change(lead, allocations.allocate, company.id, allocations=[part("ml", 1000)])
    for target in ("crm", crm.id, "web", "nothing"):
        with pytest.raises(NotFound):
            await company.change(lead, allocations.allocate, ml.id, allocations=[part(target, 1)])
    for scope_id in (web.id, crm.id, "team_nothing"):
        with pytest.raises(NotFound):
            await company.change(lead, budgets.set_budget, scope_id, terms=Terms(1))
    seen = await company.look(lead, budgets.list_budgets)
    assert sorted(each.scope_id for each in seen) == sorted([ml.id, search.id])


@pytest.mark.parametrize("targets", [("ml", "ml"), ("twin",)])
async def test_what_is_named_twice_or_means_two_things_is_refused(company: Company, targets: tuple[str, ...]) -> None:
    await company.team("ml")
    await company.project("twin", await company.team("twin"))
    with pytest.raises(InvalidRequest):
        await company.change(None, allocations.allocate, company.id, allocations=[part(each, 1) for each in targets])


async def test_a_project_has_nothing_to_divide(company: Company) -> None:
    with pytest.raises(InvalidRequest):
        await company.change(None, allocations.allocate, company.default.id, allocations=[part("x", 1)])


async def test_allocations_at_once_never_exceed_the_whole(company: Company) -> None:
    names = [f"team {number}" for number in range(8)]
    for name in names:
        await company.team(name)
    await company.budget(company.id, 500)
    await company.change(None, roles.create_role, name="treasurer", permissions=frozenset({"quota:manage"}))
    treasurer = await company.caller(await company.hire("treasurer", ("treasurer", company.id)))
    results = await asyncio.gather(
        *(company.change(treasurer, allocations.allocate, company.id, allocations=[part(name, 150)]) for name in names),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Conflict) for each in results) == len(names) - 3, results
    assert await allotted(company) == 450


async def test_projects_put_at_once_never_exceed_their_team(company: Company) -> None:
    team = await company.team("ml")
    await company.budget(team.id, 100)
    role = frozenset({"project:manage", "quota:manage"})
    await company.change(None, roles.create_role, name="planner", permissions=role)
    planner = await company.caller(await company.hire("planner", ("planner", team.id)))
    results = await asyncio.gather(
        *(
            company.change(planner, projects.put_project, team.id, name=f"p{number}", quota=ProjectQuota(40 * USD))
            for number in range(6)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Conflict) for each in results) == 4, results
    assert await allotted(company, Place(company.id, team.id)) == 80
    assert len(await company.look(None, projects.list_projects, team_id=team.id)) == 2  # those refused are not there


async def test_without_a_budget_of_its_own_a_team_counts_as_its_projects(company: Company) -> None:
    team = await company.team("ml")
    await company.project("a", team, monthly_usd=70)
    await company.budget(company.id, 100)
    await company.budget(team.id, 100)
    assert await allotted(company) == 100
    await company.change(None, budgets.delete_budget, team.id, period="monthly")
    assert await allotted(company) == 70
    with pytest.raises(NotFound):
        await company.change(None, budgets.delete_budget, team.id, period="monthly")


async def test_sums_beyond_64_bits_are_told_and_not_an_overflow(company: Company) -> None:
    team = await company.team("ml")
    for number in range(12):
        await company.project(f"p{number}", team, monthly_usd=1_000_000_000)
    assert await allotted(company) == 12_000_000_000
    await company.change(None, roles.create_role, name="treasurer", permissions=frozenset({"quota:manage"}))
    treasurer = await company.hire("treasurer", ("treasurer", company.id))
    with pytest.raises(Conflict, match="12000000000"):
        await company.change(treasurer, budgets.set_budget, company.id, terms=Terms(USD))


async def test_budgets_are_listed_in_pages_with_all_that_was_set(company: Company) -> None:
    teams = [await company.team(f"team {number}") for number in range(3)]
    strict = Enforcement(hard_limit=False, notify_on_exceed=False, auto_disable_on_exceed=True)
    for each in teams:
        for period in ("monthly", "daily"):
            await company.change(
                None, budgets.set_budget, each.id, terms=Terms(7, period, is_carried_over=True, enforcement=strict)
            )
    pages = [await company.look(None, budgets.list_budgets, limit=4)]
    last = pages[0][-1]
    pages.append(await company.look(None, budgets.list_budgets, after=last.id, limit=4))
    found = [*pages[0], *pages[1]]
    assert [(each.scope_id, each.period) for each in found] == sorted(
        (each.id, period) for each in teams for period in ("monthly", "daily")
    )
    assert {(each.amount, each.is_carried_over, each.enforcement) for each in found} == {(7, True, strict)}
    assert len(await company.look(None, budgets.list_budgets, scope_id=teams[0].id)) == 2
    viewer = await company.hire("viewer", ("viewer", company.id))
    with pytest.raises(PermissionDenied):
        await company.look(viewer, budgets.list_budgets, scope_id=teams[0].id)
