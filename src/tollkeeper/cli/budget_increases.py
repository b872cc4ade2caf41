"""`tollkeeper budgets increase`, `increases` and `end-increase`: what budgets have more for a time."""

from __future__ import annotations

from typing import Annotated

import typer

from tollkeeper.cli.budget_options import (
    ModelOption,
    PeriodOption,
    ScopeArgument,
    UnitOption,
    named_scope,
    of_scope,
    read_amount,
    read_key,
    shown_in,
    what_of,
)
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.key_options import read_moment
from tollkeeper.cli.listing import print_list, print_object, print_table
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control import budget_increases
from tollkeeper.control.administration import Action
from tollkeeper.control.budget_increases import GivenIncrease, Raise
from tollkeeper.control.budget_views import shown_increase
from tollkeeper.domain.budget import Budget, BudgetKey
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.kit.clock import now_us
from tollkeeper.store import budget_increases as increase_rows
from tollkeeper.store import budgets

_LIST_MAX = 1000


def increase(
    scope: ScopeArgument,
    amount: Annotated[str, typer.Argument(help="By how many dollars, or by what count.")],
    until: Annotated[str, typer.Option("--until", help="Until when: 7d, 12h, or 2026-12-01T09:00.")],
    from_: Annotated[str | None, typer.Option("--from", help="From when; else at once.")] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    period: PeriodOption = None,
    unit: UnitOption = "usd",
    model: ModelOption = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Raise a budget for a time; after that it is as before."""
    key = read_key(period, unit, model)
    nanos = read_amount(amount, key.unit)

    async def work(operator: Operator) -> tuple[GivenIncrease, str]:
        zone = operator.organization.timezone
        until_us = read_moment(until, zone)
        assert until_us is not None, "it is not optional"
        wanted = Raise(nanos, until_us, read_moment(from_, zone), note)
        budget = await operator.look(_named_budget, scope, key)
        made = await operator.change(budget_increases.increase_budget, budget.id, wanted=wanted)
        return made, operator.moment(until_us)

    made, end = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_increase(made.increase, made.budget.unit, now_us=now_us()))
    else:
        more = shown_in(key.unit, made.increase.amount)
        typer.echo(f"{scope} has {more} more of its {what_of(key)} budget until {end} ({made.increase.id}).")


def increases(
    scope: ScopeArgument,
    period: PeriodOption = None,
    unit: UnitOption = "usd",
    model: ModelOption = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what a budget has, had and will have more for a time."""
    key = read_key(period, unit, model)

    async def work(operator: Operator) -> tuple[Operator, list[GivenIncrease]]:
        budget = await operator.look(_named_budget, scope, key)
        return operator, await operator.look(budget_increases.list_increases, budget.id, limit=_LIST_MAX)

    operator, found = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, lambda each: shown_increase(each.increase, each.budget.unit, now_us=now_us()))
    elif not found:
        typer.echo(f"Nothing. Raise it for a week with: tollkeeper budgets increase {scope} 100 --until 7d")
    else:
        rows = [
            (
                each.increase.id,
                shown_in(key.unit, each.increase.amount),
                operator.moment(each.increase.from_us),
                operator.moment(each.increase.until_us),
                each.increase.note or "–",
            )
            for each in found
        ]
        print_table(("id", "more", "from", "until", "note"), rows, numbers=("more",))


def end_increase(
    increase_id: Annotated[str, typer.Argument(help="Its id, inc_…")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an increase away before its end."""

    async def work(operator: Operator) -> GivenIncrease:
        budget_id = await operator.look(_budget_of, increase_id)
        return await operator.change(budget_increases.delete_increase, budget_id, increase_id)

    gone = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_increase(gone.increase, gone.budget.unit, now_us=now_us()))
    else:
        typer.echo(f"{increase_id} is taken away; it was {shown_in(gone.budget.unit, gone.increase.amount)}.")


async def _named_budget(action: Action, named: str, key: BudgetKey) -> Budget:
    scope = await named_scope(action, named)
    found = await budgets.get_budget(action.connection, action.organization_id, of_scope(key, scope.id))
    if found is None:
        raise NotFound(f"{named} has no {what_of(key)} budget; set one with: tollkeeper budgets set {named} AMOUNT")
    return found


async def _budget_of(action: Action, increase_id: str) -> str:
    if not increase_id.startswith("inc_"):
        raise InvalidRequest("Name the increase by its id, inc_…; `budgets increases` lists them.", param="increase_id")
    found = await increase_rows.get_increase(action.connection, action.organization_id, increase_id)
    if found is None:
        raise NotFound(f"There is no increase '{increase_id}'.")
    return found.budget_id
