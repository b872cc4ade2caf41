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
from tollkeeper.domain.budget import Budget, BudgetKey, Period


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
    known: dict[BudgetKey, Budget],
    *,
    is_pruning: bool,
) -> Iterator[Change]:
    stated: dict[BudgetKey, Terms | None] = {}
    for entry in entries:
        for key, amount in entry.amounts.items():
            stated[key] = None if amount is None else _terms(entry, key, amount)
    if is_pruning:
        stated |= {key: None for key in known if key not in stated}
    for key, terms in stated.items():
        before = known.get(key)
        common: dict[str, Any] = {"kind": "budget", "name": _name_of(scope, key), "path": path}
        values = {"scope": scope, "key": key, "terms": terms}
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


def _terms(entry: BudgetEntry, key: BudgetKey, amount: int) -> Terms:
    is_carried_over = entry.carryover and key.period != "total"  # without a period there is nothing to carry over into
    return Terms(amount, key.period, is_carried_over, entry.enforcement, key.unit, key.model)


def _shown_terms(terms: Terms) -> dict[str, Any]:
    amount = "amount_usd" if terms.unit == "usd" else "amount"
    shown = {amount: terms.amount, "carryover": terms.is_carried_over}
    return {**shown, **msgspec.structs.asdict(terms.enforcement)}


def _telling(terms: Terms) -> set[str]:
    """Return what is worth saying of a new budget: its amount, and what is not as usual."""
    usual = _shown_terms(Terms(-1, unit=terms.unit))
    return {name for name, value in _shown_terms(terms).items() if value != usual[name]}


def _name_of(scope: Scope, key: BudgetKey) -> str:
    kind, name = scope
    what = {"usd": key.period, "concurrent": "concurrent calls"}.get(key.unit, f"{key.period} {key.unit}")
    return (f"{kind} {name}, " if name else f"{kind}, ") + what + (f" for {key.model}" if key.model else "")


def _budgets_by_scope(present: Present) -> dict[Scope, dict[BudgetKey, Budget]]:
    scopes: dict[str, Scope] = {present.organization.id: ORGANIZATION}
    scopes |= {team.id: ("team", team.name) for team in present.teams.values()}
    scopes |= {project.id: ("project", project.name) for project in present.projects.values()}
    return {scopes[id_]: budgets for id_, budgets in present.budgets.items() if id_ in scopes}


def _allotments(present: Present, known: dict[Scope, dict[BudgetKey, Budget]]) -> Allotments:
    team_names: dict[str, str] = {team.id: team.name for team in present.teams.values()}
    amounts: dict[Scope, dict[Period, int]] = {
        scope: {key.period: budget.amount for key, budget in budgets.items() if key.is_divided}
        for scope, budgets in known.items()
    }
    return Allotments(amounts, {each.name: team_names.get(each.team_id, "") for each in present.projects.values()})


def _after(blueprint: Blueprint, before: Allotments, changes: list[Change]) -> Allotments:
    amounts = {scope: dict(each) for scope, each in before.amounts.items()}
    teams = {**before.teams, **{project.name: team for _, team, project in all_projects(blueprint.document)}}
    for change in changes:
        if change.verb == "delete" and change.kind == "project":
            amounts.pop(("project", change.name), None)
        elif change.verb == "delete" and change.kind == "team":
            amounts.pop(("team", change.name), None)
        elif change.kind == "budget" and change.values["key"].is_divided:
            place, period = amounts.setdefault(change.values["scope"], {}), change.values["key"].period
            terms: Terms | None = change.values["terms"]
            if terms is None:
                place.pop(period, None)
            else:
                place[period] = terms.amount
    return Allotments(amounts, teams)
