"""Alerts as they are stored: windows of budgets that moved, the rules for them, what fired, and stopping a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, func, or_, select, tuple_, union, update
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.alert import Alert, AlertKind, AlertRule
from tollkeeper.domain.budget import QuotaAlert
from tollkeeper.domain.lease import LeaseState
from tollkeeper.store.database_clock import database_now_us
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_alerts import alert, alert_rule
from tollkeeper.store.schema_limits import budget, budget_node, lease
from tollkeeper.store.schema_tenancy import project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.limit import LimitScope, Unit
    from tollkeeper.store.projects import Reach

NodeKey = tuple[str, str, int]
"""An organization's and a budget's id, and where the window begins."""
Fired = tuple[str, str, int, str, int, str, int]
"""What can fire once: organization, budget, window's start, kind, threshold, action, limit."""
COUNTED = ("usd", "requests", "tokens")
_NODE_KEY = (budget_node.c.organization_id, budget_node.c.budget_id, budget_node.c.window_start_us)
_LEASE_KEY = (lease.c.organization_id, lease.c.budget_id, lease.c.window_start_us)
_HOUR_US = 3_600_000_000


class Watched(msgspec.Struct, frozen=True):
    """A budget in one window, as far as it is used by the usage records in the database."""

    organization_id: str
    budget_id: str
    window_start_us: int
    window_end_us: int | None
    limit: int
    used: int
    scope_kind: LimitScope
    scope_id: str
    model: str
    unit: Unit
    period: str
    is_notifying: bool
    is_disabling: bool
    is_stopped: bool

    @property
    def key(self) -> NodeKey:
        return self.organization_id, self.budget_id, self.window_start_us


async def list_moved(
    connection: AsyncConnection, *, since_us: int, now_us: int, after: NodeKey | None = None, limit: int = 500
) -> list[Watched]:
    """Return windows that run, or ended within the last hour, and may have something to tell since then, ordered by key.

    They were used more, or there is a new rule for them.
    Leases do not say when they were used last, so those of which something is not in their node yet are always among them.
    """
    fresh = func.coalesce(func.sum(lease.c.consumed - lease.c.converted), 0)
    of_node = and_(*(ours == theirs for ours, theirs in zip(_LEASE_KEY, _NODE_KEY, strict=True)))
    unconverted = select(fresh).where(of_node).correlate(budget_node).scalar_subquery()
    is_unconverted = and_(lease.c.state != LeaseState.CLOSED.value, lease.c.consumed > lease.c.converted)
    of_leases = select(*_LEASE_KEY).where(is_unconverted)
    moved = union(select(*_NODE_KEY).where(budget_node.c.updated_at_us >= since_us), of_leases)
    query = (
        select(
            *_NODE_KEY,
            budget_node.c.window_end_us,
            budget_node.c.limit_amount,
            (budget_node.c.used + unconverted).label("used"),
            budget.c.scope_kind,
            budget.c.scope_id,
            budget.c.model,
            budget.c.unit,
            budget.c.period,
            budget.c.is_exceeding_notified,
            budget.c.is_exceeding_disabling,
            budget_node.c.stopped_at_us,
        )
        .join(
            budget,
            and_(budget.c.organization_id == budget_node.c.organization_id, budget.c.id == budget_node.c.budget_id),
        )
        .where(
            tuple_(*_NODE_KEY).in_(moved),
            budget.c.unit.in_(COUNTED),
            or_(budget_node.c.window_end_us.is_(None), budget_node.c.window_end_us > now_us - _HOUR_US),
        )
    )
    if after is not None:
        query = query.where(tuple_(*_NODE_KEY) > after)
    rows = await connection.execute(query.order_by(*_NODE_KEY).limit(limit))
    return [_to_watched(row) for row in rows]


async def look_again(connection: AsyncConnection, organization_id: str, budget_id: str) -> None:
    """Have the next look consider a budget although nothing more was used: what is to happen to it is new."""
    now_us = await database_now_us(connection)
    running = or_(budget_node.c.window_end_us.is_(None), budget_node.c.window_end_us > now_us)
    mine = (budget_node.c.organization_id == organization_id, budget_node.c.budget_id == budget_id)
    await connection.execute(update(budget_node).where(*mine, running).values(updated_at_us=now_us))


async def read_rules(connection: AsyncConnection, watched: Sequence[Watched]) -> dict[tuple[str, str], list[AlertRule]]:
    """Return what is to happen to budgets, by organization and budget: the rules made for them, and what their projects
    and they themselves say.
    """
    found: dict[tuple[str, str], list[AlertRule]] = {(each.organization_id, each.budget_id): [] for each in watched}
    if not watched:
        return found
    for row in await connection.execute(*_RULES.of(connection, found)):
        found[row.organization_id, row.budget_id].append(AlertRule(row.threshold_permille, row.action))
    of_projects = await _read_quota_alerts(connection, watched)
    for each in watched:
        rules = found[each.organization_id, each.budget_id]
        rules += of_projects.get((each.organization_id, each.scope_id), []) if is_projects_own(each) else []
        rules += [AlertRule(1_000, "email")] if each.is_notifying else []
        rules += [AlertRule(1_000, "disable")] if each.is_disabling else []
    return found


def is_projects_own(each: Watched) -> bool:
    """Tell whether a budget is the one that a project's own alerts are about."""
    return (each.scope_kind, each.unit, each.period, each.model) == ("project", "usd", "monthly", "")


async def read_fired(connection: AsyncConnection, keys: Sequence[NodeKey]) -> set[Fired]:
    """Return what has fired of these windows."""
    if not keys:
        return set()
    rows = await connection.execute(*_FIRED.of(connection, keys))
    return {(row[0], row[1], row[2], row[3], row[4], row[5], row[6]) for row in rows}


async def note_fired(connection: AsyncConnection, fired: Alert) -> bool:
    """Note that an alert fires; False when it has fired already, here or in another process at the same moment."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {**msgspec.structs.asdict(fired), "kind": fired.kind.value}
    noted = insert(alert).values(**values).on_conflict_do_nothing(index_elements=list(_ONCE)).returning(alert.c.id)
    return (await connection.execute(noted)).one_or_none() is not None


async def list_alerts(
    connection: AsyncConnection,
    organization_id: str,
    *,
    reach: Reach | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Return what fired, newest first, behind the alert `after`; of the teams and projects that `reach` has."""
    query = select(*_COLUMNS).where(alert.c.organization_id == organization_id)
    if reach is not None:
        below = select(project.c.id).where(
            project.c.organization_id == organization_id, project.c.team_id.in_(reach.team_ids)
        )
        is_below = or_(alert.c.project_id.in_(reach.project_ids), alert.c.project_id.in_(below))
        query = query.where(or_(alert.c.team_id.in_(reach.team_ids), and_(alert.c.project_id != "", is_below)))
    if after is not None:
        mine = (alert.c.organization_id == organization_id, alert.c.id == after)
        at = select(alert.c.fired_at_us).where(*mine).scalar_subquery()
        query = query.where(or_(alert.c.fired_at_us < at, and_(alert.c.fired_at_us == at, alert.c.id < after)))
    rows = await connection.execute(query.order_by(alert.c.fired_at_us.desc(), alert.c.id.desc()).limit(limit))
    return [_to_alert(row) for row in rows]


async def stop_budget(connection: AsyncConnection, key: NodeKey, *, scope_id: str, now_us: int) -> bool:
    """Let nothing more in until the window ends or somebody resumes; False when it is stopped already.

    Replicas give their idle leases back and are told when they ask for new ones.
    """
    stopped = update(budget_node).where(_is(key), budget_node.c.stopped_at_us.is_(None))
    values = {"stopped_at_us": now_us, "recalled_at_us": now_us, "updated_at_us": now_us}
    if not (await connection.execute(stopped.values(**values))).rowcount:
        return False
    await record_change(connection, "limit", organization_id=key[0], entity_id=scope_id)
    return True


async def resume_budget(
    connection: AsyncConnection, organization_id: str, budget_id: str, *, scope_id: str, now_us: int
) -> bool:
    """Let calls in again, as far as the budget has something left; False when it was not stopped."""
    resumed = update(budget_node).where(
        budget_node.c.organization_id == organization_id,
        budget_node.c.budget_id == budget_id,
        budget_node.c.stopped_at_us.is_not(None),
        or_(budget_node.c.window_end_us.is_(None), budget_node.c.window_end_us > now_us),
    )
    if not (await connection.execute(resumed.values(stopped_at_us=None, updated_at_us=now_us))).rowcount:
        return False
    await record_change(connection, "limit", organization_id=organization_id, entity_id=scope_id)
    return True


async def _read_quota_alerts(
    connection: AsyncConnection, watched: Sequence[Watched]
) -> dict[tuple[str, str], list[AlertRule]]:
    wanted = [(each.organization_id, each.scope_id) for each in watched if is_projects_own(each)]
    if not wanted:
        return {}
    return {
        (row.organization_id, row.id): [
            AlertRule(each.threshold_permille, each.action)
            for each in msgspec.json.decode(row.quota_alerts, type=tuple[QuotaAlert, ...])
        ]
        for row in await connection.execute(*_QUOTA_ALERTS.of(connection, wanted))
    }


_ONCE = ("organization_id", "budget_id", "window_start_us", "kind", "threshold_permille", "action", "limit_amount")
_COLUMNS = tuple(alert.c[name] for name in Alert.__struct_fields__)
_OF_BUDGET = (alert_rule.c.organization_id, alert_rule.c.budget_id)
_RULES = ByKeys(select(*_OF_BUDGET, alert_rule.c.threshold_permille, alert_rule.c.action).where, *_OF_BUDGET)
_FIRED = ByKeys(select(*(alert.c[name] for name in _ONCE)).where, *(alert.c[name] for name in _ONCE[:3]))
_OF_PROJECT = (project.c.organization_id, project.c.id)
_QUOTA_ALERTS = ByKeys(select(*_OF_PROJECT, project.c.quota_alerts).where, *_OF_PROJECT)


def _is(key: NodeKey) -> ColumnElement[bool]:
    return and_(*(column == value for column, value in zip(_NODE_KEY, key, strict=True)))


def _to_watched(row: Any) -> Watched:  # a row of `list_moved`
    flags = (bool(row.is_exceeding_notified), bool(row.is_exceeding_disabling), row.stopped_at_us is not None)
    values = (*row[:5], int(row.used), *row[6:11], *flags)
    return Watched(*values)


def _to_alert(row: Any) -> Alert:  # a row of `_COLUMNS`
    values = dict(zip(Alert.__struct_fields__, row, strict=True))
    return Alert(**{**values, "kind": AlertKind(values["kind"])})
