"""The opening of nodes: what a budget begins with in a window, whether that is new, was ended early, or overlaps another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from tollkeeper.kit.clock import now_us
from tollkeeper.store.budget_nodes import is_node, read_budgets, read_nodes
from tollkeeper.store.ledger import insert_missing
from tollkeeper.store.opened_usage import (
    Used,
    end_overlapping,
    find_overlapped,
    held_in_overlapping,
    overlapping,
    read_used,
)
from tollkeeper.store.schema_limits import budget_node, lease

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.window import Window
    from tollkeeper.store.budget_nodes import LiveBudget, Node, NodeKey


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
    if not missing:
        return
    for key in sorted(missing.keys() & nodes.keys()):
        await _reopen_node(connection, *missing[key], nodes[key], now_us=now_us)
    overlapped = await find_overlapped(connection, missing)
    rows = [
        await _row_of_new(connection, *missing[key], now_us=now_us, is_overlapped=key in overlapped)
        for key in sorted(missing.keys() - nodes.keys())
    ]
    if rows:
        await connection.execute(insert_missing(connection, budget_node), rows)
    nodes |= await read_nodes(connection, list(missing))


async def open_present(connection: AsyncConnection, organization_id: str, budget_ids: Collection[str]) -> None:
    """Make the nodes of budgets in the windows that are now, where there are none yet."""
    at_us = now_us()
    live = await read_budgets(connection, [(organization_id, each) for each in budget_ids], at_us=at_us)
    wanted = [(each, each.window(at_us)) for each in live.values()]
    nodes = await read_nodes(connection, [(each.organization_id, each.id, window.start_us) for each, window in wanted])
    await open_missing(connection, wanted, nodes, now_us=at_us)


async def _row_of_new(
    connection: AsyncConnection, live: LiveBudget, window: Window, *, now_us: int, is_overlapped: bool
) -> dict[str, Any]:
    """Return a budget's node in a window as it begins: with what was used of it before, and what is left of the last one's."""
    carried = await _carried(connection, live, window)
    used = await used_outside(connection, live, window, ending_at_us=now_us, is_overlapped=is_overlapped)
    return {
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


async def used_outside(
    connection: AsyncConnection,
    live: LiveBudget,
    window: Window,
    *,
    is_young: bool = False,
    ending_at_us: int | None = None,
    is_overlapped: bool = True,
) -> int:
    """Return what was used in a window outside its node; given a time, other windows that overlap it end then.

    `is_young` says that calls of the window may have gone past the node, which a budget that is new tells by itself.
    Without `is_overlapped` it is known that no other window does.
    """
    if live.unit == "concurrent" or live.scope_kind == "credit":
        return 0
    this = (live.organization_id, live.id, window)
    if not is_overlapped:
        held = None
    elif ending_at_us is None:
        held = await held_in_overlapping(connection, *this)
    else:
        held = await end_overlapping(connection, *this, now_us=ending_at_us)
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
    used = await used_outside(connection, live, window, is_young=True, ending_at_us=now_us)
    elsewhere = max(used - known, 0)
    values = {
        "used": budget_node.c.used + elsewhere,
        "opened_used": budget_node.c.opened_used + elsewhere,
        "window_end_us": window.end_us,
        "updated_at_us": now_us,
    }
    is_as_seen = budget_node.c.window_end_us == node.window_end_us
    await connection.execute(update(budget_node).where(is_node(node.key), is_as_seen).values(**values))


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
