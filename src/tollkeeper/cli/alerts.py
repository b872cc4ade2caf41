"""`tollkeeper alerts`: what fired, the rules on budgets, where alerts go, what was sent, and letting stopped calls in again."""

from __future__ import annotations

from typing import Annotated

import typer

from tollkeeper.cli import alert_targets
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import counted, dollars, print_list, print_object, print_table
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control import alerts
from tollkeeper.control.alert_views import shown_alert, shown_delivery, shown_rule
from tollkeeper.control.blueprint.forms import show_threshold
from tollkeeper.domain.alert import THRESHOLD_PERMILLE_MAX, Alert, AlertKind, KeptRule
from tollkeeper.domain.budget import AlertAction
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.outbox import MailStatus

app = typer.Typer(help="Rules on budgets, what fired, where alerts go, what was sent.", no_args_is_help=True)
app.add_typer(alert_targets.app, name="targets")
rules = typer.Typer(help="List, add and delete rules on budgets.", no_args_is_help=True)
app.add_typer(rules, name="rules")
deliveries = typer.Typer(help="List what was sent, and try again.", no_args_is_help=True)
app.add_typer(deliveries, name="deliveries")
_ACTIONS: tuple[AlertAction, ...] = ("email", "slack", "webhook", "disable")
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="The most to show.")]


@app.command("list")
def list_(
    limit: LimitOption = 50,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what fired, newest first."""

    async def work(operator: Operator) -> tuple[list[Alert], Operator]:
        return await operator.look(alerts.list_alerts, limit=limit), operator

    found, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_alert)
    elif not found:
        typer.echo("Nothing fired.")
    else:
        rows = [
            (
                operator.moment(each.fired_at_us),
                f"{_what(each)}\n{_whose(each)}",
                _amount(each.used, each),
                "–" if each.kind is AlertKind.OVERRUN else _amount(each.limit_amount, each),
                each.action,
            )
            for each in found
        ]
        print_table(("at", "what, of", "used", "limit", "action"), rows, numbers=("used", "limit"))


@rules.command("list")
def list_rules(
    budget: Annotated[
        str | None, typer.Option("--budget", help="Only rules of this budget (bud_…), or of the credit: credit.")
    ] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the rules that were made for budgets; projects' own alerts are with the projects."""

    async def work(operator: Operator) -> list[KeptRule]:
        return await operator.look(alerts.list_rules, budget_id=budget, limit=1000)

    found = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_rule)
    elif not found:
        typer.echo("No rules. Add one with: tollkeeper alerts rules add BUDGET_ID --at 0.8 --action email")
    else:
        rows = [(each.id, each.budget_id, show_threshold(each.threshold_permille), each.action) for each in found]
        print_table(("id", "budget", "threshold", "action"), rows, numbers=("threshold",))


@rules.command("add")
def add_rule(
    budget: Annotated[str, typer.Argument(help="The budget's id (bud_…), or the word credit.")],
    at: Annotated[str, typer.Option("--at", help="The part of the budget that is used: 0.8 is 80 %.")],
    action: Annotated[str, typer.Option("--action", help=f"{', '.join(_ACTIONS)}.")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is to happen when so much of a budget is used: once in each of its windows."""
    permille, does = _permille(at), next((each for each in _ACTIONS if each == action), None)
    if does is None:
        raise InvalidRequest(f"There is no action '{action}'; there are {', '.join(_ACTIONS)}.", param="action")

    async def work(operator: Operator) -> KeptRule:
        return await operator.change(alerts.create_rule, budget, threshold_permille=permille, does=does)

    made = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_rule(made))
    else:
        typer.echo(f"{made.id}: {made.action} at {show_threshold(made.threshold_permille)} of {made.budget_id}.")


@rules.command("delete")
def delete_rule(
    rule: Annotated[str, typer.Argument(help="The rule's id (rule_…).")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a rule."""

    async def work(operator: Operator) -> KeptRule:
        return await operator.change(alerts.delete_rule, rule)

    deleted = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_rule(deleted))
    else:
        typer.echo(f"{deleted.id} is deleted.")


@deliveries.command("list")
def list_deliveries(
    limit: LimitOption = 50,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was sent of alerts, newest first, and how far it has come."""

    async def work(operator: Operator) -> tuple[list[MailStatus], Operator]:
        return await operator.look(alerts.list_deliveries, limit=limit), operator

    found, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_delivery)
    elif not found:
        typer.echo("Nothing was sent.")
    else:
        rows = [
            (
                f"{each.id}\n{operator.moment(each.created_at_us)}",
                f"{each.kind}\n{each.channel} to {each.recipient or 'nobody'}"
                + (f"\n{each.failure}" if each.failure else ""),
                each.status.value,
                f"{each.attempts:,}",
            )
            for each in found
        ]
        print_table(("id", "what", "status", "attempts"), rows, numbers=("attempts",))


@deliveries.command("retry")
def retry_delivery(
    delivery: Annotated[str, typer.Argument(help="The delivery's id, of one that was given up.")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a message that was given up tried once more by the server."""

    async def work(operator: Operator) -> dict[str, str | int | None]:
        return shown_delivery(await operator.change(alerts.retry_delivery, delivery))

    revived = as_operator(load(config, database), org, work)
    if as_json:
        print_object(revived)
    else:
        typer.echo(f"{delivery} is tried again within seconds of a server running.")


@app.command("resume")
def resume(
    budget: Annotated[str, typer.Argument(help="The budget's id (bud_…).")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let calls in again that an alert with the action `disable` stopped."""

    async def work(operator: Operator) -> bool:
        return await operator.change(alerts.resume_budget, budget)

    resumed = as_operator(load(config, database), org, work)
    if as_json:
        print_object({"object": "budget.resumed", "budget_id": budget, "resumed": resumed})
    else:
        typer.echo(f"{budget} lets calls in again." if resumed else f"{budget} was not stopped.")


def _permille(text: str) -> int:
    whole, _, part = text.partition(".")
    if not whole.isdigit() or len(whole) > 2 or len(part) > 3 or (part and not part.isdigit()):
        raise InvalidRequest(f"'{text}' is no threshold: 0.8 is 80 %, in thousandths.", param="at")
    permille = int(whole) * 1000 + int(part.ljust(3, "0") or "0")
    if not 1 <= permille <= THRESHOLD_PERMILLE_MAX:
        raise InvalidRequest(f"A threshold is from 0.001 to {THRESHOLD_PERMILLE_MAX // 1000}.", param="at")
    return permille


def _what(alert: Alert) -> str:
    """Say what happened: "threshold 0.8, monthly", "projected, daily", "overrun"."""
    threshold = f" {show_threshold(alert.threshold_permille)}" if alert.threshold_permille else ""
    return f"{alert.kind.value}{threshold}" + (f", {alert.period}" if alert.period else "")


def _whose(alert: Alert) -> str:
    whose = f"{alert.scope_kind.replace('_', ' ')} {alert.scope_name or alert.scope_id}"
    return whose + (f", {alert.model}" if alert.model else "")


def _amount(amount: int, alert: Alert) -> str:
    return dollars(amount) if alert.unit == "usd" else counted(amount, alert.unit)
