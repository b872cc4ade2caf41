"""`tollkeeper budgets requests`, `ask`, `approve` and `deny`: requests for more budget."""

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
    scope_names,
    shown_in,
    what_of,
)
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.key_options import read_moment
from tollkeeper.cli.listing import print_list, print_object, print_table
from tollkeeper.cli.operator import Operator, as_operator, rules_of
from tollkeeper.control import budget_requests
from tollkeeper.control.budget_requests import Grant, Wish
from tollkeeper.control.budget_views import shown_request
from tollkeeper.domain.budget import BudgetRequest, RequestStatus

_LIST_MAX = 1000
RequestArgument = Annotated[str, typer.Argument(help="Its id, breq_…; `budgets requests` lists them.")]
AnswerOption = Annotated[str, typer.Option("--answer", help="What to tell who asked.")]


def requests(
    every: Annotated[bool, typer.Option("--all", help="Those that were decided, too.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List requests for more budget that nobody has decided yet."""

    async def work(operator: Operator) -> tuple[Operator, list[BudgetRequest], dict[str, str]]:
        status: RequestStatus | None = None if every else "pending"
        found = await operator.look(budget_requests.list_requests, status=status, limit=_LIST_MAX)
        return operator, found, await operator.look(scope_names)

    operator, found, names = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_request)
    elif not found:
        typer.echo("Nobody asks for more budget.")
    else:
        rows = [
            (
                each.id,
                names.get(each.asked_by, each.asked_by),
                f"{each.scope_kind.replace('_', ' ')} {names.get(each.key.scope_id, each.key.scope_id)}",
                f"{shown_in(each.key.unit, each.amount)} ({what_of(each.key)})",
                each.reason or "–",
                each.status,
                operator.moment(each.created_at_us),
            )
            for each in found
        ]
        print_table(("id", "who", "for", "wants", "reason", "status", "asked"), rows)


def ask(
    scope: ScopeArgument,
    amount: Annotated[str, typer.Argument(help="What the budget is to be as a whole.")],
    reason: Annotated[str, typer.Option("--reason", help="What it is for.")] = "",
    period: PeriodOption = None,
    unit: UnitOption = "usd",
    model: ModelOption = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a larger budget. People ask by POST /v1/budgets/requests; here the operator does."""
    key = read_key(period, unit, model)
    wanted = read_amount(amount, key.unit)
    configuration = load(config, database)

    async def work(operator: Operator) -> BudgetRequest:
        chosen = await operator.look(named_scope, scope)
        wish = Wish(of_scope(key, chosen.id), wanted, reason)
        return await operator.change(budget_requests.ask_for_budget, wish=wish, rules=rules_of(configuration))

    made = as_operator(configuration, org, work)
    if as_json:
        print_object(shown_request(made))
    else:
        typer.echo(f"{made.id} waits for a decision: tollkeeper budgets approve {made.id}")


def approve(
    request_id: RequestArgument,
    amount: Annotated[str | None, typer.Option("--amount", help="Another amount than was asked for.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Only until then (7d, 2026-12-01T09:00); else for good.")
    ] = None,
    answer: AnswerOption = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grant a request: set the budget, or raise it for a time."""
    configuration = load(config, database)

    async def work(operator: Operator) -> BudgetRequest:
        asked = await operator.look(budget_requests.get_request, request_id)
        chosen = None if amount is None else read_amount(amount, asked.key.unit)
        grant = Grant(chosen, read_moment(until, operator.organization.timezone), answer)
        rules = rules_of(configuration)
        return await operator.change(budget_requests.approve_request, request_id, grant=grant, rules=rules)

    _say(as_operator(configuration, org, work), as_json=as_json)


def deny(
    request_id: RequestArgument,
    answer: AnswerOption = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny a request."""
    configuration = load(config, database)

    async def work(operator: Operator) -> BudgetRequest:
        rules = rules_of(configuration)
        return await operator.change(budget_requests.deny_request, request_id, answer=answer, rules=rules)

    _say(as_operator(configuration, org, work), as_json=as_json)


def _say(ended: BudgetRequest, *, as_json: bool) -> None:
    if as_json:
        print_object(shown_request(ended))
    else:
        typer.echo(f"{ended.id} is {ended.status}.")
