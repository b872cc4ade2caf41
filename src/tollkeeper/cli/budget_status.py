"""`tollkeeper budgets status`: how far budgets are used, as a tree with bars."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from tollkeeper.cli.budget_options import named_scope, shown_in, what_of
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_object
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control.budget_status import (
    Branch,
    BudgetStatus,
    StandingBudget,
    local_time,
    permille,
    read_status,
    shown_status,
)

_BAR = 10
_WHAT_WIDTH_MAX = 24
_FULL = 1000
_WARNING, _HIGH = 800, 950
"""Thousandths from which a bar is yellow, and red."""


def status(
    scope: Annotated[
        str | None, typer.Argument(help="Only of this team, project, member:EMAIL or key:NAME, and what is below it.")
    ] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far budgets are used: the organization, its teams, projects, members and keys."""

    async def work(operator: Operator) -> BudgetStatus:
        chosen = None if scope is None else await operator.look(named_scope, scope)
        return await operator.look(read_status, scope_id=chosen.id if chosen else None)

    found = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_status(found))
    elif found.root is None:
        whose = scope or "organization"
        typer.echo(f"No budgets here. Set one with: tollkeeper budgets set {whose} 500")
    else:
        Console(highlight=False, markup=False).print(tree_of(found.root, ZoneInfo(found.timezone)))


def tree_of(root: Branch, zone: ZoneInfo) -> Tree:
    """Return a branch as a tree for a console."""
    tree = Tree(_shown(root, zone))
    _grow(tree, root, zone)
    return tree


def _grow(tree: Tree, branch: Branch, zone: ZoneInfo) -> None:
    for each in branch.branches:
        _grow(tree.add(_shown(each, zone)), each, zone)


def _shown(branch: Branch, zone: ZoneInfo) -> RenderableType:
    title = Text(branch.name, style="bold", overflow="fold").append(
        f"  {branch.kind.replace('_', ' ')}", style="not bold dim"
    )
    if not branch.budgets:
        return title
    table = Table.grid(padding=(0, 1))
    table.add_column(max_width=_WHAT_WIDTH_MAX, overflow="fold")
    table.add_column(width=_BAR, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in branch.budgets:
        part = permille(each.standing)
        percent = "–" if part is None else f"{part // 10}.{part % 10}%"
        table.add_row(what_of(each.budget.key), _bar(part), percent, _told(each, zone))
    return Group(title, table)


def _bar(part: int | None) -> Text:
    full = min((part or 0) * _BAR // _FULL, _BAR)
    colour = "green" if (part or 0) < _WARNING else "yellow" if (part or 0) < _HIGH else "red"
    return Text("█" * full, style=colour).append("░" * (_BAR - full), style="dim")


def _told(each: StandingBudget, zone: ZoneInfo) -> str:
    unit, standing = each.budget.unit, each.standing
    told = f"{shown_in(unit, standing.used)} used"
    if standing.reserved:
        told += f", {shown_in(unit, standing.reserved)} reserved"
    told += f", {shown_in(unit, standing.left)} left of {shown_in(unit, standing.limit)}"
    if standing.is_stopped:
        told += ", stopped"
    elif not each.budget.enforcement.hard_limit:
        told += ", soft"
    if standing.ends_at_us is not None:
        told += f"\nresets {local_time(standing.ends_at_us, zone):%Y-%m-%d %H:%M %Z}"
    return told
