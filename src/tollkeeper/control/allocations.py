"""Allocation: a place's budget divided among teams and projects below it, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.budget_fit import keeping_within
from tollkeeper.control.budgets import Terms, check_terms, write_budget
from tollkeeper.control.scopes import find_scope
from tollkeeper.domain.budget import Budget, BudgetKey, Period
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import budgets, organizations, projects, teams


class Allocation(msgspec.Struct, frozen=True):
    """A budget for a team or project, by its id or name."""

    target: str
    terms: Terms


class Allotment(msgspec.Struct, frozen=True):
    """What was allotted, and what the parent has: its own budgets, and what its parts have together, by period."""

    parent: Place
    budgets: tuple[Budget, ...]
    parent_limits: dict[Period, int | None]
    allotted_nanos: dict[Period, int]


async def allocate(action: Action, parent_id: str, *, allocations: Sequence[Allocation]) -> Allotment:
    """Divide an organization's or a team's budget among teams and projects below it: all of it, or nothing.

    Raises:
        NotFound: no such organization, team or target that the caller may know of.
        PermissionDenied: the caller may not manage quotas there.
        InvalidRequest: `parent_id` is a project's, or a target is ambiguous or named twice, or terms that cannot be.
        Conflict: the parts would have more than the whole.
    """
    parent = await find_scope(action, parent_id)
    action.require("quota:manage", parent)
    if parent.kind == "project":
        raise InvalidRequest("A project has no parts to divide its budget among.", param="team_id")
    for each in allocations:
        check_terms(each.terms)
    await organizations.lock_organization(action.connection, action.organization_id)
    targets = await _find_targets(action, parent, [each.target for each in allocations])
    pairs = [(target, each.terms) for target, each in zip(targets, allocations, strict=True)]
    if len({(target.id, terms.period) for target, terms in pairs}) < len(pairs):
        raise InvalidRequest("The same target is named twice for the same period.", param="allocations")
    periods = sorted({terms.period for _, terms in pairs})
    async with keeping_within(action, targets, periods):
        written = [await write_budget(action, target, terms) for target, terms in pairs]
    limits: dict[Period, int | None] = {}
    for period in periods:
        own = await budgets.get_budget(action.connection, action.organization_id, BudgetKey(parent.id, period))
        limits[period] = own.amount if own else None
    sums = {each: await budgets.sum_allotted(action.connection, parent, each) for each in periods}
    return Allotment(parent, tuple(written), limits, sums)


async def _find_targets(action: Action, parent: Place, named: Sequence[str]) -> list[Place]:
    """Return the places below a parent that are meant, in order."""
    connection, organization_id = action.connection, action.organization_id
    found: dict[str, set[Place]] = {}
    if parent.kind == "organization":
        for team in await teams.find_teams(connection, organization_id, named):
            place = Place(organization_id, team.id)
            found.setdefault(team.id, set()).add(place)
            found.setdefault(team.name, set()).add(place)
    for project in await projects.find_projects(connection, organization_id, named):
        if parent.kind == "organization" or project.team_id == parent.team_id:
            place = Place(organization_id, project.team_id, project.id)
            found.setdefault(project.id, set()).add(place)
            found.setdefault(project.name, set()).add(place)
    for places_ in list(found.values()):  # an id says it alone, whatever else is named like it
        for place in places_:
            found[place.id] = {place}
    for each in named:
        if each not in found:
            raise NotFound(f"There is no team or project '{each}' in this {parent.kind}.")
        if len(found[each]) > 1:
            raise InvalidRequest(f"'{each}' is a team and a project; name it by its id.", param="allocations")
    return [next(iter(found[each])) for each in named]
