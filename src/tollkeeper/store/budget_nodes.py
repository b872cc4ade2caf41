"""Budgets and their nodes, which are budgets in one window: read for asks, changed under a guard.

Whoever changes a node does so by one UPDATE of differences; what is granted stands in its WHERE again, so that no order of
transactions can hand out more than there is. Who lowers a limit writes it into the node itself, or into the budget, from
which the next ask takes it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, case, func, literal_column, select, update

from tollkeeper.domain.lease import AMOUNT_MAX, Figures
from tollkeeper.domain.window import Window, previous, window_at
from tollkeeper.store.columns import Int
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.schema_limits import budget, budget_increase, budget_node
from tollkeeper.store.schema_tenancy import organization

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.budget import Period
    from tollkeeper.domain.limit import LimitScope, Unit

TAKEN_MAX = 2**62
"""Of what is used and held of a budget that is not hard: far beyond any bill, and sums of it still fit 64 bits."""
BudgetKey = tuple[str, str]
"""An organization's and a budget's id."""
NodeKey = tuple[str, str, int]
"""And where the window begins."""


class LiveBudget(msgspec.Struct, frozen=True):
    """A budget as it holds at a moment: `increases` is what it has more just now; and its organization's calendar."""

    organization_id: str
    id: str
    scope_kind: LimitScope
    scope_id: str
    model: str
    unit: Unit
    period: Period
    amount: int
    is_carried_over: bool
    is_hard: bool
    created_at_us: int
    timezone: str
    fiscal_month_start: int
    increases: int

    def window(self, at_us: int) -> Window:
        return window_at(self.period, at_us, self.timezone, self.fiscal_month_start)

    def window_before(self, window: Window) -> Window | None:
        return previous(window, self.period, self.timezone, self.fiscal_month_start)

    def limit(self, carried: int) -> int:
        """Return what it amounts to in a window with what was carried into it."""
        return min(self.amount + carried + self.increases, AMOUNT_MAX)


class Node(msgspec.Struct, frozen=True):
    """A budget in one window."""

    organization_id: str
    budget_id: str
    window_start_us: int
    window_end_us: int | None
    limit_amount: int
    carried: int
    used: int
    escrow: int
    is_hard: bool
    recalled_at_us: int
    stopped_at_us: int | None

    @property
    def key(self) -> NodeKey:
        return self.organization_id, self.budget_id, self.window_start_us

    @property
    def head(self) -> int:
        """What is neither used nor held; less than 0 when calls came to more than reserved, or the limit was lowered."""
        return self.limit_amount - self.used - self.escrow

    def figures(self, at_us: int) -> Figures:
        return Figures(self.limit_amount, self.used, self.escrow, self.window_start_us, self.window_end_us, at_us)


class Change(msgspec.Struct, frozen=True):
    """What becomes of a node: by how much `used` and `escrow` grow, of the latter `growth` by what is granted anew.

    `overrun` is the part of `used` that was never in the escrow: calls came to more than was reserved for them.
    """

    used: int = 0
    escrow: int = 0
    growth: int = 0
    overrun: int = 0
    recalled_at_us: int | None = None  # None leaves what is there


_NODE = (
    budget_node.c.organization_id,
    budget_node.c.budget_id,
    budget_node.c.window_start_us,
    budget_node.c.window_end_us,
    budget_node.c.limit_amount,
    budget_node.c.carried,
    budget_node.c.used,
    budget_node.c.escrow,
    budget_node.c.is_hard,
    budget_node.c.recalled_at_us,
    budget_node.c.stopped_at_us,
)
_AT_US = bindparam("at_us", type_=Int)
_INCREASES = (
    select(func.coalesce(func.sum(budget_increase.c.amount), 0))
    .where(
        budget_increase.c.organization_id == budget.c.organization_id,
        budget_increase.c.budget_id == budget.c.id,
        budget_increase.c.from_us <= _AT_US,
        budget_increase.c.until_us > _AT_US,
    )
    .correlate(budget)
    .scalar_subquery()
)
_BUDGETS = ByKeys(
    select(
        budget.c.organization_id,
        budget.c.id,
        budget.c.scope_kind,
        budget.c.scope_id,
        budget.c.model,
        budget.c.unit,
        budget.c.period,
        budget.c.amount,
        budget.c.is_carried_over,
        budget.c.is_hard,
        budget.c.created_at_us,
        organization.c.timezone,
        organization.c.fiscal_month_start,
        _INCREASES.label("increases"),
    )
    .join(organization, organization.c.id == budget.c.organization_id)
    .where,
    budget.c.organization_id,
    budget.c.id,
)
_NODES = ByKeys(select(*_NODE).where, *_NODE[:3])
_CHANGE = (
    update(budget_node)
    .where(
        budget_node.c.organization_id == bindparam("of_organization"),
        budget_node.c.budget_id == bindparam("of_budget"),
        budget_node.c.window_start_us == bindparam("of_window"),
    )
    .values(
        used=budget_node.c.used + bindparam("by_used", type_=Int),
        escrow=budget_node.c.escrow + bindparam("by_escrow", type_=Int),
        overrun=budget_node.c.overrun + bindparam("by_overrun", type_=Int),
        recalled_at_us=func.coalesce(bindparam("recalled", type_=Int), budget_node.c.recalled_at_us),
        updated_at_us=bindparam("now_us", type_=Int),
    )
    .returning(*_NODE)
)


_SOFT, _TAKEN_MAX = literal_column("0", Int), literal_column(str(TAKEN_MAX), Int)


def fits(growth: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Tell, as a condition, whether a node has so much left: what keeps money safe between replicas.

    A budget that is not hard has it up to `TAKEN_MAX`.
    """
    taken = budget_node.c.used + budget_node.c.escrow
    most = case((budget_node.c.is_hard == _SOFT, _TAKEN_MAX), else_=budget_node.c.limit_amount)
    return most - taken >= growth


async def read_budgets(
    connection: AsyncConnection, keys: Collection[BudgetKey], *, at_us: int
) -> dict[BudgetKey, LiveBudget]:
    """Return the budgets that there are of these, as they hold at a moment."""
    found: dict[BudgetKey, LiveBudget] = {}
    if not keys:
        return found
    for row in await connection.execute(*_BUDGETS.of(connection, keys, at_us=at_us)):
        values: dict[str, Any] = dict(row._mapping)
        flags = {name: bool(values[name]) for name in ("is_carried_over", "is_hard")}
        found[row.organization_id, row.id] = LiveBudget(**{**values, **flags, "increases": int(row.increases)})
    return found


async def read_nodes(connection: AsyncConnection, keys: Collection[NodeKey]) -> dict[NodeKey, Node]:
    """Return the nodes that there are of these."""
    if not keys:
        return {}
    return {node.key: node for node in map(to_node, await connection.execute(*_NODES.of(connection, keys)))}


async def lock_node(connection: AsyncConnection, key: NodeKey) -> Node:
    """Return a node that nobody else changes until this transaction ends."""
    return to_node((await connection.execute(select(*_NODE).where(is_node(key)).with_for_update())).one())


async def write_terms(connection: AsyncConnection, node: Node, live: LiveBudget, *, now_us: int) -> Node:
    """Bring a locked node's limit up to date with its budget, which was read after the lock was taken.

    When more is held than is left, as after an increase that ended by itself, what lies idle is wanted back.
    """
    limit = live.limit(node.carried)
    recalled_at_us = node.recalled_at_us
    if limit < min(node.limit_amount, node.used + node.escrow):
        recalled_at_us = recalled_at_us or now_us
    highest = max(node.limit_amount, node.used + node.escrow)
    kept = budget_node.c.limit_highest
    values = {
        "limit_amount": limit,
        "limit_highest": case((kept > highest, kept), else_=highest),
        "is_hard": int(live.is_hard),
        "recalled_at_us": recalled_at_us,
        "updated_at_us": now_us,
    }
    await connection.execute(update(budget_node).where(is_node(node.key)).values(**values))
    return msgspec.structs.replace(node, limit_amount=limit, is_hard=live.is_hard, recalled_at_us=recalled_at_us)


async def change_node(connection: AsyncConnection, key: NodeKey, change: Change, *, now_us: int) -> Node | None:
    """Change a node and return what it is then; None, and nothing is changed, when it has not got what would be granted."""
    values = {
        "of_organization": key[0],
        "of_budget": key[1],
        "of_window": key[2],
        "by_used": change.used,
        "by_escrow": change.escrow,
        "by_overrun": change.overrun,
        "recalled": change.recalled_at_us,
        "now_us": now_us,
    }
    statement = _CHANGE
    if change.growth:
        statement = statement.where(fits(change.growth), budget_node.c.stopped_at_us.is_(None))
    row = (await connection.execute(statement, values)).one_or_none()
    return None if row is None else to_node(row)


def is_node(key: NodeKey) -> ColumnElement[bool]:
    """Return the condition that a row is this node's."""
    return and_(
        budget_node.c.organization_id == key[0],
        budget_node.c.budget_id == key[1],
        budget_node.c.window_start_us == key[2],
    )


def to_node(row: Any) -> Node:  # a row of `_NODE`
    values: list[Any] = list(row)
    values[8] = bool(values[8])
    return Node(*values)
