"""`tollkeeper alerts targets`: Slack and webhooks that alerts are posted to."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_list, print_object, print_table
from tollkeeper.cli.operator import Operator, as_operator, rules_of
from tollkeeper.control import alert_targets
from tollkeeper.control.alert_targets import MadeTarget
from tollkeeper.control.alert_views import shown_target
from tollkeeper.domain.alert import AlertTarget, TargetKind
from tollkeeper.domain.alert_target import URL_LENGTH_MAX
from tollkeeper.domain.errors import InvalidRequest

app = typer.Typer(help="List, add, test and delete targets of alerts.", no_args_is_help=True)
TargetArgument = Annotated[str, typer.Argument(help="The target, by id or name.")]


@app.command("list")
def list_(
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List where alerts are posted to."""

    async def work(operator: Operator) -> list[AlertTarget]:
        return await operator.look(alert_targets.list_targets)

    found = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_target)
    elif not found:
        typer.echo("No targets. Add one with: tollkeeper alerts targets add NAME --kind slack")
    else:
        rows = [(each.id, each.name, each.kind, each.url_hint, "yes" if each.is_enabled else "no") for each in found]
        print_table(("id", "name", "kind", "url", "enabled"), rows)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    kind: Annotated[str, typer.Option("--kind", help="slack or webhook.")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a target; its URL is read from standard input, because it often works like a password."""
    kinds: tuple[TargetKind, ...] = ("slack", "webhook")
    chosen = next((each for each in kinds if each == kind), None)
    if chosen is None:
        raise InvalidRequest(f"There is no kind '{kind}'; there are slack and webhook.", param="kind")
    url = typer.prompt("URL", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline(URL_LENGTH_MAX + 2)

    async def work(operator: Operator) -> MadeTarget:
        return await operator.change(alert_targets.create_target, name=name, kind=chosen, url=url.strip())

    made = as_operator(load(config, database), org, work)
    if as_json:
        print_object({**shown_target(made.target), "secret": made.secret or None})
        return
    typer.echo(f"{made.target.id} ({made.target.name}) gets every {made.target.kind} alert.")
    if made.secret:
        typer.echo(f"Verify its messages with this secret, which is not shown again: {made.secret}")


@app.command("test")
def try_(
    target: TargetArgument,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the server send a test; how it ended is in `tollkeeper alerts deliveries list`."""
    configuration = load(config, database)

    async def work(operator: Operator) -> tuple[str, str]:
        found = await operator.look(alert_targets.find_target, target)
        public_url = rules_of(configuration).public_url
        return found.id, await operator.change(alert_targets.try_target, found.id, public_url=public_url)

    target_id, delivery_id = as_operator(configuration, org, work)
    if as_json:
        print_object({"object": "alert_test", "target_id": target_id, "delivery_id": delivery_id})
    else:
        typer.echo(f"{delivery_id} is sent within seconds of a server running.")


@app.command("delete")
def delete(
    target: TargetArgument,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a target and its secret."""

    async def work(operator: Operator) -> AlertTarget:
        found = await operator.look(alert_targets.find_target, target)
        return await operator.change(alert_targets.delete_target, found.id)

    deleted = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_target(deleted))
    else:
        typer.echo(f"{deleted.id} ({deleted.name}) is deleted.")
