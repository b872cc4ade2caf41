"""How each planned change is made, one at a time: by the use case that the API calls for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import UNSET

from tollkeeper.control import api_keys, budgets, invites, members, organizations, projects, roles, teams
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.api_keys import KeyUpdate, NewApiKey
from tollkeeper.control.blueprint.plan import Change, Kind, Verb
from tollkeeper.control.blueprint.planned_people import RoleAtPlace
from tollkeeper.control.blueprint.present import Present
from tollkeeper.control.invites import RoleAt
from tollkeeper.control.projects import ProjectQuota
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.domain.tenancy import Place, ScopeKind
from tollkeeper.store import members as member_rows


class Run:
    """An execution under way: the ids of what the file calls by name, and the keys made so far."""

    def __init__(self, action: Action, present: Present, rules: AccountRules) -> None:
        self.action, self.rules = action, rules
        self.keys: list[NewApiKey] = []
        self.teams: dict[str, str] = {name: team.id for name, team in present.teams.items()}
        self.projects: dict[str, str] = {name: project.id for name, project in present.projects.items()}
        self.team_of: dict[str, str] = {project.id: project.team_id for project in present.projects.values()}
        self.members: dict[str, str] = {email: member.id for email, member in present.members.items()}

    def scope_id(self, kind: ScopeKind, name: str) -> str:
        """Return the id of a place by its name."""
        if kind == "organization":
            return self.action.organization_id
        return self.teams[name] if kind == "team" else self.projects[name]

    def place(self, kind: ScopeKind, name: str) -> Place:
        """Return a place by its name."""
        id_ = self.scope_id(kind, name)
        if kind == "project":
            return Place(self.action.organization_id, self.team_of[id_], id_)
        return Place(self.action.organization_id, id_ if kind == "team" else "")


async def _update_organization(run: Run, change: Change) -> None:
    await organizations.update_organization(run.action, run.action.organization_id, **change.values)


async def _create_role(run: Run, change: Change) -> None:
    await roles.create_role(run.action, name=change.name, **change.values)


async def _update_role(run: Run, change: Change) -> None:
    await roles.update_role(run.action, change.id, **change.values)


async def _delete_role(run: Run, change: Change) -> None:
    await roles.delete_role(run.action, change.id)


async def _archive_team(run: Run, change: Change) -> None:
    await teams.archive_team(run.action, change.id)


async def _update_project(run: Run, change: Change) -> None:
    values = change.values
    team_id = (run.teams[values["team"]] if values["team"] else None) if "team" in values else UNSET
    changed = await projects.update_project(run.action, change.id, team_id=team_id, quota=_quota_of(values))
    run.team_of[change.id] = changed.project.team_id


async def _archive_project(run: Run, change: Change) -> None:
    await projects.archive_project(run.action, change.id)


async def _create_key(run: Run, change: Change) -> None:
    values = change.values
    terms = KeyTerms(
        allowed_ips=values.get("allowed_ips", ()),
        allowed_models=values.get("allowed_models", ()),
        rate_limit=values.get("rate_limit", RateLimit()),
        labels=values.get("labels", {}),
    )
    made = await api_keys.create_service_key(
        run.action,
        project_id=run.projects[change.place],
        name=change.name,
        permissions=values["permissions"],
        expires_at_us=values.get("expires_at"),
        terms=terms,
    )
    if values.get("disabled"):
        await api_keys.update_key(run.action, made.record.id, KeyUpdate(is_disabled=True))
    run.keys.append(made)


async def _update_key(run: Run, change: Change) -> None:
    values = change.values
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    if "permissions" in values:
        known = (await api_keys.get_key(run.action, change.id)).permissions
        added, removed = values["permissions"] - known, known - values["permissions"]
    wanted = KeyUpdate(
        add_permissions=added,
        remove_permissions=removed,
        expires_at_us=values.get("expires_at", UNSET),
        is_disabled=values.get("disabled", UNSET),
        allowed_ips=values.get("allowed_ips", UNSET),
        allowed_models=values.get("allowed_models", UNSET),
        rate_limit=values.get("rate_limit", UNSET),
        labels=values.get("labels", UNSET),
    )
    await api_keys.update_key(run.action, change.id, wanted)


async def _delete_key(run: Run, change: Change) -> None:
    await api_keys.delete_key(run.action, change.id)


async def _add_member(run: Run, change: Change) -> None:
    """Let who has an account in without asking them, as who runs the installation may."""
    action = run.action
    action.require("member:manage", action.organization)
    added = await member_rows.add_member(action.connection, action.organization_id, change.id)
    action.record("member.add", Target("member", added.id, added.email))
    run.members[change.name] = added.id


async def _remove_member(run: Run, change: Change) -> None:
    await members.remove_member(run.action, change.id, rules=run.rules)


async def _give_role(run: Run, change: Change) -> None:
    role, kind, place = change.values["role"]
    member_id = run.members[change.place]
    await members.give_role(run.action, member_id, role=role, scope_id=run.scope_id(kind, place))


async def _take_role(run: Run, change: Change) -> None:
    role, kind, place = change.values["role"]
    await members.take_role(run.action, change.id, role=role, scope_id=run.scope_id(kind, place))


async def _invite(run: Run, change: Change) -> None:
    wanted: tuple[RoleAtPlace, ...] = change.values["roles"]
    offered = [RoleAt(role, run.scope_id(kind, place)) for role, kind, place in wanted]
    await invites.create_invite(run.action, run.rules, email=change.name, offered=offered)


async def _withdraw(run: Run, change: Change) -> None:
    await invites.revoke_invite(run.action, change.id)


async def _write_budget(run: Run, change: Change) -> None:
    """Write one of many budgets: whether all of them fit was reckoned before, for single ones come in any order."""
    run.action.require("quota:manage", run.action.organization)
    await budgets.write_budget(run.action, run.place(*change.values["scope"]), change.values["terms"])


async def _drop_budget(run: Run, change: Change) -> None:
    run.action.require("quota:manage", run.action.organization)
    place = run.place(*change.values["scope"])
    await budgets.drop_budget(run.action, place, msgspec.structs.replace(change.values["key"], scope_id=place.id))


def _quota_of(values: dict[str, Any]) -> ProjectQuota:
    return ProjectQuota(quota_alerts=values.get("quota_alerts", UNSET), model_limits=values.get("model_limits", UNSET))


STEPS: dict[tuple[Verb, Kind], Callable[[Run, Change], Awaitable[None]]] = {
    ("update", "organization"): _update_organization,
    ("create", "role"): _create_role,
    ("update", "role"): _update_role,
    ("delete", "role"): _delete_role,
    ("delete", "team"): _archive_team,
    ("update", "project"): _update_project,
    ("delete", "project"): _archive_project,
    ("create", "key"): _create_key,
    ("update", "key"): _update_key,
    ("delete", "key"): _delete_key,
    ("create", "member"): _add_member,
    ("delete", "member"): _remove_member,
    ("create", "member_role"): _give_role,
    ("delete", "member_role"): _take_role,
    ("create", "invitation"): _invite,
    ("delete", "invitation"): _withdraw,
    ("update", "budget"): _write_budget,
    ("delete", "budget"): _drop_budget,
}
"""How a change of each kind is made; what is created in large numbers is in `bulk`."""
