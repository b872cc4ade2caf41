"""What the operator does with budgets from the command line, refused when the parts would have more than the whole.

The operator may do everything, `quota:override` included; a slip of the hand should not overfill a budget all the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Unpack

from msgspec import UNSET, UnsetType

from tollkeeper.control import allocations as dividing
from tollkeeper.control import budgets, projects
from tollkeeper.control import organizations as managing
from tollkeeper.control.administration import Action
from tollkeeper.control.allocations import Allocation, Allotment
from tollkeeper.control.budget_fit import named_whole
from tollkeeper.control.budget_scopes import Scope
from tollkeeper.control.budgets import Terms
from tollkeeper.control.organizations import Changed, OrganizationChanges
from tollkeeper.control.projects import NO_QUOTA, ProjectQuota, ProjectState
from tollkeeper.domain.budget import Budget, BudgetKey, Period
from tollkeeper.domain.errors import Conflict
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import budgets as budget_rows
from tollkeeper.store import organizations, places, teams
from tollkeeper.store import projects as project_rows

_TEAMS_MAX = 10_000
_PAGE = 1000


async def set_budget(action: Action, scope: Scope | Place, *, terms: Terms, may_overfill: bool) -> Budget:
    """Set a budget; see `budgets.set_budget`.

    Raises:
        Conflict: parts would have more than the whole.
    """
    async with _fitting(action, may_overfill=may_overfill):
        return await budgets.set_budget(action, scope.id, terms=terms)


async def delete_budget(action: Action, key: BudgetKey, *, may_overfill: bool) -> Budget:
    """Take a budget away; see `budgets.delete_budget`.

    Raises:
        Conflict: what drew on it draws on something else now, which does not have so much.
    """
    async with _fitting(action, may_overfill=may_overfill):
        return await budgets.delete_budget(action, key.scope_id, period=key.period, unit=key.unit, model=key.model)


async def allocate(
    action: Action, parent: Place, *, allocations: Sequence[Allocation], may_overfill: bool
) -> Allotment:
    """Divide a budget; see `budgets.allocate`.

    Raises:
        Conflict: parts would have more than the whole.
    """
    async with _fitting(action, may_overfill=may_overfill):
        return await dividing.allocate(action, parent.id, allocations=allocations)


async def update_organization(
    action: Action, organization_id: str, *, may_overfill: bool, **changes: Unpack[OrganizationChanges]
) -> Changed:
    """Change an organization, whose tier may bring it a budget; see `organizations.update_organization`.

    Raises:
        Conflict: parts would have more than the whole.
    """
    async with _fitting(action, may_overfill=may_overfill):
        return await managing.update_organization(action, organization_id, **changes)


async def create_project(
    action: Action,
    *,
    name: str,
    team_id: str | None = None,
    quota: ProjectQuota = NO_QUOTA,
    may_overfill: bool,
) -> ProjectState:
    """Create a project; see `projects.create_project`.

    Raises:
        Conflict: parts would have more than the whole.
    """
    async with _fitting(action, may_overfill=may_overfill):
        return await projects.create_project(action, name=name, team_id=team_id, quota=quota)


async def update_project(
    action: Action,
    project_id: str,
    *,
    name: str | UnsetType = UNSET,
    team_id: str | UnsetType | None = UNSET,
    quota: ProjectQuota = NO_QUOTA,
    may_overfill: bool,
) -> ProjectState:
    """Change a project; see `projects.update_project`.

    Raises:
        Conflict: parts would have more than the whole.
    """
    async with _fitting(action, may_overfill=may_overfill):
        return await projects.update_project(action, project_id, name=name, team_id=team_id, quota=quota)


async def place_names(action: Action) -> dict[str, str]:
    """Return the names of the organization, its teams in use and its projects by their ids."""
    action.require("membership", action.organization)
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "a caller's organization is there"
    found = await teams.list_teams(action.connection, action.organization_id, limit=_TEAMS_MAX)
    named = await project_rows.read_names(action.connection, action.organization_id)
    return {organization.id: organization.name, **named, **{each.id: each.name for each in found}}


@asynccontextmanager
async def _fitting(action: Action, *, may_overfill: bool) -> AsyncIterator[None]:
    """Refuse what is done inside when a whole has parts of more than before and of more than itself."""
    await organizations.lock_organization(action.connection, action.organization_id)
    before = {} if may_overfill else await _excesses(action)
    yield
    if may_overfill:
        return
    for (whole, period), excess in (await _excesses(action)).items():
        if excess > max(before.get((whole, period), 0), 0):
            raise Conflict(
                f"The parts of {await named_whole(action, whole)} would have ${format_usd(excess)} more than its {period} budget. Lower "
                "the amounts or raise the budget first, or say --override."
            )


async def _excesses(action: Action) -> dict[tuple[Place, Period], int]:
    """Return how much more the parts of every budgeted organization and team have than the whole."""
    connection, organization_id = action.connection, action.organization_id
    found: dict[tuple[Place, Period], int] = {}
    after: BudgetKey | None = None
    while True:
        page = await budget_rows.list_budgets(
            connection, organization_id, budget_rows.BudgetFilter(), after=after, limit=_PAGE
        )
        for each in page:
            if each.scope_kind not in {"organization", "team"} or not each.key.is_divided:
                continue
            place = await places.place_of_scope(connection, organization_id, each.scope_id)
            assert place is not None, "what has a budget is there"
            parts = await budget_rows.sum_allotted(connection, place, each.period)
            found[place, each.period] = parts - each.amount
        if len(page) < _PAGE:
            return found
        after = page[-1].key
