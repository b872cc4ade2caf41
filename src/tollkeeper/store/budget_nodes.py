"""Budgets and their nodes, which are budgets in one window: read for asks, opened on first use, changed under a guard.

Whoever changes a node does so by one UPDATE of differences; what is granted stands in its WHERE again, so that no order of
transactions can hand out more than there is. Who lowers a limit writes it into the node itself, or into the budget, from
which the next ask takes it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, case, func, literal_column, select, tuple_, update

from tollkeeper.domain.lease import Figures
from tollkeeper.domain.window import Window, previous, window_at
from tollkeeper.store.columns import Int
from tollkeeper.store.ledger import insert_missing
from tollkeeper.store.opened_usage import Used, end_overlapping, overlapping, read_used
from tollkeeper.store.schema_limits import budget, budget_increase, budget_node, lease
from tollkeeper.store.schema_tenancy import organization

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.budget import Period
    from tollkeeper.domain.limit import LimitScope, Unit

INT64_MAX = 2**63 - 1
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
        return min(self.amount + carried + self.increases, INT64_MAX)


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
_KEY = tuple_(budget_node.c.organization_id, budget_node.c.budget_id, budget_node.c.window_start_us)


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
# Built once: building statements takes longer than running them.
_BUDGETS = (
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
    .where(tuple_(budget.c.organization_id, budget.c.id).in_(bindparam("keys", expanding=True)))
)
_NODES = select(*_NODE).where(_KEY.in_(bindparam("keys", expanding=True)))
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
    found = {}
    for row in await connection.execute(_BUDGETS, {"keys": list(keys), "at_us": at_us}):
        values: dict[str, Any] = dict(row._mapping)
        flags = {name: bool(values[name]) for name in ("is_carried_over", "is_hard")}
        found[row.organization_id, row.id] = LiveBudget(**{**values, **flags, "increases": int(row.increases)})
    return found


async def read_nodes(connection: AsyncConnection, keys: Collection[NodeKey]) -> dict[NodeKey, Node]:
    """Return the nodes that there are of these."""
    if not keys:
        return {}
    return {
        node.key: node for node in map(to_node, await connection.execute(select(*_NODE).where(_KEY.in_(list(keys)))))
    }


async def lock_node(connection: AsyncConnection, key: NodeKey) -> Node:
    """Return a node that nobody else changes until this transaction ends."""
    return to_node((await connection.execute(select(*_NODE).where(_is(key)).with_for_update())).one())


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
    await connection.execute(update(budget_node).where(_is(node.key)).values(**values))
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


async def open_node(connection: AsyncConnection, live: LiveBudget, window: Window, *, now_us: int) -> None:
    """Make a budget's node in a window, with what was used of it before and what is left of the last one's."""
    carried = await _carried(connection, live, window)
    used = await _used(connection, live, window, now_us=now_us)
    row = {
        "organization_id": live.organization_id,
        "budget_id": live.id,
        "window_start_us": window.start_us,
        "window_end_us": window.end_us,
        "limit_amount": live.limit(carried),
        "carried": carried,
        "used": used,
        "opened_used": used,
        "escrow": 0,
        "is_hard": int(live.is_hard),
        "recalled_at_us": 0,
        "stopped_at_us": None,
        "updated_at_us": now_us,
    }
    await connection.execute(insert_missing(connection, budget_node).values(row))


async def open_missing(
    connection: AsyncConnection, wanted: Iterable[tuple[LiveBudget, Window]], nodes: dict[NodeKey, Node], *, now_us: int
) -> None:
    """Add to `nodes` those that are wanted and not among them, made when nobody has made them yet.

    A window that ended before its time, because the organization's calendar was another meanwhile, is taken up again.
    """
    missing = {
        (live.organization_id, live.id, window.start_us): (live, window)
        for live, window in wanted
        if (node := nodes.get((live.organization_id, live.id, window.start_us))) is None
        or node.window_end_us != window.end_us
    }
    for key in sorted(missing):
        if key in nodes:
            await _reopen_node(connection, *missing[key], nodes[key], now_us=now_us)
        else:
            await open_node(connection, *missing[key], now_us=now_us)
    nodes |= await read_nodes(connection, list(missing))


async def _used(
    connection: AsyncConnection, live: LiveBudget, window: Window, *, now_us: int, is_young: bool = False
) -> int:
    """Return what was used in a window outside its node."""
    if live.unit == "concurrent" or live.scope_kind == "credit":
        return 0
    held = await end_overlapping(connection, live.organization_id, live.id, window, now_us=now_us)
    wanted = Used(live.organization_id, live.scope_kind, live.scope_id, live.model, live.unit, window.start_us)
    is_young = is_young or live.created_at_us >= window.start_us or held is not None
    return await read_used(connection, wanted, is_young=is_young) + (held or 0)


async def _reopen_node(
    connection: AsyncConnection, live: LiveBudget, window: Window, node: Node, *, now_us: int
) -> None:
    """Take up a window that had ended early, and count what was used of the budget meanwhile."""
    late = select(func.coalesce(func.sum(lease.c.consumed - lease.c.converted), 0)).where(
        lease.c.organization_id == live.organization_id,
        lease.c.budget_id == live.id,
        lease.c.window_start_us == window.start_us,
    )
    known = node.used + int((await connection.execute(late)).scalar_one())
    elsewhere = max(await _used(connection, live, window, now_us=now_us, is_young=True) - known, 0)
    values = {
        "used": budget_node.c.used + elsewhere,
        "opened_used": budget_node.c.opened_used + elsewhere,
        "window_end_us": window.end_us,
        "updated_at_us": now_us,
    }
    is_as_seen = budget_node.c.window_end_us == node.window_end_us
    await connection.execute(update(budget_node).where(_is(node.key), is_as_seen).values(**values))


async def _carried(connection: AsyncConnection, live: LiveBudget, window: Window) -> int:
    """Return what is left of the window before: all of the amount when it was never drawn on but was there.

    Nothing when it was drawn on by another calendar.
    """
    before = live.window_before(window) if live.is_carried_over else None
    if before is None:
        return 0
    key = (live.organization_id, live.id, before.start_us)
    node = (await read_nodes(connection, [key])).get(key)
    if node is None:
        others = select(func.count()).where(overlapping(live.organization_id, live.id, before))
        is_unused = live.created_at_us < window.start_us and not (await connection.execute(others)).scalar_one()
        return live.amount if is_unused else 0
    left = live.amount + node.carried - node.used - node.escrow  # by the budget itself: increases end with their window
    return min(max(left, 0), live.amount)


def _is(key: NodeKey) -> ColumnElement[bool]:
    return and_(
        budget_node.c.organization_id == key[0],
        budget_node.c.budget_id == key[1],
        budget_node.c.window_start_us == key[2],
    )


def to_node(row: Any) -> Node:  # a row of `_NODE`
    values: list[Any] = list(row)
    values[8] = bool(values[8])
    return Node(*values)
