"""Projects: create, put by name, get, list, change, move to another team, archive; with what they ask of their budget."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.control import budgets
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.budget_fit import keeping_within
from tollkeeper.control.names import check_name
from tollkeeper.control.scopes import find_scope, parent_of, reach_of
from tollkeeper.control.teams import archived_name
from tollkeeper.domain.access import decide
from tollkeeper.domain.budget import Budget, BudgetKey, ModelLimit, QuotaAlert
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.tenancy import Place, Project
from tollkeeper.store import budgets as budget_rows
from tollkeeper.store import organizations, places, project_limits, projects, rate_limits
from tollkeeper.store.project_limits import ProjectLimits


class ProjectQuota(msgspec.Struct, frozen=True):
    """What is to hold for a project; what is UNSET stays as it is, a budget of None is taken away."""

    monthly_budget_nanos: int | UnsetType | None = UNSET
    quota_alerts: tuple[QuotaAlert, ...] | UnsetType = UNSET
    model_limits: dict[str, ModelLimit] | UnsetType = UNSET

    @property
    def is_any(self) -> bool:
        return any(getattr(self, name) is not UNSET for name in self.__struct_fields__)


NO_QUOTA = ProjectQuota()


class ProjectState(msgspec.Struct, frozen=True):
    """A project with its limits; those are None for who may not read them."""

    project: Project
    monthly_budget: Budget | None = None
    limits: ProjectLimits | None = None


async def create_project(
    action: Action, *, name: str, team_id: str | None = None, quota: ProjectQuota = NO_QUOTA
) -> ProjectState:
    """Create a project, in a team or directly in the organization.

    Raises:
        NotFound: there is no such team that the caller may know of.
        PermissionDenied: the caller may not manage projects there, or quotas when it states some.
        Conflict: the organization has a project of this name, or the budget does not fit.
    """
    parent = await _require_parent(action, team_id)
    return await _create(action, parent, check_name(name), quota)


async def put_project(action: Action, team_id: str, *, name: str, quota: ProjectQuota = NO_QUOTA) -> ProjectState:
    """Create a project in a team, or change the limits of the team's project of this name.

    Raises:
        NotFound: there is no such team that the caller may know of.
        PermissionDenied: the caller may not manage projects there, or quotas when it states some.
        Conflict: a project of this name is elsewhere in the organization, or the budget does not fit.
    """
    parent = await _require_parent(action, team_id)
    name = check_name(name)
    found = await projects.find_project(action.connection, action.organization_id, name=name)
    if found is None or found.team_id != team_id or found.archived_at_us is not None:
        return await _create(action, parent, name, quota)
    before = await _state(action, found)
    await _write_quota(action, found, quota)
    return await _noted(action, before, found)


async def get_project(action: Action, project_id: str) -> ProjectState:
    """Return a project that the caller may see, archived or not.

    Raises:
        NotFound: there is none that the caller may know of.
    """
    place = await places.place_of_project(action.connection, action.organization_id, project_id)
    if place is None:
        raise NotFound(f"There is no project '{project_id}'.")
    action.require("membership", place)
    found = await projects.get_project(action.connection, action.organization_id, project_id)
    assert found is not None, "its place was just found"
    return await _visible_state(action, found)


async def list_projects(
    action: Action, *, team_id: str | None = None, after: str | None = None, limit: int = 100
) -> list[ProjectState]:
    """Return the projects in use that the caller may see, oldest first; of one team, or of all.

    Raises:
        NotFound: there is no such team that the caller may know of.
    """
    action.require("membership", await find_scope(action, team_id) if team_id else action.organization)
    found = await projects.list_projects(
        action.connection,
        action.organization_id,
        team_id=team_id,
        reach=reach_of(action.caller.principal),
        after=after,
        limit=limit,
    )
    return await _visible_states(action, found)


async def update_project(
    action: Action,
    project_id: str,
    *,
    name: str | UnsetType = UNSET,
    team_id: str | UnsetType | None = UNSET,
    quota: ProjectQuota = NO_QUOTA,
) -> ProjectState:
    """Change a project's name, team or limits; what is UNSET stays. A `team_id` of None takes it out of its team.

    Raises:
        NotFound: there is no such project, or team, that the caller may know of.
        PermissionDenied: the caller may not manage the project, both teams when it moves, quotas when it states some.
        Conflict: the organization has another project of this name, or the budget does not fit.
    """
    await _require_project(action, project_id, "project:manage")
    await organizations.lock_organization(action.connection, action.organization_id)
    place = await _require_project(action, project_id, "project:manage")
    found = await projects.get_project(action.connection, action.organization_id, project_id)
    assert found is not None, "its place was just found"
    before = await _state(action, found)
    if team_id is not UNSET and (team_id or "") != place.team_id:
        found = await _move(action, place, team_id)
    if name is not UNSET and check_name(name) != found.name:
        values = {"name": check_name(name)}
        found = await projects.change_project(action.connection, action.organization_id, project_id, values)
    await _write_quota(action, found, quota)
    return await _noted(action, before, found)


async def archive_project(action: Action, project_id: str) -> ProjectState:
    """Take a project out of use: its keys stop within a second, its name and budget are free, its usage stays.

    Raises:
        NotFound: there is none that the caller may know of.
        PermissionDenied: the caller may not manage it.
    """
    await _require_project(action, project_id, "project:manage")
    await organizations.lock_organization(action.connection, action.organization_id)
    await _require_project(action, project_id, "project:manage")
    found = await projects.get_project(action.connection, action.organization_id, project_id)
    assert found is not None, "its place was just found"
    before = await _state(action, found)
    await budget_rows.delete_budgets_of(action.connection, action.organization_id, project_id)
    await rate_limits.delete_rate_limits_of(action.connection, action.organization_id, project_id)
    values = {"name": archived_name(found.name, action.now_us), "archived_at_us": action.now_us}
    archived = await projects.change_project(action.connection, action.organization_id, project_id, values)
    action.record("project.delete", Target("project", found.id, found.name), before=_shown(before))
    return ProjectState(archived, None, before.limits)


async def _require_parent(action: Action, team_id: str | None) -> Place:
    """Return the place that is to get a project, locked so that it is not archived meanwhile."""
    parent = await find_scope(action, team_id) if team_id is not None else action.organization
    action.require("project:manage", parent)
    await organizations.lock_organization(action.connection, action.organization_id)
    if team_id is not None:
        await find_scope(action, team_id)
    return parent


async def _require_project(action: Action, project_id: str, permission: str) -> Place:
    place = await places.place_of_project(action.connection, action.organization_id, project_id, is_in_use=True)
    if place is None:
        raise NotFound(f"There is no project '{project_id}'.")
    action.require(permission, place)
    return place


async def _create(action: Action, parent: Place, name: str, quota: ProjectQuota) -> ProjectState:
    made = await projects.create_project(
        action.connection, action.organization_id, name=name, team_id=parent.team_id or None
    )
    await _write_quota(action, made, quota)
    state = await _state(action, made)
    action.record("project.create", Target("project", made.id, made.name), after=_shown(state))
    return await _visible_state(action, made)


async def _move(action: Action, place: Place, team_id: str | None) -> Project:
    """Move a project to another team; who moves it manages projects where it leaves and where it comes to."""
    target = await find_scope(action, team_id) if team_id is not None else action.organization
    action.require("project:manage", parent_of(place))
    action.require("project:manage", target)
    there = Place(place.organization_id, target.team_id, place.project_id)
    async with keeping_within(action, [place, there], budgets.PERIODS):
        values = {"team_id": target.team_id or None}
        return await projects.change_project(action.connection, action.organization_id, place.project_id, values)


async def _write_quota(action: Action, project: Project, quota: ProjectQuota) -> None:
    """Write what is stated of a project's limits, which are its parent's to set."""
    if not quota.is_any:
        return
    place = _place(project)
    action.require("quota:manage", parent_of(place))
    if quota.monthly_budget_nanos is not UNSET:
        await _write_monthly_budget(action, place, quota.monthly_budget_nanos)
    known = (await project_limits.read_limits(action.connection, action.organization_id, [project.id]))[project.id]
    wanted = ProjectLimits(
        known.quota_alerts if quota.quota_alerts is UNSET else quota.quota_alerts,
        known.model_limits if quota.model_limits is UNSET else _those_that_limit(quota.model_limits),
    )
    if wanted != known:
        await project_limits.write_limits(action.connection, action.organization_id, project.id, wanted)


def _those_that_limit(limits: dict[str, ModelLimit]) -> dict[str, ModelLimit]:
    return {model: limit for model, limit in limits.items() if limit != ModelLimit()}


async def _write_monthly_budget(action: Action, place: Place, nanos: int | None) -> None:
    before = await budget_rows.get_budget(action.connection, action.organization_id, BudgetKey(place.id))
    if nanos is None:
        if before is not None:
            await budgets.drop_budget(action, place, BudgetKey(place.id))
        return
    if before is not None and before.amount == nanos:
        return
    kept = budgets.terms_of(before) if before is not None else budgets.Terms(0)
    async with keeping_within(action, [place], ["monthly"]):
        await budgets.write_budget(action, place, msgspec.structs.replace(kept, amount=nanos))


async def _noted(action: Action, before: ProjectState, project: Project) -> ProjectState:
    """Note a change in the audit log, when there was one, and return how the project is now."""
    after = await _state(action, project)
    if after != before:
        target = Target("project", project.id, project.name)
        action.record("project.update", target, before=_shown(before), after=_shown(after))
    return await _visible_state(action, project)


async def _visible_state(action: Action, project: Project) -> ProjectState:
    return (await _visible_states(action, [project]))[0]


async def _visible_states(action: Action, found: Sequence[Project]) -> list[ProjectState]:
    return [
        state
        if decide(action.caller.principal, "quota:read:summary", _place(state.project)).is_allowed
        else ProjectState(state.project)
        for state in await _states(action, found)
    ]


async def _state(action: Action, project: Project) -> ProjectState:
    return (await _states(action, [project]))[0]


async def _states(action: Action, found: Sequence[Project]) -> list[ProjectState]:
    ids = [each.id for each in found]
    limits = await project_limits.read_limits(action.connection, action.organization_id, ids)
    budgeted = await budget_rows.read_budgets_of(action.connection, action.organization_id, ids)
    monthly = {each.scope_id: each for each in budgeted if each.key == BudgetKey(each.scope_id)}
    return [ProjectState(each, monthly.get(each.id), limits[each.id]) for each in found]


def _place(project: Project) -> Place:
    return Place(project.organization_id, project.team_id, project.id)


def _shown(state: ProjectState) -> dict[str, object]:
    budget = state.monthly_budget
    limits = msgspec.to_builtins(state.limits)
    return {
        "name": state.project.name,
        "team_id": state.project.team_id or None,
        "monthly_budget_usd": format_usd(budget.amount) if budget else None,
        **(limits or {}),
    }
