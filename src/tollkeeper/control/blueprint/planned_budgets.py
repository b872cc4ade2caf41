"""From a document and what there is to planned budgets, and whether all of them will fit into what they are part of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from tollkeeper.control.blueprint.differences import differences
from tollkeeper.control.blueprint.document import BudgetEntry
from tollkeeper.control.blueprint.fit import ORGANIZATION, Allotments, Scope, overfull
from tollkeeper.control.blueprint.plan import Change
from tollkeeper.control.blueprint.present import Present
from tollkeeper.control.blueprint.reading import Blueprint, all_projects
from tollkeeper.control.budgets import Terms, terms_of
from tollkeeper.domain.budget import Budget, Period


def plan_budgets(
    blueprint: Blueprint, present: Present, changes: list[Change], *, is_pruning: bool
) -> tuple[list[Change], tuple[str, ...]]:
    """Return the planned budgets, and which wholes would have parts that do not fit; `changes` are all but the budgets'."""
    known = _budgets_by_scope(present)
    found: list[Change] = []
    for path, scope, entries in _stated(blueprint):
        found += _plan_place(path, scope, entries, known.get(scope, {}), is_pruning=is_pruning)
    before = _allotments(present, known)
    return found, overfull(before, _after(blueprint, before, [*changes, *found]))


def _stated(blueprint: Blueprint) -> Iterator[tuple[str, Scope, tuple[BudgetEntry, ...]]]:
    document = blueprint.document
    if document.organization is not UNSET and document.organization.budget is not UNSET:
        yield "organization.budget", ORGANIZATION, document.organization.budget
    for index, team in enumerate(document.teams or ()):
        if team.budget is not UNSET:
            yield f"teams[{index}].budget", ("team", team.name), team.budget
    for path, _, project in all_projects(document):
        if project.budget is not UNSET:
            yield f"{path}.budget", ("project", project.name), project.budget


def _plan_place(
    path: str,
    scope: Scope,
    entries: tuple[BudgetEntry, ...],
    known: dict[Period, Budget],
    *,
    is_pruning: bool,
) -> Iterator[Change]:
    stated: dict[Period, Terms | None] = {}
    for entry in entries:
        for period, amount in entry.amounts.items():
            if amount is not UNSET:
                terms = None if amount is None else Terms(amount, period, entry.carryover, entry.enforcement)
                stated[period] = terms
    if is_pruning:
        stated |= {period: None for period in known if period not in stated}
    for period, terms in stated.items():
        before = known.get(period)
        common: dict[str, Any] = {"kind": "budget", "name": _name_of(scope, period), "path": path}
        values = {"scope": scope, "period": period, "terms": terms}
        if terms is None:
            if before is not None:
                yield Change(verb="delete", **common, values=values)
            continue
        different, fields = differences(_shown_terms(terms), _shown_terms(terms_of(before)) if before else None)
        if before is None:
            fields = tuple(each for each in fields if each.name in _telling(terms))
            yield Change(verb="create", **common, fields=fields, values=values)
        elif different:
            yield Change(verb="update", **common, fields=fields, values=values)


def _shown_terms(terms: Terms) -> dict[str, Any]:
    shown = {"amount_usd": terms.amount, "carryover": terms.is_carried_over}
    return {**shown, **msgspec.structs.asdict(terms.enforcement)}


def _telling(terms: Terms) -> set[str]:
    """Return what is worth saying of a new budget: its amount, and what is not as usual."""
    usual = _shown_terms(Terms(0))
    return {"amount_usd"} | {name for name, value in _shown_terms(terms).items() if value != usual[name]}


def _name_of(scope: Scope, period: Period) -> str:
    kind, name = scope
    return f"{kind} {name}, {period}" if name else f"{kind}, {period}"


def _budgets_by_scope(present: Present) -> dict[Scope, dict[Period, Budget]]:
    scopes: dict[str, Scope] = {present.organization.id: ORGANIZATION}
    scopes |= {team.id: ("team", team.name) for team in present.teams.values()}
    scopes |= {project.id: ("project", project.name) for project in present.projects.values()}
    return {scopes[id_]: budgets for id_, budgets in present.budgets.items() if id_ in scopes}


def _allotments(present: Present, known: dict[Scope, dict[Period, Budget]]) -> Allotments:
    team_names: dict[str, str] = {team.id: team.name for team in present.teams.values()}
    amounts = {scope: {period: budget.amount for period, budget in budgets.items()} for scope, budgets in known.items()}
    return Allotments(amounts, {each.name: team_names.get(each.team_id, "") for each in present.projects.values()})


def _after(blueprint: Blueprint, before: Allotments, changes: list[Change]) -> Allotments:
    amounts = {scope: dict(each) for scope, each in before.amounts.items()}
    teams = {**before.teams, **{project.name: team for _, team, project in all_projects(blueprint.document)}}
    for change in changes:
        if change.verb == "delete" and change.kind == "project":
            amounts.pop(("project", change.name), None)
        elif change.verb == "delete" and change.kind == "team":
            amounts.pop(("team", change.name), None)
        elif change.kind == "budget":
            place = amounts.setdefault(change.values["scope"], {})
            terms: Terms | None = change.values["terms"]
            if terms is None:
                place.pop(change.values["period"], None)
            else:
                place[change.values["period"]] = terms.amount
    return Allotments(amounts, teams)
