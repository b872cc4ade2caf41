"""From a document and what there is to a plan: the organization, roles, teams, projects and keys; pure, nothing is done."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.control.blueprint.differences import differences
from tollkeeper.control.blueprint.document import (
    CurrencyEntry,
    KeyEntry,
    ModelLimitEntry,
    PolicyEntry,
    ProjectEntry,
    RateEntry,
)
from tollkeeper.control.blueprint.plan import Change, Kind, Plan, Verb, in_order
from tollkeeper.control.blueprint.planned_budgets import plan_budgets
from tollkeeper.control.blueprint.planned_people import plan_people
from tollkeeper.control.blueprint.present import Present
from tollkeeper.control.blueprint.reading import Blueprint, all_projects
from tollkeeper.domain.api_key import ApiKey, KeyStatus, expiry_under
from tollkeeper.domain.budget import ModelLimit, QuotaAlert
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.domain.permission import INFERENCE_PERMISSIONS
from tollkeeper.domain.role import PREDEFINED
from tollkeeper.domain.tenancy import KeyPolicy


class _Known(msgspec.Struct, frozen=True):
    """A thing that is there, and what of it a file can say."""

    id: str
    state: dict[str, Any]


def plan_blueprint(blueprint: Blueprint, present: Present, *, is_pruning: bool = False) -> Plan:
    """Plan what makes an organization be as its file says; with `is_pruning` also what the file does not have goes.

    Raises:
        InvalidRequest: the file names what neither it nor the organization has.
    """
    doomed_projects = _doomed_projects(blueprint, present) if is_pruning else {}
    doomed_teams = _doomed_teams(blueprint, present) if is_pruning else []
    changes = [
        *_plan_organization(blueprint, present),
        *_plan_roles(blueprint, present, is_pruning=is_pruning),
        *_plan_teams(blueprint, present),
        *_plan_projects(blueprint, present, is_pruning=is_pruning),
        *(Change(verb="delete", kind="project", name=name, id=id_) for name, id_ in doomed_projects.items()),
        *(Change(verb="delete", kind="team", name=name, id=present.teams[name].id) for name in doomed_teams),
    ]
    people, notes = plan_people(blueprint, present, _names_after(present, changes), is_pruning=is_pruning)
    budgets, overfull = plan_budgets(blueprint, present, changes, is_pruning=is_pruning)
    return Plan(in_order([*changes, *people, *budgets]), notes, overfull)


def _plan_organization(blueprint: Blueprint, present: Present) -> list[Change]:
    entry, known = blueprint.document.organization, present.organization
    if entry is UNSET:
        return []
    names = ("name", "timezone", "language", "fiscal_month_start")
    wanted = {name: getattr(entry, name) for name in names}
    policy = entry.policy if entry.policy is UNSET else _policy_of(entry.policy)
    wanted |= {"policy": policy, "display_currency": _currency_of(entry.display_currency)}
    values, fields = differences(
        {name: value for name, value in wanted.items() if value is not UNSET},
        {name: getattr(known, name) for name in wanted},
    )
    if not values:
        return []
    name = known.name
    return [Change(verb="update", kind="organization", name=name, fields=fields, path="organization", values=values)]


def _plan_roles(blueprint: Blueprint, present: Present, *, is_pruning: bool) -> list[Change]:
    entries = blueprint.document.roles
    if entries is UNSET:
        return []
    found = []
    for index, entry in enumerate(entries):
        path = f"roles[{index}]"
        if entry.name in PREDEFINED:
            raise blueprint.fault(f"{path}.name", f"the role '{entry.name}' is predefined and stays as it is")
        wanted: dict[str, Any] = {"permissions": frozenset(entry.permissions)}
        if entry.description is not UNSET:
            wanted["description"] = entry.description.strip()
        known = present.roles.get(entry.name)
        state = {"permissions": known.permissions, "description": known.description} if known else {}
        found += _created_or_updated("role", entry.name, path, wanted, _Known(known.id, state) if known else None)
    if is_pruning:
        names = {each.name for each in entries}
        gone = [each for each in present.roles.values() if each.name not in names]
        found += [Change(verb="delete", kind="role", name=each.name, id=each.id) for each in gone]
    return found


def _plan_teams(blueprint: Blueprint, present: Present) -> list[Change]:
    return [
        Change(verb="create", kind="team", name=entry.name, path=f"teams[{index}]")
        for index, entry in enumerate(blueprint.document.teams or ())
        if entry.name not in present.teams
    ]


def _plan_projects(blueprint: Blueprint, present: Present, *, is_pruning: bool) -> list[Change]:
    team_names: dict[str, str] = {team.id: team.name for team in present.teams.values()}
    found = []
    for path, team, entry in all_projects(blueprint.document):
        wanted: dict[str, Any] = {"team": team}
        if entry.quota_alerts is not UNSET:
            wanted["quota_alerts"] = tuple(QuotaAlert(each.permille, each.action) for each in entry.quota_alerts)
        if entry.model_limits is not UNSET:
            wanted["model_limits"] = {
                name: ModelLimit(each.daily_requests, each.daily_budget_nanos)
                for name, each in entry.model_limits.items()
                if each != ModelLimitEntry()
            }
        known = present.projects.get(entry.name)
        before: _Known | None = None
        if known is not None:
            limits = present.limits[known.id]
            alerts = tuple(sorted(limits.quota_alerts, key=lambda each: (each.threshold_permille, each.action)))
            state = {"team": team_names.get(known.team_id, ""), "quota_alerts": alerts}
            before = _Known(known.id, {**state, "model_limits": limits.model_limits})
        found += _created_or_updated("project", entry.name, path, wanted, before)
        keys = present.keys.get(known.id, {}) if known else {}
        found += _plan_keys(blueprint, present, path, entry, keys, is_pruning=is_pruning)
    return found


def _plan_keys(
    blueprint: Blueprint,
    present: Present,
    path: str,
    project: ProjectEntry,
    keys: dict[str, ApiKey],
    *,
    is_pruning: bool,
) -> list[Change]:
    if project.keys is UNSET:
        return []
    organization = blueprint.document.organization
    policy = present.organization.policy
    if organization is not UNSET and organization.policy is not UNSET:
        policy = _policy_of(organization.policy)
    found: list[Change] = []
    for index, entry in enumerate(project.keys):
        at = f"{path}.keys[{index}]"
        if entry.permissions is not UNSET and not entry.permissions:
            raise blueprint.fault(f"{at}.permissions", "a key needs at least one permission")
        known = keys.get(entry.name)
        wanted = _wanted_of_key(entry, known, policy)
        before = _Known(known.id, _state_of_key(known)) if known else None
        found += _created_or_updated("key", entry.name, at, wanted, before, place=project.name)
    if is_pruning:
        names = {each.name for each in project.keys}
        gone = [each for each in keys.values() if each.name not in names]
        found += [Change(verb="delete", kind="key", name=each.name, id=each.id, place=project.name) for each in gone]
    return found


def _wanted_of_key(entry: KeyEntry, known: ApiKey | None, policy: KeyPolicy) -> dict[str, Any]:
    expires_at_us = entry.expires_at_us
    if known is not None and expires_at_us is not UNSET:  # no key outlives the policy
        expires_at_us = expiry_under(policy, created_at_us=known.created_at_us, expires_at_us=expires_at_us)
    wanted = {
        "permissions": UNSET if entry.permissions is UNSET else frozenset(entry.permissions),
        "expires_at": expires_at_us,
        "rate_limit": UNSET if entry.rate_limit is UNSET else _rate_limit_of(entry.rate_limit),
        "allowed_ips": UNSET if entry.allowed_ips is UNSET else tuple(dict.fromkeys(entry.allowed_ips)),
        "allowed_models": UNSET if entry.allowed_models is UNSET else tuple(dict.fromkeys(entry.allowed_models)),
        "labels": entry.labels,
        "disabled": entry.is_disabled,
    }
    if known is None and entry.permissions is UNSET:
        wanted["permissions"] = INFERENCE_PERMISSIONS
    return {name: value for name, value in wanted.items() if value is not UNSET}


def _state_of_key(key: ApiKey) -> dict[str, Any]:
    terms = key.terms or KeyTerms()
    return {
        "permissions": key.permissions,
        "expires_at": key.expires_at_us,
        "rate_limit": terms.rate_limit,
        "allowed_ips": terms.allowed_ips,
        "allowed_models": terms.allowed_models,
        "labels": terms.labels,
        "disabled": key.status is KeyStatus.DISABLED,
    }


def _created_or_updated(
    kind: Kind,
    name: str,
    path: str,
    wanted: dict[str, Any],
    known: _Known | None,
    *,
    place: str = "",
) -> list[Change]:
    values, fields = differences(wanted, known.state if known else None)
    if known is not None and not values:
        return []
    verb: Verb = "update" if known else "create"
    id_ = known.id if known else ""
    return [Change(verb=verb, kind=kind, name=name, fields=fields, path=path, id=id_, place=place, values=values)]


def _doomed_projects(blueprint: Blueprint, present: Present) -> dict[str, str]:
    """Return the ids, by name, of the projects that the file should have but does not."""
    document = blueprint.document
    named = {entry.name for _, _, entry in all_projects(document)}
    listed = {team.name for team in document.teams or () if team.projects is not UNSET}
    doomed_ids = {present.teams[name].id for name in _doomed_teams(blueprint, present)}
    doomed_ids |= {present.teams[name].id for name in listed if name in present.teams}
    if document.projects is not UNSET:
        doomed_ids.add("")  # type: ignore[arg-type]  # the projects of no team
    return {
        project.name: project.id
        for project in present.projects.values()
        if project.name not in named and project.team_id in doomed_ids
    }


def _doomed_teams(blueprint: Blueprint, present: Present) -> list[str]:
    entries = blueprint.document.teams
    if entries is UNSET:
        return []
    names = {each.name for each in entries}
    return [name for name in present.teams if name not in names]


def _names_after(present: Present, changes: list[Change]) -> dict[str, set[str]]:
    """Return the names of the roles, teams and projects that there will be, by kind."""
    names = {"role": set(present.roles), "team": set(present.teams), "project": set(present.projects)}
    for change in changes:
        if change.verb == "create" and change.kind in names:
            names[change.kind].add(change.name)
        if change.verb == "delete" and change.kind in names:
            names[change.kind].discard(change.name)
    names["role"] |= set(PREDEFINED)
    return names


def _policy_of(entry: PolicyEntry) -> KeyPolicy:
    return KeyPolicy(entry.key_age_max_days, entry.is_key_expiry_required, tuple(sorted(set(entry.required_labels))))


def _currency_of(entry: CurrencyEntry | UnsetType | None) -> DisplayCurrency | UnsetType | None:
    if isinstance(entry, CurrencyEntry):
        return DisplayCurrency(entry.code, entry.rate_micros, entry.rate_date, entry.source.strip())
    return entry


def _rate_limit_of(entry: RateEntry) -> RateLimit:
    return RateLimit(entry.requests_per_minute, entry.requests_per_day, entry.tokens_per_minute)
