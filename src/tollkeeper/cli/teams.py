"""`tollkeeper teams`: list, create, rename and delete teams."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_list, print_object, print_table, shown_time
from tollkeeper.cli.naming import named_team
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import teams
from tollkeeper.domain.tenancy import Team

app = typer.Typer(help="List, create, rename and delete teams.", no_args_is_help=True)
LIST_MAX = 10_000
TeamArgument = Annotated[str, typer.Argument(help="The team, by id or name.")]


@app.command("list")
def list_(
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List teams, oldest first."""

    async def work(operator: Operator) -> tuple[Operator, list[Team]]:
        return operator, await operator.look(teams.list_teams, limit=LIST_MAX)

    operator, found = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, _shown)
    elif not found:
        typer.echo("No teams. Create one with: tollkeeper teams create NAME")
    else:
        print_table(("id", "name", "created"), [(t.id, t.name, operator.moment(t.created_at_us)) for t in found])


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The team's name.")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a team."""

    async def work(operator: Operator) -> Team:
        return await operator.change(teams.create_team, name=name)

    _print("is created", as_operator(load(config, database), org, work), as_json=as_json)


@app.command("rename")
def rename(
    team: TeamArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a team another name."""

    async def work(operator: Operator) -> Team:
        found = await operator.look(named_team, team)
        return await operator.change(teams.rename_team, found.id, name=name)

    _print("is renamed", as_operator(load(config, database), org, work), as_json=as_json)


@app.command("delete")
def delete(
    team: TeamArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a team without projects out of use. Its usage stays, its budget goes."""

    async def work(operator: Operator) -> Team:
        found = await operator.look(named_team, team)
        confirm(f"Delete the team {found.name} ({found.id})?", is_agreed=yes)
        await operator.change(teams.archive_team, found.id)
        return found

    _print("is deleted", as_operator(load(config, database), org, work), as_json=as_json)


def _print(what: str, team: Team, *, as_json: bool) -> None:
    if as_json:
        print_object(_shown(team))
    else:
        typer.echo(f"Team {team.name} ({team.id}) {what}.")


def _shown(team: Team) -> dict[str, Any]:
    return {
        "object": "team",
        "id": team.id,
        "organization_id": team.organization_id,
        "name": team.name,
        "created_at": shown_time(team.created_at_us),
    }
