"""`tollkeeper budgets`: list, set and delete budgets, and divide one among teams or projects."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from tollkeeper.cli.amounts import parse_dollars
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import dollars, print_list, print_object, print_table, shown_time, shown_usd
from tollkeeper.cli.naming import named_place
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import budgets, fitting
from tollkeeper.control.budgets import PERIODS, Allocation, Allotment, Terms
from tollkeeper.domain.budget import Budget, Enforcement, Period
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.nearest import did_you_mean

app = typer.Typer(
    help="List, set, divide and delete budgets. This version keeps them and holds no call to them yet.",
    no_args_is_help=True,
)
LIST_MAX = 10_000
ScopeArgument = Annotated[
    str, typer.Argument(help="A team or project, by id or name (team:NAME, project:NAME), or organization.")
]
PeriodOption = Annotated[str, typer.Option("--period", help="daily, weekly or monthly.")]
CarryoverOption = Annotated[bool, typer.Option("--carryover", help="What is left goes over into the next period.")]
SoftOption = Annotated[bool, typer.Option("--soft", help="Going over it is noted, not refused.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Nobody is told when it is exceeded.")]
DisableOption = Annotated[bool, typer.Option("--disable-on-exceed", help="What exceeds it is disabled.")]
OverrideOption = Annotated[bool, typer.Option("--override", help="Even when the parts get more than the whole.")]


@app.command("list")
def list_(
    scope: Annotated[str | None, typer.Option("--scope", help="Only of this team or project, by id or name.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List budgets."""

    async def work(operator: Operator) -> tuple[list[Budget], dict[str, str]]:
        place = await operator.look(named_place, scope) if scope is not None else None
        found = await operator.look(budgets.list_budgets, scope_id=place.id if place else None, limit=LIST_MAX)
        return found, await operator.look(fitting.place_names)

    found, names = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, _shown)
    elif not found:
        typer.echo("No budgets. Set one with: tollkeeper budgets set organization 500")
    else:
        _print_budgets(found, names)


@app.command("set")
def set_(
    scope: ScopeArgument,
    amount: Annotated[str, typer.Argument(help="Dollars per period, such as 120.50.")],
    period: PeriodOption = "monthly",
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
    """Give a place its budget for a period, in place of the one it has."""
    enforcement = Enforcement(not soft, not quiet, disable_on_exceed)
    terms = Terms(parse_dollars(amount), _period(period), carryover, enforcement)

    async def work(operator: Operator) -> tuple[Budget, dict[str, str]]:
        place = await operator.look(named_place, scope)
        made = await operator.change(fitting.set_budget, place, terms=terms, may_overfill=override)
        return made, await operator.look(fitting.place_names)

    made, names = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(made))
    else:
        _print_budgets([made], names)


@app.command("delete")
def delete(
    scope: ScopeArgument,
    period: PeriodOption = "monthly",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    override: OverrideOption = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a place's budget for a period away."""
    chosen = _period(period)

    async def work(operator: Operator) -> Budget:
        place = await operator.look(named_place, scope)
        confirm(f"Take away the {period} budget of {scope}?", is_agreed=yes)
        return await operator.change(fitting.delete_budget, place, period=chosen, may_overfill=override)

    gone = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(gone))
    else:
        typer.echo(f"{scope} has no {period} budget any more; it was {dollars(gone.amount)}.")


@app.command("allocate")
def allocate(
    parts: Annotated[list[str], typer.Argument(help="TARGET=AMOUNT: a team or project and its dollars; several.")],
    whole: Annotated[
        str | None, typer.Option("--from", help="The team whose budget is divided; else the organization's.")
    ] = None,
    period: PeriodOption = "monthly",
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
    chosen = _period(period)
    wanted = [
        Allocation(target, Terms(nanos, chosen, carryover, enforcement)) for target, nanos in map(_part_of, parts)
    ]

    async def work(operator: Operator) -> tuple[Allotment, dict[str, str]]:
        place = await operator.look(named_place, whole)
        made = await operator.change(fitting.allocate, place, allocations=wanted, may_overfill=override)
        return made, await operator.look(fitting.place_names)

    made, names = as_operator(load(config, database), org, work)
    if as_json:
        print_list(made.budgets, _shown)
        return
    _print_budgets(made.budgets, names)
    left = made.parent_limits[chosen]
    if left is not None:
        typer.echo(f"{dollars(made.allotted_nanos[chosen])} of {dollars(left)} are allotted.")


def _part_of(text: str) -> tuple[str, int]:
    target, equals, amount = text.rpartition("=")
    if not equals or not target:
        raise InvalidRequest(f"'{text}' is no part such as ml=300.", param="parts")
    return target, parse_dollars(amount)


def _period(text: str) -> Period:
    for known in PERIODS:
        if text == known:
            return known
    raise InvalidRequest(f"The period must be daily, weekly or monthly.{did_you_mean(text, PERIODS)}", param="period")


def _print_budgets(found: list[Budget] | tuple[Budget, ...], names: dict[str, str]) -> None:
    rows = [
        (
            each.scope_kind,
            names.get(each.scope_id, each.scope_id),
            each.period,
            dollars(each.amount),
            "yes" if each.is_carried_over else "no",
            "refused" if each.enforcement.hard_limit else "noted",
        )
        for each in found
    ]
    print_table(("of", "name", "period", "USD", "carried over", "more is"), rows, numbers=("USD",))


def _shown(budget: Budget) -> dict[str, Any]:
    return {
        "object": "budget",
        "id": f"{budget.scope_id}:{budget.period}",
        "scope": budget.scope_id,
        "scope_kind": budget.scope_kind,
        "period": budget.period,
        "amount_usd": shown_usd(budget.amount),
        "carryover": budget.is_carried_over,
        "enforcement": msgspec.structs.asdict(budget.enforcement),
        "enforced": False,
        "updated_at": shown_time(budget.updated_at_us),
    }
