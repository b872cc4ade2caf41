"""What the commands about budgets take: whose budget, of what, how much; and how budgets are shown to people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from tollkeeper.cli.amounts import parse_dollars
from tollkeeper.cli.key_options import named_key
from tollkeeper.cli.listing import dollars, print_table
from tollkeeper.cli.naming import named_member, named_place
from tollkeeper.control import fitting
from tollkeeper.control.administration import Action
from tollkeeper.control.blueprint.forms import COUNT_MAX, read_whole
from tollkeeper.control.budget_scopes import Scope, find_budget_scope
from tollkeeper.control.budgets import PERIODS, UNITS
from tollkeeper.domain.budget import Budget, BudgetKey, Period
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.limit import Unit
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store import api_keys, member_lists

_PAGE = 1000

ScopeArgument = Annotated[
    str,
    typer.Argument(
        help="A team or project, by id or name (team:NAME, project:NAME), member:EMAIL, key:NAME, or organization."
    ),
]
PeriodOption = Annotated[
    str | None, typer.Option("--period", help="daily, weekly, monthly (if nothing is said) or total.")
]
UnitOption = Annotated[str, typer.Option("--unit", help="usd, requests, tokens, or concurrent: calls at once.")]
ModelOption = Annotated[str, typer.Option("--model", help="Only of this model, as calls ask for it.")]
CarryoverOption = Annotated[bool, typer.Option("--carryover", help="What is left goes over into the next period.")]
SoftOption = Annotated[bool, typer.Option("--soft", help="Going over it is noted, not refused.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Nobody is told when it is exceeded.")]
DisableOption = Annotated[bool, typer.Option("--disable-on-exceed", help="What exceeds it is disabled.")]
OverrideOption = Annotated[bool, typer.Option("--override", help="Even when the parts get more than the whole.")]


async def named_scope(action: Action, named: str) -> Scope:
    """Return the scope of a name or an id; `member:` and `key:` stand before the names of members and keys.

    Raises:
        NotFound: there is none.
        InvalidRequest: several are called so.
    """
    kind, _, name = named.partition(":")
    if kind == "member" or named.startswith("mem_"):
        scope_id: str = (await named_member(action, name or named)).id
    elif kind == "key" or named.startswith(("key_", "sk-tk-")):
        scope_id = (await named_key(action, name or named)).id
    else:
        scope_id = (await named_place(action, named)).id
    return await find_budget_scope(action, scope_id)


async def scope_names(action: Action) -> dict[str, str]:
    """Return the names of everything that can have budgets by their ids: a person's is their e-mail address."""
    found = await fitting.place_names(action)
    found |= await api_keys.read_names(action.connection, action.organization_id)
    after: str | None = None
    while True:
        page = await member_lists.list_members(
            action.connection, action.organization_id, member_lists.MemberFilter(), after=after, limit=_PAGE
        )
        found |= {each.id: each.email for each in page}
        if len(page) < _PAGE:
            return found
        after = page[-1].id


def read_key(period: str | None, unit: str, model: str) -> BudgetKey:
    """Return which budget the options mean; it has no scope yet.

    Raises:
        InvalidRequest: one of them is none.
    """
    counted = read_unit(unit)
    chosen = read_period(period or ("total" if counted == "concurrent" else "monthly"))
    return BudgetKey("", chosen, counted, model)


def read_period(text: str) -> Period:
    """Return the period of a name.

    Raises:
        InvalidRequest: it is none.
    """
    for known in PERIODS:
        if text == known:
            return known
    nearest = did_you_mean(text, PERIODS)
    raise InvalidRequest(f"The period must be daily, weekly, monthly or total.{nearest}", param="period")


def read_unit(text: str) -> Unit:
    """Return the unit of a name.

    Raises:
        InvalidRequest: it is none.
    """
    for known in UNITS:
        if text == known:
            return known
    nearest = did_you_mean(text, UNITS)
    raise InvalidRequest(f"The unit must be usd, requests, tokens or concurrent.{nearest}", param="unit")


def read_amount(text: str, unit: Unit) -> int:
    """Return how much is meant: dollars as nano-USD, or a count.

    Raises:
        InvalidRequest: it is no amount, or out of bounds.
    """
    if unit == "usd":
        return parse_dollars(text)
    try:
        return read_whole(text.replace(",", "").replace("_", ""), at_least=0, at_most=COUNT_MAX)
    except ValueError as error:
        raise InvalidRequest(f"{error}.", param="amount") from None


def shown_in(unit: Unit, amount: int) -> str:
    """Show an amount of a unit to a person."""
    return dollars(amount) if unit == "usd" else f"{amount:,}"


def what_of(key: BudgetKey) -> str:
    """Say what a budget is of: "monthly", "daily requests for gpt-4o", "calls at once"."""
    words = {"usd": key.period, "concurrent": "calls at once"}.get(key.unit, f"{key.period} {key.unit}")
    return words + (f" for {key.model}" if key.model else "")


def print_budgets(found: Iterable[Budget], names: dict[str, str]) -> None:
    """Print budgets as a table."""
    rows = [
        (
            f"{each.scope_kind.replace('_', ' ')} {names.get(each.scope_id, each.scope_id)}",
            what_of(each.key),
            shown_in(each.unit, each.amount),
            "yes" if each.is_carried_over else "no",
            "refused" if each.enforcement.hard_limit else "noted",
            "yes" if each.is_from_tier else "no",
        )
        for each in found
    ]
    print_table(("of", "what", "amount", "carried over", "more is", "from tier"), rows, numbers=("amount",))


def of_scope(key: BudgetKey, scope_id: str) -> BudgetKey:
    """Return the same budget of a scope."""
    return msgspec.structs.replace(key, scope_id=scope_id)
