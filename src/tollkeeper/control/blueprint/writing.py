"""From what there is to a document, and from a document to YAML: what is exported is in sync when it is applied."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import yaml
from msgspec import UNSET, UnsetType

from tollkeeper.control.administration import Action
from tollkeeper.control.blueprint.document import (
    AlertEntry,
    BudgetEntry,
    CurrencyEntry,
    Document,
    Form,
    KeyEntry,
    MemberEntry,
    MemberRoleEntry,
    ModelLimitEntry,
    OrganizationEntry,
    PolicyEntry,
    ProjectEntry,
    RateEntry,
    RoleEntry,
    TeamEntry,
)
from tollkeeper.control.blueprint.forms import NUMBERS, SHOWN
from tollkeeper.control.blueprint.planned_people import PeopleRoles, RoleAtPlace
from tollkeeper.control.blueprint.present import Present, read_present
from tollkeeper.domain.api_key import ApiKey, KeyStatus
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.domain.tenancy import Project

_HEAD = """\
# An organization as a file: `tollkeeper apply -f FILE` brings it about. Written by `tollkeeper export`.
# The secrets of keys are not in it, nor are keys of persons and of the administration.
"""


async def export_document(action: Action) -> Document:
    """Return the caller's organization as a document."""
    return document_of(await read_present(action))


def document_of(present: Present) -> Document:
    """Return what there is as a document that says all of it."""
    organization = present.organization
    policy = organization.policy
    people = PeopleRoles(present)
    invited = {
        email: {role for each in open_invites for role in people.roles_of(each.assignments)}
        for email, open_invites in present.invites.items()
        if email not in present.members
    }
    members = {email: people.roles_of(each.assignments).keys() for email, each in present.members.items()}
    return Document(
        organization=OrganizationEntry(
            name=organization.name,
            timezone=organization.timezone,
            language=organization.language,
            fiscal_month_start=organization.fiscal_month_start,
            policy=PolicyEntry(policy.key_age_max_days, policy.is_key_expiry_required, policy.required_labels),
            display_currency=_currency_of(organization.display_currency),
            budget=_budget_of(present, organization.id),
        ),
        roles=tuple(
            RoleEntry(each.name, tuple(sorted(each.permissions)), each.description) for each in present.roles.values()
        ),
        teams=tuple(
            TeamEntry(team.name, _budget_of(present, team.id), _projects_of(present, team.id))
            for team in present.teams.values()
        ),
        projects=_projects_of(present, ""),
        members=tuple(
            MemberEntry(email, tuple(_role_entry(each) for each in sorted(held)))
            for email, held in {**members, **invited}.items()
            if held or email in members
        ),
    )


def write_yaml(document: Document) -> str:
    """Return a document as YAML; amounts with all their digits."""
    text: str = yaml.dump(plain_document(document), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return _HEAD + text


def plain_document(document: Document) -> dict[str, Any]:
    """Return a document as dictionaries, lists, texts and Decimals; as JSON it can be applied as well."""
    plain: dict[str, Any] = _written(document, Document, None)
    return plain


def _currency_of(chosen: DisplayCurrency | None) -> CurrencyEntry | UnsetType:
    return CurrencyEntry(**msgspec.structs.asdict(chosen)) if chosen is not None else UNSET


def _projects_of(present: Present, team_id: str) -> tuple[ProjectEntry, ...]:
    return tuple(_project_of(present, each) for each in present.projects.values() if each.team_id == team_id)


def _project_of(present: Present, project: Project) -> ProjectEntry:
    limits = present.limits[project.id]
    return ProjectEntry(
        project.name,
        _budget_of(present, project.id),
        tuple(AlertEntry(each.threshold_permille, each.action) for each in limits.quota_alerts),
        {
            name: ModelLimitEntry(each.daily_requests, each.daily_budget_nanos)
            for name, each in limits.model_limits.items()
        },
        tuple(_key_of(each) for each in present.keys.get(project.id, {}).values()),
    )


def _budget_of(present: Present, scope_id: str) -> tuple[BudgetEntry, ...] | UnsetType:
    """Return a place's budgets: those of equal terms in one entry."""
    entries: list[BudgetEntry] = []
    for key, budget in present.budgets.get(scope_id, {}).items():
        alike = [index for index, entry in enumerate(entries) if _has_terms(entry, budget)]
        if alike:
            entries[alike[0]] = entries[alike[0]].with_amount(key, budget.amount)
        else:
            terms = msgspec.structs.asdict(budget.enforcement)
            entry = BudgetEntry(model=budget.model or None, carryover=budget.is_carried_over, **terms)
            entries.append(entry.with_amount(key, budget.amount))
    return tuple(entries) or UNSET


def _has_terms(entry: BudgetEntry, budget: Budget) -> bool:
    is_alike = entry.carryover == budget.is_carried_over and entry.enforcement == budget.enforcement
    return is_alike and entry.model == (budget.model or None)


def _key_of(key: ApiKey) -> KeyEntry:
    terms = key.terms or KeyTerms()
    return KeyEntry(
        key.name,
        tuple(sorted(key.permissions)),
        key.expires_at_us,
        RateEntry(**msgspec.structs.asdict(terms.rate_limit)),
        terms.allowed_ips,
        terms.allowed_models,
        terms.labels,
        key.status is KeyStatus.DISABLED,
    )


def _role_entry(role: RoleAtPlace) -> MemberRoleEntry:
    name, kind, place = role
    return MemberRoleEntry(name, place if kind == "team" else None, place if kind == "project" else None)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent_number(dumper: yaml.SafeDumper, value: Decimal) -> yaml.Node:
    text = f"{value:f}"
    kind = "float" if "." in text else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


_Dumper.add_representer(Decimal, _represent_number)


def _written(value: Any, kind: Any, form: Form | None) -> Any:
    """Return a value of a document as YAML is made from it: by its type, as `reading` reads it."""
    origin = get_origin(kind)
    written: Any
    if value is None or isinstance(value, bool):
        written = value
    elif origin is Annotated:
        written = _written(value, get_args(kind)[0], get_args(kind)[1])
    elif origin in {Union, UnionType}:
        (inner,) = [each for each in get_args(kind) if each not in {NoneType, UnsetType}]
        written = _written(value, inner, None)
    elif isinstance(value, msgspec.Struct):
        written = _written_struct(value)
    elif origin is tuple:
        parts = [_written(each, get_args(kind)[0], None) for each in value]
        written = parts[0] if form is Form.ONE_OR_MORE and len(parts) == 1 else parts
    elif origin is dict:
        written = {key: _written(each, get_args(kind)[1], None) for key, each in value.items()}
    else:
        show: Callable[[Any], str] = SHOWN.get(form, str) if form is not None else str
        written = Decimal(show(value)) if form in NUMBERS else show(value)
    return written


def _written_struct(value: msgspec.Struct) -> dict[str, Any]:
    fields = {each.encode_name: (each, getattr(value, each.name)) for each in msgspec.structs.fields(type(value))}
    return {
        name: _written(content, field.type, None)
        for name, (field, content) in fields.items()
        if content is not UNSET and not (content is None and field.default is None)
    }
