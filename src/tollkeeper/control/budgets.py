"""Budgets: what places are allotted per period. This version keeps them; it does not yet hold calls to them.

A place's budget is its parent's to set: a team's lead divides what the team has, and cannot raise it. What the parts of
a place are allotted together must fit into its own budget of the same period, unless whoever asks may override it there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.scopes import find_scope, parent_of, reach_of
from tollkeeper.domain.access import decide
from tollkeeper.domain.budget import Budget, Enforcement, Period
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.tenancy import OrganizationId, Place
from tollkeeper.store import budgets, organizations, projects, teams

PERIODS: tuple[Period, ...] = ("daily", "weekly", "monthly")


class Terms(msgspec.Struct, frozen=True):
    """What a budget is to be: nano-USD per period."""

    amount: int
    period: Period = "monthly"
    is_carried_over: bool = False
    enforcement: Enforcement = Enforcement()


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
        InvalidRequest: `parent_id` is a project's, or a target is ambiguous or named twice.
        Conflict: the parts would have more than the whole.
    """
    parent = await find_scope(action, parent_id)
    action.require("quota:manage", parent)
    if parent.kind == "project":
        raise InvalidRequest("A project has no parts to divide its budget among.", param="team_id")
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
        own = await budgets.get_budget(action.connection, action.organization_id, parent.id, period)
        limits[period] = own.amount if own else None
    sums = {each: await budgets.sum_allotted(action.connection, parent, each) for each in periods}
    return Allotment(parent, tuple(written), limits, sums)


async def set_budget(action: Action, scope_id: str, *, terms: Terms) -> Budget:
    """Give a place its budget for a period, in place of the one it has.

    Raises:
        NotFound: there is no such place that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what the place is part of.
        Conflict: the parts of a place would have more than the whole.
    """
    place = await find_scope(action, scope_id)
    action.require("quota:manage", parent_of(place))
    await organizations.lock_organization(action.connection, action.organization_id)
    place = await find_scope(action, scope_id)
    action.require("quota:manage", parent_of(place))
    async with keeping_within(action, [place], [terms.period]):
        return await write_budget(action, place, terms)


async def delete_budget(action: Action, scope_id: str, *, period: Period) -> Budget:
    """Take a place's budget for a period away.

    Raises:
        NotFound: there is no such place that the caller may know of, or it has no such budget.
        PermissionDenied: the caller may not manage the quotas of what the place is part of.
        Conflict: a team's projects would count to the organization's budget and do not fit.
    """
    place = await find_scope(action, scope_id)
    action.require("quota:manage", parent_of(place))
    await organizations.lock_organization(action.connection, action.organization_id)
    place = await find_scope(action, scope_id)
    action.require("quota:manage", parent_of(place))
    return await drop_budget(action, place, period)


async def list_budgets(
    action: Action, *, scope_id: str | None = None, after: tuple[str, str] | None = None, limit: int = 100
) -> list[Budget]:
    """Return the budgets that the caller may read, in the order of scope and period, those behind `after`.

    Raises:
        NotFound: there is no place `scope_id` that the caller may know of.
        PermissionDenied: the caller may not read its budgets.
    """
    if scope_id is not None:
        action.require("quota:read", await find_scope(action, scope_id))
    wanted = budgets.BudgetFilter(scope_id, reach_of(action.caller.principal, "quota:read"))
    return await budgets.list_budgets(action.connection, action.organization_id, wanted, after=after, limit=limit)


def terms_of(budget: Budget) -> Terms:
    """Return what a budget is, without whose it is."""
    return Terms(budget.amount, budget.period, budget.is_carried_over, budget.enforcement)


async def write_budget(action: Action, place: Place, terms: Terms) -> Budget:
    """Write a budget and note it; permission, lock and fit are the caller's business."""
    organization_id = action.organization_id
    before = await budgets.get_budget(action.connection, organization_id, place.id, terms.period)
    wanted = Budget(
        OrganizationId(organization_id),
        place.kind,
        place.id,
        terms.period,
        terms.amount,
        terms.is_carried_over,
        terms.enforcement,
    )
    written = await budgets.set_budget(action.connection, organization_id, wanted)
    action.record("budget.set", _target(place, terms.period), before=_shown(before), after=_shown(written))
    return written


async def drop_budget(action: Action, place: Place, period: Period) -> Budget:
    """Delete a budget and note it; permission and lock are the caller's business.

    Raises:
        NotFound: there is none.
        Conflict: what is left does not fit.
    """
    before = await budgets.get_budget(action.connection, action.organization_id, place.id, period)
    if before is None:
        raise NotFound(f"'{place.id}' has no {period} budget.")
    async with keeping_within(action, [place], [period]):
        await budgets.delete_budget(action.connection, action.organization_id, place.id, period)
    action.record("budget.delete", _target(place, period), before=_shown(before))
    return before


@asynccontextmanager
async def keeping_within(action: Action, places: Iterable[Place], periods: Sequence[Period]) -> AsyncIterator[None]:
    """Let what is done inside change budgets of these places, or move them, without anything above them overflowing.

    The organization is locked. What was too much before may stay, but not grow.

    Raises:
        Conflict: the parts of a place would have more than the whole, and the caller may not override that there.
    """
    wholes = sorted({each for place in places for each in _wholes(place)}, key=lambda each: each.id)
    before = {(each, period): await _excess(action, each, period) for each in wholes for period in periods}
    yield
    for (whole, period), excess in before.items():
        if await _excess(action, whole, period) > max(excess, 0):
            if decide(action.caller.principal, "quota:override", whole).is_allowed:
                continue
            raise Conflict(await _too_much(action, whole, period), missing_permission="quota:override")


def _wholes(place: Place) -> list[Place]:
    """Return what a place's budget is part of, and the place itself when it has parts."""
    team = [Place(place.organization_id, place.team_id)] if place.team_id else []
    return [*team, Place(place.organization_id)]


async def _excess(action: Action, whole: Place, period: Period) -> int:
    own = await budgets.get_budget(action.connection, action.organization_id, whole.id, period)
    if own is None:
        return 0
    return await budgets.sum_allotted(action.connection, whole, period) - own.amount


async def _too_much(action: Action, whole: Place, period: Period) -> str:
    own = await budgets.get_budget(action.connection, action.organization_id, whole.id, period)
    assert own is not None, "only a budget can be exceeded"
    asked = await budgets.sum_allotted(action.connection, whole, period)
    return (
        f"The parts of this {whole.kind} would have ${format_usd(asked)} of its {period} budget of "
        f"${format_usd(own.amount)}, ${format_usd(asked - own.amount)} too much. Lower the amounts or raise "
        f"the {whole.kind}'s budget; someone with quota:override may allot more."
    )


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


def _target(place: Place, period: Period) -> Target:
    return Target("budget", place.id, f"{place.kind} {period}")


def _shown(budget: Budget | None) -> dict[str, object] | None:
    if budget is None:
        return None
    return {
        "period": budget.period,
        "amount_usd": format_usd(budget.amount),
        "carryover": budget.is_carried_over,
        "enforcement": msgspec.structs.asdict(budget.enforcement),
    }
