"""`tollkeeper budgets`: list, set and delete budgets, and divide one among teams or projects."""

from __future__ import annotations

from typing import Annotated

import typer

from tollkeeper.cli import budget_increases, budget_requests, budget_status, leases
from tollkeeper.cli.amounts import parse_dollars
from tollkeeper.cli.budget_options import (
    CarryoverOption,
    DisableOption,
    ModelOption,
    OverrideOption,
    PeriodOption,
    QuietOption,
    ScopeArgument,
    SoftOption,
    UnitOption,
    named_scope,
    of_scope,
    print_budgets,
    read_amount,
    read_key,
    read_period,
    scope_names,
    shown_in,
    what_of,
)
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import dollars, print_list, print_object
from tollkeeper.cli.naming import named_place
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import budgets, fitting
from tollkeeper.control.allocations import Allocation, Allotment
from tollkeeper.control.budget_views import shown_budget
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.budget import Budget, Enforcement
from tollkeeper.domain.errors import InvalidRequest

app = typer.Typer(
    help="Set, divide, raise and delete budgets, and show what is left of them.",
    no_args_is_help=True,
)
LIST_MAX = 10_000


@app.command("list")
def list_(
    scope: Annotated[
        str | None, typer.Option("--scope", help="Only of this team, project, member:EMAIL or key:NAME.")
    ] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List budgets."""

    async def work(operator: Operator) -> tuple[list[Budget], dict[str, str]]:
        chosen = await operator.look(named_scope, scope) if scope is not None else None
        found = await operator.look(budgets.list_budgets, scope_id=chosen.id if chosen else None, limit=LIST_MAX)
        return found, await operator.look(scope_names)

    found, names = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_budget)
    elif not found:
        typer.echo("No budgets. Set one with: tollkeeper budgets set organization 500")
    else:
        print_budgets(found, names)


@app.command("set")
def set_(
    scope: ScopeArgument,
    amount: Annotated[str, typer.Argument(help="Dollars per period, such as 120.50; or a count, by --unit.")],
    period: PeriodOption = None,
    unit: UnitOption = "usd",
    model: ModelOption = "",
    carryover: CarryoverOption = False,
    soft: SoftOption = False,
    quiet: QuietOption = False,
    disable_on_exceed: DisableOption = False,
    override: OverrideOption = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a budget, in place of the one of the same period, unit and model."""
    key = read_key(period, unit, model)
    enforcement = Enforcement(not soft, not quiet, disable_on_exceed)
    terms = Terms(read_amount(amount, key.unit), key.period, carryover, enforcement, key.unit, key.model)

    async def work(operator: Operator) -> tuple[Budget, dict[str, str]]:
        chosen = await operator.look(named_scope, scope)
        made = await operator.change(fitting.set_budget, chosen, terms=terms, may_overfill=override)
        return made, await operator.look(scope_names)

    made, names = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_budget(made))
    else:
        print_budgets([made], names)


@app.command("delete")
def delete(
    scope: ScopeArgument,
    period: PeriodOption = None,
    unit: UnitOption = "usd",
    model: ModelOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    override: OverrideOption = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a budget away."""
    key = read_key(period, unit, model)

    async def work(operator: Operator) -> Budget:
        chosen = await operator.look(named_scope, scope)
        confirm(f"Take away the {what_of(key)} budget of {scope}?", is_agreed=yes)
        return await operator.change(fitting.delete_budget, of_scope(key, chosen.id), may_overfill=override)

    gone = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_budget(gone))
    else:
        amount = shown_in(gone.unit, gone.amount)
        typer.echo(f"{scope} has no {what_of(key)} budget any more; it was {amount}.")


@app.command("allocate")
def allocate(
    parts: Annotated[list[str], typer.Argument(help="TARGET=AMOUNT: a team or project and its dollars; several.")],
    whole: Annotated[
        str | None, typer.Option("--from", help="The team whose budget is divided; else the organization's.")
    ] = None,
    period: PeriodOption = None,
    carryover: CarryoverOption = False,
    soft: SoftOption = False,
    quiet: QuietOption = False,
    disable_on_exceed: DisableOption = False,
    override: OverrideOption = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Divide a budget: ml=300 backend=150 design=50. All of it is done, or nothing."""
    enforcement = Enforcement(not soft, not quiet, disable_on_exceed)
    chosen = read_period(period or "monthly")
    wanted = [
        Allocation(target, Terms(nanos, chosen, carryover, enforcement)) for target, nanos in map(_part_of, parts)
    ]

    async def work(operator: Operator) -> tuple[Allotment, dict[str, str]]:
        place = await operator.look(named_place, whole)
        made = await operator.change(fitting.allocate, place, allocations=wanted, may_overfill=override)
        return made, await operator.look(fitting.place_names)

    made, names = as_operator(load(config, database), org, work)
    if as_json:
        print_list(made.budgets, shown_budget)
        return
    print_budgets(made.budgets, names)
    left = made.parent_limits[chosen]
    if left is not None:
        typer.echo(f"{dollars(made.allotted_nanos[chosen])} of {dollars(left)} are allotted.")


def _part_of(text: str) -> tuple[str, int]:
    target, equals, amount = text.rpartition("=")
    if not equals or not target:
        raise InvalidRequest(f"'{text}' is no part such as ml=300.", param="parts")
    return target, parse_dollars(amount)


app.command("status")(budget_status.status)
app.command("leases")(leases.leases)
app.command("release")(leases.release)
app.command("increase")(budget_increases.increase)
app.command("increases")(budget_increases.increases)
app.command("end-increase")(budget_increases.end_increase)
app.command("requests")(budget_requests.requests)
app.command("ask")(budget_requests.ask)
app.command("approve")(budget_requests.approve)
app.command("deny")(budget_requests.deny)
