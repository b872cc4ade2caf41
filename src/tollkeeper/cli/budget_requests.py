"""`tollkeeper budgets requests`, `ask`, `approve` and `deny`: requests for more budget."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tollkeeper.cli.amounts import parse_dollars
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
from tollkeeper.control.administration import Action
from tollkeeper.control.audit import AuditFilter, list_events
from tollkeeper.control.budget_requests import Grant, Wish
from tollkeeper.control.budget_views import shown_request
from tollkeeper.domain.budget import BudgetRequest, RequestStatus

_LIST_MAX = 1000
RequestArgument = Annotated[str, typer.Argument(help="Its id, breq_…; `budgets requests` lists them.")]
AnswerOption = Annotated[str, typer.Option("--answer", help="What to tell who asked.")]


class _Granted(msgspec.Struct, frozen=True):
    """What an approval granted, as the audit log keeps it."""

    amount_usd: str | None = None
    amount: int | None = None
    until_us: int | None = None


def requests(
    every: Annotated[bool, typer.Option("--all", help="Those that were decided, too.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List requests for more budget that nobody has decided yet."""

    async def work(operator: Operator) -> tuple[Operator, list[BudgetRequest], dict[str, str], dict[str, _Granted]]:
        status: RequestStatus | None = None if every else "pending"
        found = await operator.look(budget_requests.list_requests, status=status, limit=_LIST_MAX)
        granted = await operator.look(_granted, found)
        return operator, found, await operator.look(scope_names), granted

    operator, found, names, granted = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_request)
    elif not found:
        typer.echo("Nobody asks for more budget.")
    else:
        rows = [
            (
                f"{each.id}\n{operator.moment(each.created_at_us)}",
                _question(each, names),
                each.status + _outcome(each, granted.get(each.id), operator),
            )
            for each in found
        ]
        print_table(("id", "who asks for what", "status"), rows)


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


async def _granted(action: Action, found: list[BudgetRequest]) -> dict[str, _Granted]:
    """Return what was granted by request; the audit log tells: it may be another amount than was asked for."""
    granted: dict[str, _Granted] = {}
    for each in found:
        if each.status == "approved":
            wanted = AuditFilter(action="budget.approve", target_id=each.id)
            for event in await list_events(action, wanted, limit=1):
                granted[each.id] = msgspec.json.decode(event.after, type=_Granted)
    return granted


def _question(asked: BudgetRequest, names: dict[str, str]) -> str:
    scope = f"{asked.scope_kind.replace('_', ' ')} {names.get(asked.key.scope_id, asked.key.scope_id)}"
    wish = f"{shown_in(asked.key.unit, asked.amount)} {what_of(asked.key)} for {scope}"
    return "\n".join([names.get(asked.asked_by, asked.asked_by), wish, *([asked.reason] if asked.reason else [])])


def _outcome(asked: BudgetRequest, granted: _Granted | None, operator: Operator) -> str:
    """Return what was granted, until when, and the answer, each on a line of its own."""
    lines = []
    if granted is not None:
        amount = granted.amount if granted.amount is not None else parse_dollars(granted.amount_usd or "0")
        until = "for good" if granted.until_us is None else f"until {operator.moment(granted.until_us)}"
        lines.append(f"{shown_in(asked.key.unit, amount)} {until}")
    return "".join(f"\n{line}" for line in [*lines, *([asked.answer] if asked.answer else [])])


def _say(ended: BudgetRequest, *, as_json: bool) -> None:
    if as_json:
        print_object(shown_request(ended))
    else:
        typer.echo(f"{ended.id} is {ended.status}.")
