"""How far budgets are used at this moment: by their nodes and leases, or by the usage there is where no call drew on one yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import func, or_, select

from tollkeeper.kit.clock import now_us
from tollkeeper.store.budget_nodes import LiveBudget, Node, read_budgets, read_nodes
from tollkeeper.store.node_opening import used_outside
from tollkeeper.store.schema_limits import budget_node, lease
from tollkeeper.store.schema_tenancy import account, api_key, member, project, team

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.budget import Budget
    from tollkeeper.domain.window import Window


class Standing(msgspec.Struct, frozen=True):
    """A budget in the window that is now, in its unit: `limit` with what was carried over and increases.

    `reserved` is what replicas hold for calls and have not used, as far as the database knows. `ends_at_us` is when the
    window ends; None for one without an end.
    """

    limit: int
    used: int
    reserved: int
    ends_at_us: int | None
    is_stopped: bool = False

    @property
    def left(self) -> int:
        return max(self.limit - self.used - self.reserved, 0)


async def read_standings(
    connection: AsyncConnection, organization_id: str, wanted: Sequence[Budget]
) -> dict[str, Standing]:
    """Return how budgets stand, by their ids."""
    at_us = now_us()
    live = await read_budgets(connection, [(organization_id, each.id) for each in wanted], at_us=at_us)
    windows = {key: each.window(at_us) for key, each in live.items()}
    nodes = await read_nodes(connection, [(*key, window.start_us) for key, window in windows.items()])
    drawn = await _read_drawn(connection, organization_id, [node.budget_id for node in nodes.values()])
    found: dict[str, Standing] = {}
    for key, each in live.items():
        window = windows[key]
        node = nodes.get((*key, window.start_us))
        if node is None:
            used = await used_outside(connection, each, window)
            found[each.id] = Standing(each.limit(0), used, 0, window.end_us)
        else:
            # A window that had ended early, by another calendar, is taken up again by the next ask.
            has_ended_early = node.window_end_us != window.end_us
            outside = await used_outside(connection, each, window, is_young=True) if has_ended_early else 0
            found[each.id] = _opened(each, node, drawn.get((each.id, window.start_us), 0), window, outside=outside)
    return found


async def read_opened(connection: AsyncConnection, organization_id: str) -> set[str]:
    """Return the ids of the budgets that a call has asked for in the window that is now."""
    at_us = now_us()
    is_running = or_(budget_node.c.window_end_us.is_(None), budget_node.c.window_end_us > at_us)
    query = select(budget_node.c.budget_id).where(
        budget_node.c.organization_id == organization_id, budget_node.c.window_start_us <= at_us, is_running
    )
    return set(await connection.scalars(query))


def _opened(live: LiveBudget, node: Node, drawn: int, window: Window, *, outside: int) -> Standing:
    """`drawn` was used of leases, and is still in the node's escrow; all that was used is at least what was `outside`."""
    used, reserved = max(node.used + drawn, outside), max(node.escrow - drawn, 0)
    limit = live.limit(node.carried)  # the node's own is as old as the last lease
    return Standing(limit, used, reserved, window.end_us, node.stopped_at_us is not None)


async def _read_drawn(
    connection: AsyncConnection, organization_id: str, budget_ids: Collection[str]
) -> dict[tuple[str, int], int]:
    """Return what was used of leases and is not in their nodes' `used` yet, by budget and window."""
    query = (
        select(
            lease.c.budget_id, lease.c.window_start_us, func.sum(lease.c.consumed - lease.c.converted).label("drawn")
        )
        .where(lease.c.organization_id == organization_id, lease.c.budget_id.in_(set(budget_ids)))
        .group_by(lease.c.budget_id, lease.c.window_start_us)
    )
    return {(row.budget_id, row.window_start_us): int(row.drawn) for row in await connection.execute(query)}


class Named(msgspec.Struct, frozen=True):
    """What a scope is called, and what it is shown below: the id of a team or a project, "" for the organization."""

    name: str
    parent_id: str = ""


async def read_names(connection: AsyncConnection, organization_id: str, scope_ids: Collection[str]) -> dict[str, Named]:
    """Return the names of teams, projects, members and keys by their ids; those of keys' projects and their teams too."""
    found: dict[str, Named] = {}
    keys = select(api_key.c.id, api_key.c.name, api_key.c.project_id).where(
        api_key.c.organization_id == organization_id, api_key.c.id.in_(scope_ids)
    )
    for row in await connection.execute(keys):
        found[row.id] = Named(row.name, row.project_id or "")
    people = (
        select(member.c.id, account.c.email)
        .join(account, account.c.id == member.c.account_id)
        .where(member.c.organization_id == organization_id, member.c.id.in_(scope_ids))
    )
    found |= {row.id: Named(row.email) for row in await connection.execute(people)}
    project_ids = {*scope_ids, *(each.parent_id for each in found.values())}
    projects = select(project.c.id, project.c.name, project.c.team_id).where(
        project.c.organization_id == organization_id, project.c.id.in_(project_ids)
    )
    found |= {row.id: Named(row.name, row.team_id or "") for row in await connection.execute(projects)}
    team_ids = {*scope_ids, *(each.parent_id for each in found.values())}
    teams = select(team.c.id, team.c.name).where(team.c.organization_id == organization_id, team.c.id.in_(team_ids))
    return found | {row.id: Named(row.name) for row in await connection.execute(teams)}
