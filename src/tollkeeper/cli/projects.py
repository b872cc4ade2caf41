"""`tollkeeper projects`: list, create, show, change and delete projects."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer
from msgspec import UNSET

from tollkeeper.cli.amounts import parse_amount
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import dollars, print_list, print_object, print_table, shown_time, shown_usd
from tollkeeper.cli.naming import named_project, named_team
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import fitting, projects
from tollkeeper.control.blueprint.document import Form
from tollkeeper.control.blueprint.forms import SCALARS, show_threshold
from tollkeeper.control.projects import ProjectQuota, ProjectState
from tollkeeper.domain.budget import AlertAction, ModelLimit, QuotaAlert
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.nearest import did_you_mean

app = typer.Typer(help="List, create, show, change and delete projects.", no_args_is_help=True)
LIST_MAX = 10_000
ProjectArgument = Annotated[str, typer.Argument(help="The project, by id or name.")]
BudgetOption = Annotated[
    str | None, typer.Option("--monthly-budget", help="Dollars a month, such as 120.50; none takes it away.")
]
AlertOption = Annotated[
    list[str] | None,
    typer.Option("--alert", help="0.75:email – at 75 % of the budget; email, slack, webhook, disable. Repeatable."),
]
OverrideOption = Annotated[bool, typer.Option("--override", help="Even when the parts get more than the whole.")]
_ACTIONS: tuple[AlertAction, ...] = ("email", "slack", "webhook", "disable")


@app.command("list")
def list_(
    team: Annotated[str | None, typer.Option("--team", help="Only projects of this team, by id or name.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List projects in use, oldest first."""

    async def work(operator: Operator) -> tuple[list[ProjectState], dict[str, str], Operator]:
        team_id = (await operator.look(named_team, team)).id if team is not None else None
        found = await operator.look(projects.list_projects, team_id=team_id, limit=LIST_MAX)
        return found, await operator.look(fitting.place_names), operator

    found, names, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, _shown)
    elif not found:
        typer.echo("No projects. Create one with: tollkeeper projects create NAME --team TEAM")
    else:
        rows = [
            (
                each.project.id,
                each.project.name,
                names.get(each.project.team_id, "–"),
                dollars(each.monthly_budget.amount if each.monthly_budget else None),
                operator.moment(each.project.created_at_us),
            )
            for each in found
        ]
        print_table(("id", "name", "team", "USD a month", "created"), rows, numbers=("USD a month",))


@app.command("get")
def get(
    project: ProjectArgument,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a project with its limits."""

    async def work(operator: Operator) -> ProjectState:
        found = await operator.look(named_project, project)
        return await operator.look(projects.get_project, found.id)

    _print(as_operator(load(config, database), org, work), as_json=as_json)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The project's name.")],
    team: Annotated[str | None, typer.Option("--team", help="The team that it is in, by id or name.")] = None,
    monthly_budget: BudgetOption = None,
    alert: AlertOption = None,
    override: OverrideOption = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a project, in a team or in none."""
    quota = _quota_of(monthly_budget, alert, are_alerts_gone=False)

    async def work(operator: Operator) -> ProjectState:
        team_id = (await operator.look(named_team, team)).id if team is not None else None
        return await operator.change(
            fitting.create_project, name=name, team_id=team_id, quota=quota, may_overfill=override
        )

    _print(as_operator(load(config, database), org, work), as_json=as_json)


@app.command("update")
def update(
    project: ProjectArgument,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    team: Annotated[str | None, typer.Option("--team", help="Move it to this team, by id or name.")] = None,
    no_team: Annotated[bool, typer.Option("--no-team", help="Take it out of its team.")] = False,
    monthly_budget: BudgetOption = None,
    alert: AlertOption = None,
    no_alerts: Annotated[bool, typer.Option("--no-alerts", help="Alert about nothing any more.")] = False,
    override: OverrideOption = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a project; what is not said stays."""
    if team is not None and no_team:
        raise InvalidRequest("Say --team or --no-team, not both.", param="team")
    quota = _quota_of(monthly_budget, alert, are_alerts_gone=no_alerts)

    async def work(operator: Operator) -> ProjectState:
        found = await operator.look(named_project, project)
        team_id = (await operator.look(named_team, team)).id if team is not None else None
        return await operator.change(
            fitting.update_project,
            found.id,
            name=UNSET if name is None else name,
            team_id=team_id if team is not None or no_team else UNSET,
            quota=quota,
            may_overfill=override,
        )

    _print(as_operator(load(config, database), org, work), as_json=as_json)


@app.command("delete")
def delete(
    project: ProjectArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a project out of use: its keys stop within a second, its budget goes, its usage stays."""

    async def work(operator: Operator) -> ProjectState:
        found = await operator.look(named_project, project)
        confirm(f"Delete the project {found.name} ({found.id})? Its keys stop.", is_agreed=yes)
        await operator.change(projects.archive_project, found.id)
        return ProjectState(found)

    deleted = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(deleted))
    else:
        typer.echo(f"Project {deleted.project.name} ({deleted.project.id}) is deleted.")


def _quota_of(monthly_budget: str | None, alerts: list[str] | None, *, are_alerts_gone: bool) -> ProjectQuota:
    wanted = {_alert_of(each) for each in alerts or ()}
    return ProjectQuota(
        UNSET if monthly_budget is None else parse_amount(monthly_budget, is_none_good=True),
        tuple(sorted(wanted, key=lambda each: (each.threshold_permille, each.action)))
        if wanted or are_alerts_gone
        else UNSET,
    )


def _alert_of(text: str) -> QuotaAlert:
    part, _, action = text.partition(":")
    try:
        permille = SCALARS[Form.THRESHOLD](part)
    except ValueError as error:
        raise InvalidRequest(f"--alert: {error}; an alert looks like 0.75:email.", param="alert") from None
    for known in _ACTIONS:
        if action == known:
            return QuotaAlert(permille, known)
    raise InvalidRequest(f"--alert: there is no action '{action}'.{did_you_mean(action, _ACTIONS)}", param="alert")


def _print(state: ProjectState, *, as_json: bool) -> None:
    if as_json:
        print_object(_shown(state))
        return
    limits = state.limits
    alerts = limits.quota_alerts if limits else ()
    print_table(
        ("", ""),
        [
            ("id", state.project.id),
            ("name", state.project.name),
            ("team", state.project.team_id or "–"),
            ("USD a month", dollars(state.monthly_budget.amount if state.monthly_budget else None)),
            ("alerts", ", ".join(f"{each.action} at {show_threshold(each.threshold_permille)}" for each in alerts)),
            *((f"limits of {name}", _limit_of(each)) for name, each in (limits.model_limits if limits else {}).items()),
        ],
    )


def _limit_of(limit: ModelLimit) -> str:
    requests = f"{limit.daily_requests:,} requests a day" if limit.daily_requests is not None else ""
    budget = f"{dollars(limit.daily_budget_nanos)} a day" if limit.daily_budget_nanos is not None else ""
    return ", ".join(each for each in (requests, budget) if each)


def _shown(state: ProjectState) -> dict[str, Any]:
    project, limits = state.project, state.limits
    budget = state.monthly_budget
    return {
        "object": "project",
        "id": project.id,
        "organization_id": project.organization_id,
        "team_id": project.team_id or None,
        "name": project.name,
        "created_at": shown_time(project.created_at_us),
        "monthly_budget_usd": shown_usd(budget.amount if budget else None),
        "quota_alerts": [
            {"threshold": Decimal(each.threshold_permille) / 1000, "action": each.action}
            for each in (limits.quota_alerts if limits else ())
        ],
        "model_limits": {
            name: {"daily_requests": each.daily_requests, "daily_budget_usd": shown_usd(each.daily_budget_nanos)}
            for name, each in (limits.model_limits if limits else {}).items()
        },
    }
