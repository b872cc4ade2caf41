"""Many new teams, projects and budgets made at once: a file may bring a thousand, and one by one takes too long.

What the use cases of `teams`, `projects` and `budgets` check one by one is certain here: names were checked as they were
read, places are the plan's, whether budgets fit was reckoned, and the organization is locked. The audit log gets the same
events as from them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec

from tollkeeper.control.administration import Target
from tollkeeper.control.blueprint.plan import Change, Kind
from tollkeeper.control.blueprint.steps import Run
from tollkeeper.control.budgets import Terms, budget_of, shown_budget, target_of
from tollkeeper.domain.tenancy import OrganizationId, Project, ProjectId, Team, TeamId
from tollkeeper.kit.ids import new_id
from tollkeeper.store import bulk_tenancy
from tollkeeper.store.project_limits import ProjectLimits


async def _create_teams(run: Run, changes: Sequence[Change]) -> None:
    action = run.action
    action.require("team:create", action.organization)
    made = [
        Team(OrganizationId(action.organization_id), TeamId(new_id("team")), each.name, action.now_us + number)
        for number, each in enumerate(changes)  # a microsecond apart: lists keep the file's order
    ]
    await bulk_tenancy.create_teams(action.connection, made)
    for team in made:
        run.teams[team.name] = team.id
        action.record("team.create", Target("team", team.id, team.name), after={"name": team.name})


async def _create_projects(run: Run, changes: Sequence[Change]) -> None:
    action = run.action
    action.require("project:manage", action.organization)
    action.require("quota:manage", action.organization)
    made: list[tuple[Project, ProjectLimits]] = []
    for number, change in enumerate(changes):
        values = change.values
        team_id: TeamId | Literal[""] = TeamId(run.teams[values["team"]]) if values["team"] else ""
        id_, at_us = ProjectId(new_id("proj")), action.now_us + number
        project = Project(OrganizationId(action.organization_id), id_, change.name, at_us, team_id)
        made.append((project, ProjectLimits(values.get("quota_alerts", ()), values.get("model_limits", {}))))
        run.projects[change.name], run.team_of[id_] = id_, team_id
    await bulk_tenancy.create_projects(action.connection, made)
    for project, limits in made:
        shown = {"name": project.name, "team_id": project.team_id or None, "monthly_budget_usd": None}
        target = Target("project", project.id, project.name)
        action.record("project.create", target, after={**shown, **msgspec.to_builtins(limits)})


async def _create_budgets(run: Run, changes: Sequence[Change]) -> None:
    action = run.action
    action.require("quota:manage", action.organization)
    made = []
    for change in changes:
        place = run.place(*change.values["scope"])
        terms: Terms = change.values["terms"]
        made.append(budget_of(action.organization_id, place, terms))
    for budget in await bulk_tenancy.create_budgets(action.connection, made):
        action.record("budget.set", target_of(budget), after=shown_budget(budget))


CREATIONS: dict[Kind, Callable[[Run, Sequence[Change]], Awaitable[None]]] = {
    "team": _create_teams,
    "project": _create_projects,
    "budget": _create_budgets,
}
"""How everything of a kind that a plan creates is made."""
