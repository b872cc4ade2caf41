"""Budgets as they are stored: set, taken away, listed, and how much of a place's budget its parts have.

Every change is numbered, so that the keys it concerns are looked up anew; a budget that shrinks or becomes hard is
recalled: replicas give back what their leases hold of it and do not draw. The credit of an organization is a row of the
same table, and never touched here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, exists, func, insert, or_, select, tuple_, update

from tollkeeper.domain.budget import Budget, BudgetKey, Enforcement, Period
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.tenancy import OrganizationId, Place
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.projects import Reach
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_limits import budget, budget_node, former_budget
from tollkeeper.store.schema_tenancy import api_key, project

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    budget.c.organization_id,
    budget.c.scope_kind,
    budget.c.scope_id,
    budget.c.period,
    budget.c.amount,
    budget.c.is_carried_over,
    budget.c.is_hard,
    budget.c.is_exceeding_notified,
    budget.c.is_exceeding_disabling,
    budget.c.updated_at_us,
    budget.c.id,
    budget.c.model,
    budget.c.unit,
    budget.c.created_at_us,
    budget.c.is_from_tier,
)
_POSITION = (budget.c.scope_id, budget.c.model, budget.c.unit, budget.c.period)
_FORMER_SAME = ByKeys(
    delete(former_budget).where, former_budget.c.organization_id, *(former_budget.c[each.name] for each in _POSITION)
)
_IS_NO_CREDIT = budget.c.scope_kind != "credit"
_IS_DIVIDED = and_(budget.c.unit == "usd", budget.c.model == "")


class BudgetReach(msgspec.Struct, frozen=True):
    """Whose budgets a caller may know of: those of these teams and projects with their keys, and of this member."""

    places: Reach
    member_id: str = ""


class BudgetFilter(msgspec.Struct, frozen=True):
    """Which budgets are listed; None lets all in."""

    scope_id: str | None = None
    reach: BudgetReach | None = None


async def set_budget(connection: AsyncConnection, organization_id: str, wanted: Budget) -> Budget:
    """Write a budget over the one of the same scope, model, unit and period, if there is one.

    Whoever asks holds the organization's lock: what all parts have together may have to fit into something.
    """
    assert wanted.organization_id == organization_id
    assert wanted.scope_kind != "credit"
    at_us = now_us()
    before = await get_budget(connection, organization_id, wanted.key)
    values: dict[str, int | str] = {
        "amount": wanted.amount,
        "is_carried_over": int(wanted.is_carried_over),
        "is_hard": int(wanted.enforcement.hard_limit),
        "is_exceeding_notified": int(wanted.enforcement.notify_on_exceed),
        "is_exceeding_disabling": int(wanted.enforcement.auto_disable_on_exceed),
        "updated_at_us": at_us,
        "is_from_tier": int(wanted.is_from_tier),
    }
    if before is None:
        budget_id = await _take_former_id(connection, organization_id, wanted.key) or new_id("bud")
        kept = msgspec.structs.replace(wanted, id=budget_id, created_at_us=at_us, updated_at_us=at_us)
        values |= {"id": kept.id, "created_at_us": at_us, "scope_kind": kept.scope_kind, "scope_id": kept.scope_id}
        values |= {"model": kept.model, "unit": kept.unit, "period": kept.period}
        await connection.execute(insert(budget).values(organization_id=organization_id, **values))
    else:
        times = {"created_at_us": before.created_at_us, "updated_at_us": at_us}
        kept = msgspec.structs.replace(wanted, id=before.id, **times)
        await connection.execute(update(budget).where(*_is(organization_id, before.id)).values(**values))
        if kept.amount < before.amount or kept.enforcement.hard_limit > before.enforcement.hard_limit:
            await recall(connection, organization_id, before.id)
    await record_change(connection, "limit", organization_id=organization_id, entity_id=kept.scope_id)
    return kept


async def recall(connection: AsyncConnection, organization_id: str, budget_id: str) -> None:
    """Ask replicas to give back what their leases on a budget hold and do not draw."""
    at_us = now_us()
    is_running = or_(budget_node.c.window_end_us.is_(None), budget_node.c.window_end_us > at_us)
    mine = (budget_node.c.organization_id == organization_id, budget_node.c.budget_id == budget_id)
    await connection.execute(
        update(budget_node).where(*mine, is_running, budget_node.c.recalled_at_us == 0).values(recalled_at_us=at_us)
    )


async def get_budget(connection: AsyncConnection, organization_id: str, key: BudgetKey) -> Budget | None:
    """Return one of a scope's budgets; None when there is none such."""
    mine = (*_of_scopes(organization_id, [key.scope_id]), budget.c.period == key.period, budget.c.unit == key.unit)
    row = (await connection.execute(select(*_COLUMNS).where(*mine, budget.c.model == key.model))).one_or_none()
    return _to_budget(row) if row else None


async def get_budget_by_id(connection: AsyncConnection, organization_id: str, budget_id: str) -> Budget | None:
    """Return a budget; None when the organization has none of this id."""
    row = (
        await connection.execute(select(*_COLUMNS).where(*_is(organization_id, budget_id), _IS_NO_CREDIT))
    ).one_or_none()
    return _to_budget(row) if row else None


async def delete_budget(connection: AsyncConnection, organization_id: str, gone: Budget) -> None:
    """Take a budget away."""
    await _delete(connection, organization_id, *_is(organization_id, gone.id))
    await record_change(connection, "limit", organization_id=organization_id, entity_id=gone.scope_id)


async def delete_budgets_of(connection: AsyncConnection, organization_id: str, scope_id: str) -> None:
    """Take away every budget of a scope."""
    if await _delete(connection, organization_id, *_of_scopes(organization_id, [scope_id])):
        await record_change(connection, "limit", organization_id=organization_id, entity_id=scope_id)


async def _delete(connection: AsyncConnection, organization_id: str, *conditions: ColumnElement[bool]) -> bool:
    """Delete budgets, end their windows, recall what is held of them, and keep their ids: calls under way still draw on
    them, and what is made anew before those end must know of it. Tells whether there were any.
    """
    deleted = delete(budget).where(*conditions).returning(*_POSITION, budget.c.id)
    gone = [dict(row._mapping) for row in await connection.execute(deleted)]
    if not gone:
        return False
    at_us = now_us()
    is_running = or_(budget_node.c.window_end_us.is_(None), budget_node.c.window_end_us > at_us)
    of_gone = budget_node.c.organization_id == organization_id, budget_node.c.budget_id.in_([row["id"] for row in gone])
    ended = {
        "window_end_us": at_us,
        "recalled_at_us": at_us,
        "carried": 0,
        "stopped_at_us": None,
        "updated_at_us": at_us,
    }
    await connection.execute(update(budget_node).where(*of_gone, is_running).values(**ended))
    keys = [(organization_id, *(row[column.name] for column in _POSITION)) for row in gone]
    await connection.execute(*_FORMER_SAME.of(connection, keys))  # one that moved here with a key
    await connection.execute(insert(former_budget), [{"organization_id": organization_id, **row} for row in gone])
    return True


async def _take_former_id(connection: AsyncConnection, organization_id: str, key: BudgetKey) -> str | None:
    """Return the id that a budget had when it was taken away; it is a former one no more."""
    of = former_budget.c
    is_this = of.scope_id == key.scope_id, of.model == key.model, of.unit == key.unit, of.period == key.period
    taken = delete(former_budget).where(of.organization_id == organization_id, *is_this).returning(of.id)
    found: str | None = await connection.scalar(taken)
    return found


async def read_budgets_of(
    connection: AsyncConnection, organization_id: str, scope_ids: Collection[str]
) -> list[Budget]:
    """Return every budget of these scopes, in the order of scope, model, unit and period."""
    query = select(*_COLUMNS).where(*_of_scopes(organization_id, scope_ids))
    return [_to_budget(row) for row in await connection.execute(query.order_by(*_POSITION))]


async def list_budgets(
    connection: AsyncConnection,
    organization_id: str,
    wanted: BudgetFilter,
    *,
    after: BudgetKey | None = None,
    limit: int = 100,
) -> list[Budget]:
    """Return at most `limit` budgets in the order of scope, model, unit and period, those behind `after`."""
    query = select(*_COLUMNS).where(budget.c.organization_id == organization_id, _IS_NO_CREDIT)
    if wanted.scope_id is not None:
        query = query.where(budget.c.scope_id == wanted.scope_id)
    if wanted.reach is not None:
        query = query.where(reached(organization_id, wanted.reach, budget.c.scope_id))
    if after is not None:
        query = query.where(tuple_(*_POSITION) > (after.scope_id, after.model, after.unit, after.period))
    query = query.order_by(*_POSITION).limit(limit)
    return [_to_budget(row) for row in await connection.execute(query)]


def reached(organization_id: str, reach: BudgetReach, scope_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a scope is within a reach."""
    teams, projects = reach.places.team_ids, reach.places.project_ids
    below = select(project.c.id).where(project.c.organization_id == organization_id, project.c.team_id.in_(teams))
    keys = select(api_key.c.id).where(
        api_key.c.organization_id == organization_id,
        or_(
            api_key.c.project_id.in_(projects),
            api_key.c.project_id.in_(below),
            and_(api_key.c.member_id == reach.member_id, api_key.c.member_id != ""),
        ),
    )
    named = (*teams, *projects, *([reach.member_id] if reach.member_id else []))
    return or_(scope_id.in_(named), scope_id.in_(below), scope_id.in_(keys))


async def sum_allotted(connection: AsyncConnection, place: Place, period: Period) -> int:
    """Return, in nano-USD, what the parts of an organization or a team have together for a period, for all models.

    A team without a budget for the period counts as its projects: they draw on what is above the team.
    """
    assert place.kind != "project", "a project has no parts"
    organization_id = place.organization_id
    of_project = and_(
        project.c.organization_id == organization_id,
        project.c.id == budget.c.scope_id,
        project.c.archived_at_us.is_(None),
    )
    is_part: ColumnElement[bool]
    if place.kind == "team":
        is_part = exists().where(of_project, project.c.team_id == place.team_id)
    else:
        other = budget.alias()
        has_team_budget = exists().where(
            other.c.organization_id == organization_id,
            other.c.scope_id == project.c.team_id,
            other.c.period == period,
            other.c.unit == "usd",
            other.c.model == "",
        )
        is_direct_project = exists().where(of_project, or_(project.c.team_id.is_(None), ~has_team_budget))
        is_part = or_(budget.c.scope_kind == "team", is_direct_project)
    # Whole dollars and the rest apart: the sum of many large budgets need not fit 64 bits.
    query = select(
        func.coalesce(func.sum(budget.c.amount // NANOS_PER_USD), 0),
        func.coalesce(func.sum(budget.c.amount % NANOS_PER_USD), 0),
    ).where(budget.c.organization_id == organization_id, budget.c.period == period, _IS_DIVIDED, is_part)
    dollars, rest = (await connection.execute(query)).one()
    return int(dollars) * NANOS_PER_USD + int(rest)


def _is(organization_id: str, budget_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return budget.c.organization_id == organization_id, budget.c.id == budget_id


def _of_scopes(organization_id: str, scope_ids: Collection[str]) -> Sequence[ColumnElement[bool]]:
    return budget.c.organization_id == organization_id, budget.c.scope_id.in_(scope_ids), _IS_NO_CREDIT


def _to_budget(row: Row[Any, *tuple[Any, ...]]) -> Budget:
    return Budget(
        OrganizationId(row.organization_id),
        row.scope_kind,
        row.scope_id,
        row.period,
        row.amount,
        bool(row.is_carried_over),
        Enforcement(bool(row.is_hard), bool(row.is_exceeding_notified), bool(row.is_exceeding_disabling)),
        row.updated_at_us,
        row.id,
        row.model,
        row.unit,
        row.created_at_us,
        bool(row.is_from_tier),
    )
